"""Unmodified frameworks for Python through the real relay: LangChain and pydantic-ai, each client against every dialect that
an upstream speaks: plain, streamed, with tools, with a schema, and refused."""

import unittest

import anthropic
import openai
from langchain_anthropic import ChatAnthropic
from langchain_openai import ChatOpenAI
from pydantic import BaseModel
from pydantic_ai import Agent, ModelHTTPError
from pydantic_ai.messages import ToolCallPart
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.google import GoogleModel
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.google import GoogleProvider
from pydantic_ai.providers.openai import OpenAIProvider

from relay import Relay

GAMMA = "sdk-test-secret-of-gamma"
HELLO = "Say hello to the tenants."
# One model of each dialect.
MODELS = ["gpt-4.1", "claude-haiku-4-5", "gemini-2.5-flash"]


class LookUp(BaseModel):
    """Looks something up."""

    echo: str


class Frameworks(unittest.TestCase):
    """One relay for all tests."""

    @classmethod
    def setUpClass(cls) -> None:
        cls.relay = Relay()
        cls.addClassCleanup(cls.relay.stop)
        cls.base_url = cls.relay.base_url
        cls.root = cls.base_url.removesuffix("/v1")

    # LangChain.

    def langchain(self, key: str = GAMMA):
        options = {"max_retries": 0, "timeout": 20.0}
        yield "ChatOpenAI", lambda model: ChatOpenAI(
            model=model, base_url=self.base_url, api_key=key, stream_usage=True, **options
        )
        yield "ChatAnthropic", lambda model: ChatAnthropic(
            model=model, base_url=self.root, api_key=key, max_tokens=50, **options
        )

    def test_langchain(self) -> None:
        for name, chat in self.langchain():
            for model in MODELS:
                with self.subTest(client=name, model=model):
                    client = chat(model)
                    whole = client.invoke(HELLO)
                    self.assertTrue(whole.text)
                    usage = whole.usage_metadata
                    self.assertEqual(usage["total_tokens"], usage["input_tokens"] + usage["output_tokens"])
                    pieces = list(client.stream(HELLO))
                    self.assertEqual("".join(piece.text for piece in pieces), whole.text)
                    self.assertGreater(len(pieces), 3)
                    called = client.bind_tools([LookUp]).invoke(HELLO)
                    self.assertEqual([(call["name"], call["args"]) for call in called.tool_calls], [("LookUp", {"echo": HELLO})])
                    structured = client.with_structured_output(LookUp, method="function_calling")
                    if (name, model) == ("ChatOpenAI", "gemini-2.5-flash"):
                        # It asks for one call at a time, for which Gemini has no word.
                        with self.assertRaisesRegex(openai.BadRequestError, "parallel_tool_calls"):
                            structured.invoke(HELLO)
                        continue
                    self.assertEqual(structured.invoke(HELLO), LookUp(echo=HELLO))

    def test_langchain_is_refused_as_its_client_expects(self) -> None:
        kinds = {"ChatOpenAI": openai.AuthenticationError, "ChatAnthropic": anthropic.AuthenticationError}
        for name, chat in self.langchain("sk-wrong"):
            with self.subTest(client=name), self.assertRaises(kinds[name]):
                chat("gpt-4.1").invoke(HELLO)
        kinds = {"ChatOpenAI": openai.NotFoundError, "ChatAnthropic": anthropic.NotFoundError}
        for name, chat in self.langchain():
            with self.subTest(client=name), self.assertRaises(kinds[name]):
                chat("no-such-model").invoke(HELLO)

    # pydantic-ai.

    def pydantic_ai(self):
        of_openai = OpenAIProvider(base_url=self.base_url, api_key=GAMMA)
        of_anthropic = AnthropicProvider(
            anthropic_client=anthropic.AsyncAnthropic(base_url=self.root, api_key=GAMMA, max_retries=0)
        )
        of_google = GoogleProvider(api_key=GAMMA, base_url=self.root)
        yield "chat", lambda model: OpenAIChatModel(model, provider=of_openai)
        yield "responses", lambda model: OpenAIResponsesModel(model, provider=of_openai)
        yield "messages", lambda model: AnthropicModel(model, provider=of_anthropic)
        yield "contents", lambda model: GoogleModel(model, provider=of_google)

    def test_pydantic_ai(self) -> None:
        for name, of in self.pydantic_ai():
            for model in MODELS:
                with self.subTest(client=name, model=model):
                    whole = Agent(of(model), retries=0).run_sync(HELLO, model_settings={"max_tokens": 50})
                    self.assertTrue(whole.output)
                    self.assertGreater(whole.usage().output_tokens, 0)
                    structured = Agent(of(model), output_type=LookUp, retries=0).run_sync(HELLO)
                    self.assertEqual(structured.output, LookUp(echo=HELLO))
                    calls = [
                        part for message in structured.all_messages() for part in message.parts if isinstance(part, ToolCallPart)
                    ]
                    self.assertEqual(len(calls), 1)

    def test_pydantic_ai_streams(self) -> None:
        for name, of in self.pydantic_ai():
            for model in MODELS:
                with self.subTest(client=name, model=model):
                    stream = Agent(of(model), retries=0).run_stream_sync(HELLO)
                    pieces = list(stream.stream_text(delta=True, debounce_by=None))
                    self.assertGreater(len(pieces), 3)
                    self.assertEqual("".join(pieces), stream.get_output())

    def test_pydantic_ai_is_refused(self) -> None:
        for name, of in self.pydantic_ai():
            with self.subTest(client=name), self.assertRaises(ModelHTTPError) as caught:
                Agent(of("no-such-model"), retries=0).run_sync(HELLO)
            self.assertEqual(caught.exception.status_code, 404)


if __name__ == "__main__":
    unittest.main()
