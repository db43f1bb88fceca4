"""The official, unmodified Anthropic client for Python against the real relay, with both of its credential styles."""

import time
import unittest

import anthropic

from relay import Relay

GAMMA = "sdk-test-secret-of-gamma"
GAMMA_THROTTLED = "sdk-test-secret-of-gamma-throttled"
GAMMA_POOR = "sdk-test-secret-of-gamma-poor"
BETA = "sdk-test-secret-of-beta"
HELLO = [{"role": "user", "content": "Say hello to the tenants."}]
TOOL = {
    "name": "look_up",
    "description": "Looks something up.",
    "input_schema": {"type": "object", "properties": {"echo": {"type": "string"}}},
}
ASK = {"model": "claude-haiku-4-5", "messages": HELLO, "max_tokens": 50}


class AnthropicClient(unittest.TestCase):
    """One relay for all tests; every test brings its own client."""

    @classmethod
    def setUpClass(cls) -> None:
        cls.relay = Relay()
        cls.addClassCleanup(cls.relay.stop)

    def client(self, key: str, style: str = "api_key") -> anthropic.Anthropic:
        root = self.relay.base_url.removesuffix("/v1")
        client = anthropic.Anthropic(base_url=root, max_retries=0, timeout=20.0, **{style: key})
        self.addCleanup(client.close)
        return client

    def refused(self, kind: type, status: int, word: str, code: str, call) -> anthropic.APIStatusError:
        with self.assertRaises(kind) as caught:
            call()
        error = caught.exception
        self.assertEqual((error.status_code, error.body["error"]["type"]), (status, word))
        self.assertEqual(error.body["error"]["code"], code)
        self.assertTrue(error.request_id.startswith("req_"), error.request_id)
        self.assertEqual(error.body["request_id"], error.request_id)
        return error

    # What works.

    def test_a_message_with_either_credential(self) -> None:
        for style in ["api_key", "auth_token"]:
            answer = self.client(GAMMA, style).messages.create(**ASK)
            self.assertEqual((answer.role, answer.content[0].type), ("assistant", "text"))
            self.assertTrue(answer.content[0].text)
            self.assertEqual(answer.stop_reason, "end_turn")
            self.assertTrue(answer._request_id.startswith("req_"))

    def test_what_it_cost_is_its_usage(self) -> None:
        answer = self.client(GAMMA).messages.with_raw_response.create(**ASK)
        usage = answer.parse().usage
        # $1 and $5 per 1M tokens: millionths of a dollar each.
        micros = round(float(answer.headers["Mandant-Cost-Usd"]) * 1_000_000)
        self.assertEqual(micros, usage.input_tokens + 5 * usage.output_tokens)

    def test_a_stream_is_the_same_message(self) -> None:
        whole = self.client(GAMMA).messages.create(**ASK)
        with self.client(GAMMA).messages.stream(**ASK) as stream:
            text = "".join(stream.text_stream)
            message = stream.get_final_message()
        self.assertEqual(text, whole.content[0].text)
        self.assertEqual(message.usage.output_tokens, whole.usage.output_tokens)
        kinds = [event.type for event in self.client(GAMMA).messages.create(**ASK, stream=True)]
        self.assertEqual((kinds[0], kinds[-1]), ("message_start", "message_stop"))

    def test_tools_pass_through(self) -> None:
        ask = {**ASK, "tools": [TOOL], "tool_choice": {"type": "any"}, "max_tokens": 100}
        plain = self.client(GAMMA).messages.create(**ask).content[0]
        self.assertEqual((plain.type, plain.name), ("tool_use", "look_up"))
        self.assertEqual(plain.input, {"echo": "Say hello to the tenants."})
        with self.client(GAMMA).messages.stream(**ask) as stream:
            self.assertEqual(stream.get_final_message().content[0].input, plain.input)
        result = {"type": "tool_result", "tool_use_id": plain.id, "content": "found"}
        call = {"type": "tool_use", "id": plain.id, "name": plain.name, "input": plain.input}
        messages = HELLO + [{"role": "assistant", "content": [call]}, {"role": "user", "content": [result]}]
        answer = self.client(GAMMA).messages.create(**{**ask, "messages": messages, "tool_choice": {"type": "auto"}})
        self.assertEqual(answer.content[0].type, "text")

    def test_tokens_are_counted_for_nothing(self) -> None:
        answer = self.client(GAMMA).messages.with_raw_response.count_tokens(model=ASK["model"], messages=HELLO)
        self.assertGreater(answer.parse().input_tokens, 0)
        self.assertEqual(answer.headers["Mandant-Cost-Usd"], "0.00")
        # No provider of another dialect counts messages: the relay does.
        answer = self.client(GAMMA).messages.with_raw_response.count_tokens(model="gpt-4.1", messages=HELLO)
        self.assertGreater(answer.parse().input_tokens, 0)
        self.assertEqual(answer.headers["Mandant-Estimate"], "true")

    def test_the_beta_client_works_too(self) -> None:
        answer = self.client(GAMMA).beta.messages.create(**ASK, betas=["context-1m-2025-08-07"])
        self.assertTrue(answer.content[0].text)

    def test_models_are_those_of_the_tenant(self) -> None:
        models = list(self.client(GAMMA).models.list())
        self.assertIn("claude-haiku-4-5", [model.id for model in models])
        self.assertEqual(self.client(GAMMA).models.retrieve("claude-haiku-4-5").type, "model")

    # What is refused, each as the client's own class.

    def test_400_is_a_bad_request_error(self) -> None:
        kind, word = anthropic.BadRequestError, "invalid_request_error"
        for field, code in [({"max_tokens": -1}, "invalid_request"), ({"max_tokens": 1.5}, "invalid_request")]:
            self.refused(kind, 400, word, code, lambda: self.client(GAMMA).messages.create(**{**ASK, **field}))
        extra = {"extra_body": {"maxTokens": 5}}
        self.refused(kind, 400, word, "ambiguous_request", lambda: self.client(GAMMA).messages.create(**ASK, **extra))

    def test_401_is_an_authentication_error(self) -> None:
        kind = anthropic.AuthenticationError
        for style in ["api_key", "auth_token"]:
            call = lambda: self.client("sk-ant-unknown", style).messages.create(**ASK)
            self.refused(kind, 401, "authentication_error", "invalid_api_key", call)

    def test_402_says_what_is_missing(self) -> None:
        call = lambda: self.client(GAMMA_POOR).messages.create(**ASK)
        error = self.refused(anthropic.APIStatusError, 402, "billing_error", "budget_exhausted", call)
        self.assertEqual(error.body["error"]["limit_usd"], "0.000001")

    def test_403_is_a_permission_denied_error(self) -> None:
        call = lambda: self.client(BETA).messages.create(**ASK)
        error = self.refused(anthropic.PermissionDeniedError, 403, "permission_error", "model_not_allowed", call)
        self.assertEqual(error.body["error"]["allowed_models"], ["gpt-4.1-mini"])

    def test_404_is_a_not_found_error(self) -> None:
        call = lambda: self.client(GAMMA).messages.create(**{**ASK, "model": "claude-unknown"})
        self.refused(anthropic.NotFoundError, 404, "not_found_error", "model_not_found", call)

    def test_batches_run_and_are_a_tenants_own(self) -> None:
        client, stranger = self.client(GAMMA).messages.batches, self.client(BETA).messages.batches
        requests = [{"custom_id": name, "params": ASK} for name in ["a", "b", "fail-c"]]
        raw = client.with_raw_response.create(requests=requests)
        batch = raw.parse()
        self.assertEqual((batch.type, batch.processing_status), ("message_batch", "in_progress"))
        self.assertGreater(float(raw.headers["Mandant-Hold-Usd"]), 0)
        deadline = time.monotonic() + 30
        while batch.processing_status != "ended" and time.monotonic() < deadline:
            time.sleep(0.1)
            batch = client.retrieve(batch.id)
        self.assertEqual((batch.request_counts.succeeded, batch.request_counts.errored), (2, 1))
        # The client goes where the batch says that its results are.
        results = list(client.results(batch.id))
        self.assertEqual([(one.custom_id, one.result.type) for one in results], [("a", "succeeded"), ("b", "succeeded"), ("fail-c", "errored")])
        self.assertEqual(results[0].result.message.role, "assistant")
        self.assertIn(batch.id, [one.id for one in client.list(limit=1)])
        self.assertEqual(list(stranger.list()), [])
        for call in [stranger.retrieve, stranger.cancel, stranger.delete]:
            self.refused(anthropic.NotFoundError, 404, "not_found_error", "object_not_found", lambda: call(batch.id))
        stuck = client.create(requests=[{"custom_id": "stuck", "params": ASK}])
        self.assertEqual(client.cancel(stuck.id).request_counts.canceled, 1)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                self.assertEqual(client.delete(batch.id).type, "message_batch_deleted")
                break
            except anthropic.APIStatusError as error:
                # Until it is settled.
                self.assertEqual(error.status_code, 503)
                time.sleep(0.1)
        self.assertNotIn(batch.id, [one.id for one in client.list()])

    def test_429_is_a_rate_limit_error(self) -> None:
        throttled = self.client(GAMMA_THROTTLED)
        throttled.messages.create(**ASK)
        call = lambda: throttled.messages.create(**ASK)
        error = self.refused(anthropic.RateLimitError, 429, "rate_limit_error", "rate_limited", call)
        self.assertGreaterEqual(int(error.response.headers["Retry-After"]), 1)

    def test_a_broken_stream_is_an_error(self) -> None:
        ask = {**ASK, "model": "claude-that-breaks"}
        with self.assertRaises(anthropic.APIStatusError) as caught:
            list(self.client(GAMMA).messages.create(**ask, stream=True))
        self.assertEqual(caught.exception.body["error"]["code"], "upstream_error")


if __name__ == "__main__":
    unittest.main()
