"""The official, unmodified Google client for Python against the real relay, under both path prefixes."""

import unittest

from google import genai
from google.genai import errors, types

from native_provider import TEXT
from relay import Relay

GAMMA = "sdk-test-secret-of-gamma"
GAMMA_THROTTLED = "sdk-test-secret-of-gamma-throttled-too"
GAMMA_POOR = "sdk-test-secret-of-gamma-poor"
BETA = "sdk-test-secret-of-beta"
MODEL = "gemini-2.5-flash"
HELLO = "Say hello to the tenants."
LOOK_UP = types.FunctionDeclaration(
    name="look_up",
    description="Looks something up.",
    parameters={"type": "OBJECT", "properties": {"echo": {"type": "STRING"}}},
)


class GoogleClient(unittest.TestCase):
    """One relay for all tests; every test brings its own client."""

    @classmethod
    def setUpClass(cls) -> None:
        cls.relay = Relay()
        cls.addClassCleanup(cls.relay.stop)

    def client(self, key: str, version: str = "v1beta") -> genai.Client:
        root = self.relay.base_url.removesuffix("/v1")
        options = types.HttpOptions(base_url=root, api_version=version, timeout=20_000)
        client = genai.Client(api_key=key, vertexai=False, http_options=options)
        # It closes its connections as soon as nobody holds it.
        self.addCleanup(client.close)
        return client

    def refused(self, status: int, word: str, code: str, call) -> errors.ClientError:
        with self.assertRaises(errors.ClientError) as caught:
            call()
        error = caught.exception
        self.assertEqual((error.code, error.status), (status, word))
        info = error.details["error"]["details"][0]
        self.assertEqual(info["reason"], code)
        self.assertTrue(info["metadata"]["request_id"].startswith("req_"))
        return error

    def ask(self, key: str, **more):
        return self.client(key).models.generate_content(**{"model": MODEL, "contents": HELLO, **more})

    # What works.

    def test_an_interaction_is_kept_for_its_tenant(self) -> None:
        for version in ["v1", "v1beta"]:
            interactions = self.client(GAMMA, version).interactions
            made = interactions.create(model="gemini-that-keeps", input=HELLO, generation_config={"max_output_tokens": 50})
            self.assertEqual((made.steps[-1].content[0].text, made.usage.total_tokens), (TEXT, 14))
            self.assertEqual(interactions.get(made.id).id, made.id)
            more = interactions.create(model="gemini-that-keeps", input="And now?", previous_interaction_id=made.id)
            self.assertEqual(more.previous_interaction_id, made.id)
            events = list(interactions.create(model="gemini-that-keeps", input=HELLO, stream=True))
            words = [one.delta.text for one in events if one.event_type == "step.delta"]
            self.assertEqual(" ".join(words), TEXT)
            last = [one for one in events if one.event_type == "interaction.completed"][0]
            self.assertEqual((last.interaction.id, last.interaction.usage.total_tokens), (made.id, 14))
            self.assertEqual(interactions.cancel(made.id).id, made.id)
            interactions.delete(made.id)
            with self.assertRaises(Exception) as caught:
                self.client(BETA, version).interactions.get(made.id)
            self.assertIn("object_not_found", str(caught.exception.body))

    def test_a_broken_interaction_says_so(self) -> None:
        events = list(self.client(GAMMA).interactions.create(model="gemini-that-keeps", input="Break.", stream=True))
        self.assertEqual((events[-1].event_type, events[-1].error.code), ("error", "upstream_error"))

    def test_content_under_both_prefixes(self) -> None:
        for version in ["v1", "v1beta"]:
            answer = self.client(GAMMA, version).models.generate_content(model=MODEL, contents=HELLO)
            self.assertTrue(answer.text)
            self.assertEqual(answer.candidates[0].finish_reason, types.FinishReason.STOP)
            usage = answer.usage_metadata
            self.assertEqual(usage.total_token_count, usage.prompt_token_count + usage.candidates_token_count)

    def test_a_stream_is_the_same_content(self) -> None:
        whole = self.ask(GAMMA)
        pieces = list(self.client(GAMMA).models.generate_content_stream(model=MODEL, contents=HELLO))
        self.assertGreater(len(pieces), 2)
        self.assertEqual("".join(piece.text or "" for piece in pieces), whole.text)
        self.assertEqual(
            pieces[-1].usage_metadata.candidates_token_count, whole.usage_metadata.candidates_token_count
        )

    def test_the_limit_is_obeyed(self) -> None:
        answer = self.ask(GAMMA, config=types.GenerateContentConfig(max_output_tokens=5, temperature=0.1))
        self.assertEqual(answer.usage_metadata.candidates_token_count, 5)
        self.assertEqual(answer.candidates[0].finish_reason, types.FinishReason.MAX_TOKENS)

    def test_tools_pass_through(self) -> None:
        tools = [types.Tool(function_declarations=[LOOK_UP])]
        config = types.GenerateContentConfig(tools=tools, system_instruction="Be kind.")
        call = self.ask(GAMMA, config=config).function_calls[0]
        self.assertEqual((call.name, call.args), ("look_up", {"echo": HELLO}))
        stream = self.client(GAMMA).models.generate_content_stream(model=MODEL, contents=HELLO, config=config)
        self.assertEqual([call.name for piece in stream for call in piece.function_calls or []], ["look_up"])

    def test_tokens_are_counted(self) -> None:
        counted = self.client(GAMMA).models.count_tokens(model=MODEL, contents=HELLO)
        self.assertGreater(counted.total_tokens, 0)

    def test_embeddings(self) -> None:
        answer = self.client(GAMMA).models.embed_content(model="gemini-embedding-001", contents=["one", "two"])
        self.assertEqual(len(answer.embeddings), 2)

    def test_models_are_those_of_the_tenant(self) -> None:
        names = [model.name for model in self.client(GAMMA).models.list()]
        self.assertIn("models/gemini-2.5-flash", names)
        self.assertEqual(self.client(GAMMA).models.get(model=MODEL).name, "models/gemini-2.5-flash")

    # What is refused.

    def test_400(self) -> None:
        config = types.GenerateContentConfig(max_output_tokens=-1)
        self.refused(400, "INVALID_ARGUMENT", "invalid_request", lambda: self.ask(GAMMA, config=config))
        self.refused(400, "INVALID_ARGUMENT", "invalid_request", lambda: self.ask(GAMMA, model="gemini-embedding-001"))

    def test_401(self) -> None:
        self.refused(401, "UNAUTHENTICATED", "invalid_api_key", lambda: self.ask("AIza-unknown"))

    def test_402(self) -> None:
        error = self.refused(402, "RESOURCE_EXHAUSTED", "budget_exhausted", lambda: self.ask(GAMMA_POOR))
        self.assertEqual(error.details["error"]["details"][0]["metadata"]["limit_usd"], "0.000001")

    def test_403(self) -> None:
        self.refused(403, "PERMISSION_DENIED", "model_not_allowed", lambda: self.ask(BETA))

    def test_404(self) -> None:
        self.refused(404, "NOT_FOUND", "model_not_found", lambda: self.ask(GAMMA, model="gemini-unknown"))

    def test_429(self) -> None:
        self.ask(GAMMA_THROTTLED)
        self.refused(429, "RESOURCE_EXHAUSTED", "rate_limited", lambda: self.ask(GAMMA_THROTTLED))

    def test_a_broken_stream_is_an_error(self) -> None:
        stream = self.client(GAMMA).models.generate_content_stream(model="gemini-that-breaks", contents=HELLO)
        with self.assertRaises(errors.APIError) as caught:
            list(stream)
        self.assertEqual((caught.exception.code, caught.exception.status), (502, "UNAVAILABLE"))


if __name__ == "__main__":
    unittest.main()
