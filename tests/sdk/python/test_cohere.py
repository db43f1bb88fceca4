"""The official, unmodified Cohere client for Python against the real relay."""

import unittest

import cohere
from cohere.core.api_error import ApiError

from native_provider import TEXT
from relay import Relay

DELTA = "sdk-test-secret-of-delta"
DELTA_POOR = "sdk-test-secret-of-delta-poor"
DELTA_THROTTLED = "sdk-test-secret-of-delta-throttled"
BETA = "sdk-test-secret-of-beta"
MODEL = "command-a-03-2025"
ASK = [{"role": "user", "content": "Say hello to the tenants."}]


class CohereClient(unittest.TestCase):
    """One relay for all tests; every test brings its own client."""

    @classmethod
    def setUpClass(cls) -> None:
        cls.relay = Relay()
        cls.addClassCleanup(cls.relay.stop)

    def client(self, key: str) -> cohere.ClientV2:
        return cohere.ClientV2(api_key=key, base_url=self.relay.base_url.removesuffix("/v1"), timeout=20)

    def ask(self, key: str = DELTA, **more):
        options = {"max_retries": 0}
        return self.client(key).chat(**{"model": MODEL, "messages": ASK, "request_options": options, **more})

    def refused(self, kind: type, status: int, code: str, call) -> None:
        with self.assertRaises(kind) as caught:
            call()
        error = caught.exception
        body = error.body if isinstance(error.body, dict) else error.body.__dict__
        self.assertEqual(error.status_code, status)
        self.assertIn(code, str(body))

    def test_chat(self) -> None:
        answer = self.ask(max_tokens=50, temperature=0.1)
        self.assertEqual(answer.message.content[0].text, TEXT)
        self.assertEqual(answer.usage.billed_units.input_tokens, 7)

    def test_models_are_those_of_the_tenant(self) -> None:
        names = [model.name for model in self.client(DELTA).models.list().models]
        self.assertIn(MODEL, names)

    def test_a_stream_is_the_same_chat(self) -> None:
        events = list(self.client(DELTA).chat_stream(model=MODEL, messages=ASK))
        words = [one.delta.message.content.text for one in events if one.type == "content-delta"]
        self.assertEqual(" ".join(words), TEXT)
        self.assertEqual(events[-1].type, "message-end")
        self.assertEqual(events[-1].delta.usage.billed_units.output_tokens, 5)

    def test_a_broken_stream_says_so(self) -> None:
        events = list(self.client(DELTA).chat_stream(model="command-that-breaks", messages=ASK))
        self.assertEqual(events[-1].type, "message-end")
        self.assertEqual(events[-1].delta.finish_reason, "ERROR")

    def test_vectors_and_order(self) -> None:
        vectors = self.client(DELTA).embed(
            model="embed-v4.0", texts=["one", "two"], input_type="search_document", embedding_types=["float"]
        )
        self.assertEqual(len(vectors.embeddings.float_), 2)
        order = self.client(DELTA).rerank(model="rerank-v3.5", query="ruby", documents=["a", "b", "c"])
        self.assertEqual([one.index for one in order.results], [0, 1, 2])

    def test_the_first_version_puts_documents_in_order(self) -> None:
        client = cohere.Client(api_key=DELTA, base_url=self.relay.base_url.removesuffix("/v1"), timeout=20)
        order = client.rerank(model="bge-reranker-v2-m3", query="ruby", documents=["a", "b", "c"], top_n=2)
        self.assertEqual([one.index for one in order.results], [0, 1])

    def test_refusals_are_typed(self) -> None:
        self.refused(cohere.UnauthorizedError, 401, "invalid_api_key", lambda: self.ask("unknown"))
        self.refused(ApiError, 402, "budget_exhausted", lambda: self.ask(DELTA_POOR))
        self.refused(cohere.ForbiddenError, 403, "model_not_allowed", lambda: self.ask(BETA))
        self.refused(cohere.NotFoundError, 404, "model_not_found", lambda: self.ask(model="unknown"))
        self.refused(cohere.BadRequestError, 400, "invalid_request", lambda: self.ask(max_tokens=-1))
        self.ask(DELTA_THROTTLED)
        self.refused(cohere.TooManyRequestsError, 429, "rate_limited", lambda: self.ask(DELTA_THROTTLED))


if __name__ == "__main__":
    unittest.main()
