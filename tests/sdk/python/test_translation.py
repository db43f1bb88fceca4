"""The official clients for Python against models of the other dialects: plain, streamed, with tools, with a schema, and broken."""

import json
import unittest

import anthropic
import openai
from google import genai
from google.genai import errors, types

from relay import Relay

GAMMA = "sdk-test-secret-of-gamma"
HELLO = "Say hello to the tenants."
SCHEMA = {"type": "object", "properties": {"echo": {"type": "string"}}}
FOREIGN = {
    "openai": ["claude-haiku-4-5", "gemini-2.5-flash", "gpt-in-responses"],
    "anthropic": ["gpt-4.1", "gemini-2.5-flash", "gpt-in-responses"],
    "google": ["gpt-4.1", "claude-haiku-4-5", "gpt-in-responses"],
}


class Translation(unittest.TestCase):
    """One relay for all tests; each client asks the models that speak other dialects."""

    @classmethod
    def setUpClass(cls) -> None:
        cls.relay = Relay()
        cls.addClassCleanup(cls.relay.stop)
        root = cls.relay.base_url.removesuffix("/v1")
        cls.openai = openai.OpenAI(base_url=cls.relay.base_url, api_key=GAMMA, max_retries=0, timeout=20.0)
        cls.anthropic = anthropic.Anthropic(base_url=root, api_key=GAMMA, max_retries=0, timeout=20.0)
        cls.google = genai.Client(api_key=GAMMA, http_options={"base_url": root, "timeout": 20_000})
        cls.addClassCleanup(cls.openai.close)
        cls.addClassCleanup(cls.anthropic.close)

    # OpenAI's client.

    def test_chat(self) -> None:
        tool = {"type": "function", "function": {"name": "look_up", "parameters": SCHEMA}}
        for model in FOREIGN["openai"]:
            ask = {"model": model, "messages": [{"role": "user", "content": HELLO}], "max_tokens": 50}
            with self.subTest(model=model):
                whole = self.openai.chat.completions.create(**ask)
                text = whole.choices[0].message.content
                self.assertTrue(text)
                self.assertEqual(whole.choices[0].finish_reason, "stop")
                self.assertEqual(whole.usage.total_tokens, whole.usage.prompt_tokens + whole.usage.completion_tokens)
                chunks = list(
                    self.openai.chat.completions.create(**ask, stream=True, stream_options={"include_usage": True})
                )
                said = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
                self.assertEqual(said, text)
                self.assertEqual(chunks[-1].usage.completion_tokens, whole.usage.completion_tokens)

                called = self.openai.chat.completions.create(**ask, tools=[tool]).choices[0]
                call = called.message.tool_calls[0]
                self.assertEqual((called.finish_reason, call.function.name), ("tool_calls", "look_up"))
                self.assertEqual(json.loads(call.function.arguments), {"echo": HELLO})
                answer = {"role": "tool", "tool_call_id": call.id, "content": "found"}
                messages = [*ask["messages"], called.message, answer]
                after = self.openai.chat.completions.create(**{**ask, "messages": messages}, tools=[tool])
                self.assertTrue(after.choices[0].message.content)
                with self.openai.chat.completions.stream(**ask, tools=[tool]) as stream:
                    final = stream.get_final_completion().choices[0].message
                self.assertEqual(json.loads(final.tool_calls[0].function.arguments), {"echo": HELLO})

                schema = {"name": "answer", "schema": SCHEMA, "strict": True}
                structured = {"type": "json_schema", "json_schema": schema}
                self.assertTrue(self.openai.chat.completions.create(**ask, response_format=structured).choices)

    def test_responses(self) -> None:
        tool = {"type": "function", "name": "look_up", "parameters": SCHEMA}
        for model in FOREIGN["openai"]:
            ask = {"model": model, "input": HELLO, "max_output_tokens": 50}
            with self.subTest(model=model):
                whole = self.openai.responses.create(**ask)
                self.assertTrue(whole.output_text)
                with self.openai.responses.stream(**ask) as stream:
                    said = "".join(event.delta for event in stream if event.type == "response.output_text.delta")
                    final = stream.get_final_response()
                self.assertEqual((said, final.output_text), (whole.output_text, whole.output_text))
                self.assertEqual(final.usage.output_tokens, whole.usage.output_tokens)
                call = self.openai.responses.create(**ask, tools=[tool]).output[0]
                self.assertEqual((call.type, call.name), ("function_call", "look_up"))
                self.assertEqual(json.loads(call.arguments), {"echo": HELLO})

    def test_chat_is_refused_and_broken_as_openai_does(self) -> None:
        messages = [{"role": "user", "content": HELLO}]
        with self.assertRaises(openai.BadRequestError) as caught:
            self.openai.chat.completions.create(model="claude-haiku-4-5", messages=messages, seed=7)
        self.assertEqual((caught.exception.code, caught.exception.param), ("unsupported_field", "seed"))
        with self.assertRaises(openai.APIError):
            list(self.openai.chat.completions.create(model="claude-that-breaks", messages=messages, stream=True))

    # Anthropic's client.

    def test_messages(self) -> None:
        tool = {"name": "look_up", "input_schema": SCHEMA}
        for model in FOREIGN["anthropic"]:
            ask = {"model": model, "messages": [{"role": "user", "content": HELLO}], "max_tokens": 50}
            with self.subTest(model=model):
                whole = self.anthropic.messages.create(**ask)
                self.assertTrue(whole.content[0].text)
                self.assertEqual(whole.stop_reason, "end_turn")
                with self.anthropic.messages.stream(**ask) as stream:
                    said = "".join(stream.text_stream)
                    final = stream.get_final_message()
                self.assertEqual((said, final.content[0].text), (whole.content[0].text, whole.content[0].text))
                self.assertEqual(final.usage.output_tokens, whole.usage.output_tokens)
                self.assertEqual(final.usage.cache_read_input_tokens, whole.usage.cache_read_input_tokens)

                called = self.anthropic.messages.create(**ask, tools=[tool])
                block = called.content[0]
                self.assertEqual((called.stop_reason, block.name, block.input), ("tool_use", "look_up", {"echo": HELLO}))
                result = {"type": "tool_result", "tool_use_id": block.id, "content": "found"}
                messages = [
                    *ask["messages"],
                    {"role": "assistant", "content": called.content},
                    {"role": "user", "content": [result]},
                ]
                after = self.anthropic.messages.create(**{**ask, "messages": messages}, tools=[tool])
                self.assertTrue(after.content[0].text)
                with self.anthropic.messages.stream(**ask, tools=[tool]) as stream:
                    self.assertEqual(stream.get_final_message().content[0].input, {"echo": HELLO})

    def test_messages_are_refused_and_broken_as_anthropic_does(self) -> None:
        messages = [{"role": "user", "content": HELLO}]
        with self.assertRaises(anthropic.BadRequestError) as caught:
            self.anthropic.messages.create(model="gpt-4.1", messages=messages, max_tokens=9, extra_body={"top_k": 7})
        self.assertEqual(caught.exception.body["error"]["code"], "unsupported_field")
        with self.assertRaises(anthropic.APIError):
            with self.anthropic.messages.stream(model="gemini-that-breaks", messages=messages, max_tokens=50) as stream:
                list(stream.text_stream)

    # Google's client.

    def test_contents(self) -> None:
        look_up = types.FunctionDeclaration(name="look_up", parameters_json_schema=SCHEMA)
        with_tools = types.GenerateContentConfig(tools=[types.Tool(function_declarations=[look_up])])
        for model in FOREIGN["google"]:
            with self.subTest(model=model):
                whole = self.google.models.generate_content(model=model, contents=HELLO)
                self.assertTrue(whole.text)
                self.assertEqual(whole.candidates[0].finish_reason, types.FinishReason.STOP)
                pieces = list(self.google.models.generate_content_stream(model=model, contents=HELLO))
                self.assertEqual("".join(piece.text or "" for piece in pieces), whole.text)
                self.assertEqual(
                    pieces[-1].usage_metadata.total_token_count, whole.usage_metadata.total_token_count
                )
                called = self.google.models.generate_content(model=model, contents=HELLO, config=with_tools)
                call = called.function_calls[0]
                self.assertEqual((call.name, call.args), ("look_up", {"echo": HELLO}))
                result = types.Part.from_function_response(name="look_up", response={"result": "found"})
                history = [
                    types.Content(role="user", parts=[types.Part(text=HELLO)]),
                    called.candidates[0].content,
                    types.Content(role="user", parts=[result]),
                ]
                after = self.google.models.generate_content(model=model, contents=history, config=with_tools)
                self.assertTrue(after.text)
        with self.assertRaises(errors.APIError) as caught:
            list(self.google.models.generate_content_stream(model="claude-that-breaks", contents=HELLO))
        self.assertEqual((caught.exception.code, caught.exception.status), (502, "UNAVAILABLE"))


if __name__ == "__main__":
    unittest.main()
