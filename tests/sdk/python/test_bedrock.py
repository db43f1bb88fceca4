"""The official, unmodified AWS SDK for Python (boto3) against the real relay, with a bearer credential."""

import json
import os
import pathlib
import unittest
import unittest.mock
import urllib.parse

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError, EventStreamError

from native_provider import TEXT
from relay import Relay
from tls_front import TlsFront

DELTA = "sdk-test-secret-of-delta"
DELTA_POOR = "sdk-test-secret-of-delta-poor"
DELTA_THROTTLED = "sdk-test-secret-of-delta-throttled-too"
BETA = "sdk-test-secret-of-beta"
MODEL = "us.amazon.nova-lite-v1:0"
CLAUDE = "eu.anthropic.claude-haiku-4-5"
ASK = [{"role": "user", "content": [{"text": "Say hello to the tenants."}]}]
LOOK_UP = {"toolSpec": {"name": "look_up", "inputSchema": {"json": {"type": "object", "properties": {}}}}}


class BedrockClient(unittest.TestCase):
    """One relay for all tests; every test brings its own client."""

    @classmethod
    def setUpClass(cls) -> None:
        cls.relay = Relay()
        cls.addClassCleanup(cls.relay.stop)
        cls.front = TlsFront(urllib.parse.urlsplit(cls.relay.base_url).port, pathlib.Path(cls.relay.folder.name))
        cls.addClassCleanup(cls.front.stop)

    def client(self, key: str):
        # It is read again for every call.
        token = unittest.mock.patch.dict(os.environ, {"AWS_BEARER_TOKEN_BEDROCK": key})
        token.start()
        self.addCleanup(token.stop)
        client = boto3.client(
            "bedrock-runtime",
            region_name="us-east-1",
            endpoint_url=self.front.url,
            verify=str(self.front.certificate),
            config=Config(retries={"total_max_attempts": 1}, read_timeout=20),
        )
        self.addCleanup(client.close)
        return client

    def ask(self, key: str = DELTA, **more):
        return self.client(key).converse(**{"modelId": MODEL, "messages": ASK, **more})

    def refused(self, kind: str, status: int, call) -> None:
        with self.assertRaises(ClientError) as caught:
            call()
        response = caught.exception.response
        self.assertEqual((response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]), (kind, status))
        self.assertTrue(response["Error"]["Message"])

    def test_converse(self) -> None:
        answer = self.ask(system=[{"text": "Be kind."}], inferenceConfig={"maxTokens": 50, "temperature": 0.1})
        self.assertEqual(answer["output"]["message"]["content"][0]["text"], TEXT)
        self.assertEqual(answer["usage"]["totalTokens"], 14)
        self.assertTrue(answer["ResponseMetadata"]["RequestId"].startswith("req_"))

    def test_tools(self) -> None:
        answer = self.ask(toolConfig={"tools": [LOOK_UP]})
        self.assertEqual(answer["output"]["message"]["content"][0]["toolUse"]["input"], {"echo": TEXT})

    def test_a_stream_is_the_same(self) -> None:
        events = list(self.client(DELTA).converse_stream(modelId=MODEL, messages=ASK)["stream"])
        words = [one["contentBlockDelta"]["delta"]["text"] for one in events if "contentBlockDelta" in one]
        self.assertEqual(" ".join(words), TEXT)
        self.assertEqual(events[-1]["metadata"]["usage"]["outputTokens"], 5)

    def test_a_broken_stream_is_an_error(self) -> None:
        stream = self.client(DELTA).converse_stream(modelId="nova-that-breaks", messages=ASK)["stream"]
        with self.assertRaises(EventStreamError) as caught:
            list(stream)
        self.assertEqual(caught.exception.response["Error"]["Code"], "modelStreamErrorException")

    def invoked(self, model: str, body: str) -> tuple[dict, list[dict]]:
        """What a model answers, and the events of its stream."""
        client = self.client(DELTA)
        answer = json.loads(client.invoke_model(modelId=model, body=body)["body"].read())
        stream = client.invoke_model_with_response_stream(modelId=model, body=body)["body"]
        return answer, [json.loads(one["chunk"]["bytes"]) for one in stream]

    def test_an_invoked_model_of_anthropic(self) -> None:
        body = json.dumps({"anthropic_version": "bedrock-2023-05-31", "max_tokens": 50, "messages": [{"role": "user", "content": "Hi"}]})
        answer, events = self.invoked(CLAUDE, body)
        self.assertEqual((answer["content"][0]["text"], answer["usage"]["output_tokens"]), (TEXT, 5))
        words = [one["delta"]["text"] for one in events if one["type"] == "content_block_delta"]
        self.assertEqual((" ".join(words), events[-1]["type"]), (TEXT, "message_stop"))
        broken = self.client(DELTA).invoke_model_with_response_stream(modelId="nova-that-breaks", body=body)["body"]
        with self.assertRaises(EventStreamError) as caught:
            list(broken)
        self.assertEqual(caught.exception.response["Error"]["Code"], "modelStreamErrorException")

    def test_an_invoked_model_has_the_form_of_its_maker(self) -> None:
        answer, events = self.invoked(MODEL, json.dumps({"messages": ASK, "inferenceConfig": {"maxTokens": 50}}))
        self.assertEqual((answer["output"]["message"]["content"][0]["text"], answer["usage"]["outputTokens"]), (TEXT, 5))
        words = [one["contentBlockDelta"]["delta"]["text"] for one in events if "contentBlockDelta" in one]
        self.assertEqual(" ".join(words), TEXT)
        self.assertEqual(events[-1]["amazon-bedrock-invocationMetrics"]["outputTokenCount"], 5)
        # A model of Anthropic's does not understand Titan.
        self.refused("ValidationException", 400, lambda: self.client(DELTA).invoke_model(modelId=CLAUDE, body='{"inputText":"Hi"}'))

    def test_refusals_are_typed(self) -> None:
        self.refused("UnrecognizedClientException", 401, lambda: self.ask("unknown"))
        self.refused("ServiceQuotaExceededException", 402, lambda: self.ask(DELTA_POOR))
        self.refused("AccessDeniedException", 403, lambda: self.ask(BETA))
        self.refused("ResourceNotFoundException", 404, lambda: self.ask(modelId="unknown"))
        guard = {"guardrailIdentifier": "g", "guardrailVersion": "1"}
        self.refused("ValidationException", 400, lambda: self.ask(guardrailConfig=guard))
        client = self.client(DELTA_THROTTLED)
        client.converse(modelId=MODEL, messages=ASK)
        self.refused("ThrottlingException", 429, lambda: client.converse(modelId=MODEL, messages=ASK))


if __name__ == "__main__":
    unittest.main()
