"""Cohere's and Amazon's clients against models of the other dialects, and the other clients against models of theirs."""

import json
import os
import pathlib
import unittest
import unittest.mock
import urllib.parse

import anthropic
import boto3
import cohere
import openai
from botocore.config import Config
from botocore.exceptions import ClientError, EventStreamError
from cohere.core.api_error import ApiError

from native_provider import TEXT
from relay import Relay
from tls_front import TlsFront

DELTA = "sdk-test-secret-of-delta"
GAMMA = "sdk-test-secret-of-gamma"
HELLO = "Say hello to the tenants."
SCHEMA = {"type": "object", "properties": {"echo": {"type": "string"}}}
FOREIGN = ["gpt-4.1", "gpt-in-responses", "claude-haiku-4-5", "gemini-2.5-flash"]
COHERE, BEDROCK = "command-a-03-2025", "us.amazon.nova-lite-v1:0"


class NativeTranslation(unittest.TestCase):
    """One relay for all tests."""

    @classmethod
    def setUpClass(cls) -> None:
        cls.relay = Relay()
        cls.addClassCleanup(cls.relay.stop)
        cls.front = TlsFront(urllib.parse.urlsplit(cls.relay.base_url).port, pathlib.Path(cls.relay.folder.name))
        cls.addClassCleanup(cls.front.stop)
        root = cls.relay.base_url.removesuffix("/v1")
        cls.cohere = cohere.ClientV2(api_key=DELTA, base_url=root, timeout=20)
        token = unittest.mock.patch.dict(os.environ, {"AWS_BEARER_TOKEN_BEDROCK": DELTA})
        token.start()
        cls.addClassCleanup(token.stop)
        cls.bedrock = boto3.client(
            "bedrock-runtime",
            region_name="us-east-1",
            endpoint_url=cls.front.url,
            verify=str(cls.front.certificate),
            config=Config(retries={"total_max_attempts": 1}, read_timeout=20),
        )
        cls.addClassCleanup(cls.bedrock.close)
        cls.openai = openai.OpenAI(base_url=cls.relay.base_url, api_key=GAMMA, max_retries=0, timeout=20.0)
        cls.anthropic = anthropic.Anthropic(base_url=root, api_key=GAMMA, max_retries=0, timeout=20.0)
        cls.addClassCleanup(cls.openai.close)
        cls.addClassCleanup(cls.anthropic.close)

    # Cohere's client.

    def test_cohere(self) -> None:
        tool = {"type": "function", "function": {"name": "look_up", "description": "d", "parameters": SCHEMA}}
        for model in FOREIGN:
            ask = {"model": model, "messages": [{"role": "user", "content": HELLO}], "max_tokens": 50}
            with self.subTest(model=model):
                whole = self.cohere.chat(**ask)
                text = whole.message.content[0].text
                self.assertTrue(text)
                self.assertEqual(whole.finish_reason, "COMPLETE")
                events = list(self.cohere.chat_stream(**ask))
                words = [one.delta.message.content.text for one in events if one.type == "content-delta"]
                self.assertEqual("".join(words), text)
                self.assertEqual(events[-1].type, "message-end")
                self.assertEqual(
                    events[-1].delta.usage.billed_units.output_tokens, whole.usage.billed_units.output_tokens
                )
                called = self.cohere.chat(**ask, tools=[tool])
                call = called.message.tool_calls[0]
                self.assertEqual((called.finish_reason, call.function.name), ("TOOL_CALL", "look_up"))
                self.assertEqual(json.loads(call.function.arguments), {"echo": HELLO})
                result = {"role": "tool", "tool_call_id": call.id, "content": "found"}
                messages = [*ask["messages"], called.message, result]
                after = self.cohere.chat(**{**ask, "messages": messages}, tools=[tool])
                self.assertTrue(after.message.content[0].text)
                pieces = [
                    one.delta.message.tool_calls.function.arguments
                    for one in self.cohere.chat_stream(**ask, tools=[tool])
                    if one.type in ("tool-call-start", "tool-call-delta")
                ]
                self.assertEqual(json.loads("".join(pieces)), {"echo": HELLO})

    def test_cohere_is_refused_and_broken_as_cohere_does(self) -> None:
        messages = [{"role": "user", "content": HELLO}]
        with self.assertRaises(ApiError) as caught:
            self.cohere.chat(model="claude-haiku-4-5", messages=messages, seed=7)
        self.assertEqual(caught.exception.status_code, 400)
        self.assertIn("seed", str(caught.exception.body))
        events = list(self.cohere.chat_stream(model="nova-that-breaks", messages=messages))
        self.assertEqual((events[-1].type, events[-1].delta.finish_reason), ("message-end", "ERROR"))

    # Amazon's client.

    def test_converse(self) -> None:
        tools = {"tools": [{"toolSpec": {"name": "look_up", "inputSchema": {"json": SCHEMA}}}]}
        for model in FOREIGN:
            messages = [{"role": "user", "content": [{"text": HELLO}]}]
            ask = {"modelId": model, "messages": messages, "inferenceConfig": {"maxTokens": 50}}
            with self.subTest(model=model):
                whole = self.bedrock.converse(**ask)
                text = whole["output"]["message"]["content"][0]["text"]
                self.assertTrue(text)
                self.assertEqual(whole["stopReason"], "end_turn")
                events = list(self.bedrock.converse_stream(**ask)["stream"])
                words = [one["contentBlockDelta"]["delta"]["text"] for one in events if "contentBlockDelta" in one]
                self.assertEqual("".join(words), text)
                self.assertEqual(events[-1]["metadata"]["usage"], whole["usage"])
                called = self.bedrock.converse(**ask, toolConfig=tools)
                block = called["output"]["message"]["content"][0]["toolUse"]
                self.assertEqual((called["stopReason"], block["name"]), ("tool_use", "look_up"))
                self.assertEqual(block["input"], {"echo": HELLO})
                result = {"toolUseId": block["toolUseId"], "content": [{"json": {"found": True}}], "status": "success"}
                history = [
                    *messages,
                    called["output"]["message"],
                    {"role": "user", "content": [{"toolResult": result}]},
                ]
                after = self.bedrock.converse(**{**ask, "messages": history}, toolConfig=tools)
                self.assertTrue(after["output"]["message"]["content"][0]["text"])
                events = self.bedrock.converse_stream(**ask, toolConfig=tools)["stream"]
                pieces = [
                    one["contentBlockDelta"]["delta"]["toolUse"]["input"] for one in events if "contentBlockDelta" in one
                ]
                self.assertEqual(json.loads("".join(pieces)), {"echo": HELLO})

    def test_converse_is_refused_and_broken_as_amazon_does(self) -> None:
        messages = [{"role": "user", "content": [{"text": HELLO}]}]
        with self.assertRaises(ClientError) as caught:
            self.bedrock.converse(modelId="gpt-4.1", messages=messages, additionalModelRequestFields={"top_k": 7})
        error = caught.exception.response["Error"]
        self.assertEqual(error["Code"], "ValidationException")
        self.assertIn("top_k", error["Message"])
        stream = self.bedrock.converse_stream(modelId="responses-that-break", messages=messages)["stream"]
        with self.assertRaises(EventStreamError):
            list(stream)

    # The others, against models of Cohere's and of Bedrock's.

    def test_chat_and_messages(self) -> None:
        messages = [{"role": "user", "content": HELLO}]
        for model in (COHERE, BEDROCK):
            with self.subTest(model=model):
                whole = self.openai.chat.completions.create(model=model, messages=messages, max_tokens=50)
                self.assertEqual(whole.choices[0].message.content, TEXT)
                self.assertEqual(whole.usage.completion_tokens, 5)
                chunks = list(self.openai.chat.completions.create(model=model, messages=messages, stream=True))
                said = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
                self.assertEqual(said, TEXT.replace(" ", ""))
                self.assertEqual(self.openai.responses.create(model=model, input=HELLO).output_text, TEXT)
                said = self.anthropic.messages.create(model=model, messages=messages, max_tokens=50)
                self.assertEqual((said.content[0].text, said.usage.output_tokens), (TEXT, 5))
                with self.anthropic.messages.stream(model=model, messages=messages, max_tokens=50) as stream:
                    self.assertEqual("".join(stream.text_stream), TEXT.replace(" ", ""))
        tool = {"name": "look_up", "input_schema": SCHEMA}
        called = self.anthropic.messages.create(model=BEDROCK, messages=messages, max_tokens=50, tools=[tool])
        self.assertEqual((called.content[0].name, called.content[0].input), ("look_up", {"echo": TEXT}))
        with self.assertRaises(openai.APIError):
            list(self.openai.chat.completions.create(model="nova-that-breaks", messages=messages, stream=True))


if __name__ == "__main__":
    unittest.main()
