"""The clients of the matrix: each says in its own words what is asked of all of them."""

import dataclasses
import json
import os
import unittest.mock

import anthropic
import boto3
import cohere
import openai
import pydantic_ai
from botocore.config import Config
from botocore.exceptions import ClientError, EventStreamError
from cohere.core.api_error import ApiError
from google import genai
from google.genai import errors, types
from langchain_anthropic import ChatAnthropic
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_openai import ChatOpenAI
from pydantic import BaseModel
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.google import GoogleModel
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.google import GoogleProvider
from pydantic_ai.providers.openai import OpenAIProvider

HELLO = "Say hello to the tenants."
FOUND = "It was found."
LIMIT = 200
SECONDS_MAX = 20
SCHEMA = {
    "type": "object",
    "properties": {"echo": {"type": "string"}, "count": {"type": "integer"}},
    "required": ["echo", "count"],
    "additionalProperties": False,
}
LOOK_UP_SCHEMA = {"type": "object", "properties": {"echo": {"type": "string"}}, "required": ["echo"]}


class Answer(BaseModel):
    """What SCHEMA says."""

    echo: str
    count: int


class LookUp(BaseModel):
    """Looks something up."""

    echo: str


@dataclasses.dataclass
class Said:
    """What a client learnt: texts, calls and the usage that it was told, all parts of the input together."""

    text: str = ""
    calls: list = dataclasses.field(default_factory=list)
    pieces: int = 0
    input: int = 0
    output: int = 0

    def tell(self, input_tokens: int, output_tokens: int) -> "Said":
        self.input += input_tokens
        self.output += output_tokens
        return self


class Client:
    """plain, stream, tools (a call, its result and the answer to that), stream_tools, structured; and what refusals look like."""

    name = ""

    def __init__(self, base_url: str, tls_url: str, certificate: str, key: str) -> None:
        self.base_url, self.root, self.key = base_url, base_url.removesuffix("/v1"), key
        self.tls_url, self.certificate = tls_url, certificate
        self.open()

    def open(self) -> None:
        pass

    def close(self) -> None:
        pass

    def refusal(self, error: Exception) -> tuple[int, str] | None:
        """The status and all words of a refusal in the client's own type; None for whatever is none."""
        raise NotImplementedError

    def broken(self, model: str) -> None:
        """Reads a stream that breaks off; raises what the client makes of it."""
        self.stream(model)


class OpenAI(Client):
    def open(self) -> None:
        self.client = openai.OpenAI(base_url=self.base_url, api_key=self.key, max_retries=0, timeout=SECONDS_MAX)

    def close(self) -> None:
        self.client.close()

    def refusal(self, error):
        kinds = {400: openai.BadRequestError, 401: openai.AuthenticationError, 404: openai.NotFoundError}
        if isinstance(error, openai.APIStatusError) and isinstance(error, kinds.get(error.status_code, Exception)):
            return error.status_code, str(error)
        return (0, str(error)) if isinstance(error, openai.APIError) else None


class OpenAIChat(OpenAI):
    name = "openai chat"
    TOOL = {"type": "function", "function": {"name": "look_up", "description": "Looks up.", "parameters": LOOK_UP_SCHEMA}}

    def ask(self, model: str) -> dict:
        return {"model": model, "messages": [{"role": "user", "content": HELLO}], "max_tokens": LIMIT}

    @staticmethod
    def said(answer) -> Said:
        message = answer.choices[0].message
        calls = [(call.function.name, json.loads(call.function.arguments)) for call in message.tool_calls or []]
        return Said(message.content or "", calls).tell(answer.usage.prompt_tokens, answer.usage.completion_tokens)

    def plain(self, model: str) -> Said:
        answer = self.client.chat.completions.create(**self.ask(model))
        assert answer.choices[0].finish_reason == "stop"
        return self.said(answer)

    def stream(self, model: str) -> Said:
        said = Said()
        options = {"stream": True, "stream_options": {"include_usage": True}}
        for chunk in self.client.chat.completions.create(**self.ask(model), **options):
            if chunk.choices and chunk.choices[0].delta.content:
                said.text += chunk.choices[0].delta.content
                said.pieces += 1
            if chunk.usage:
                said.tell(chunk.usage.prompt_tokens, chunk.usage.completion_tokens)
        return said

    def tools(self, model: str) -> Said:
        ask = {**self.ask(model), "tools": [self.TOOL]}
        first = self.client.chat.completions.create(**ask)
        assert first.choices[0].finish_reason == "tool_calls"
        message = first.choices[0].message
        result = {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": FOUND}
        after = self.client.chat.completions.create(**{**ask, "messages": [*ask["messages"], message, result]})
        told = self.said(first)
        return Said(self.said(after).text, told.calls).tell(
            told.input + after.usage.prompt_tokens, told.output + after.usage.completion_tokens
        )

    def stream_tools(self, model: str) -> Said:
        options = {"tools": [self.TOOL], "stream_options": {"include_usage": True}}
        with self.client.chat.completions.stream(**self.ask(model), **options) as stream:
            return self.said(stream.get_final_completion())

    def structured(self, model: str) -> tuple[Answer, Said]:
        answer = self.client.chat.completions.parse(**self.ask(model), response_format=Answer)
        return answer.choices[0].message.parsed, self.said(answer)


class OpenAIResponses(OpenAI):
    name = "openai responses"
    TOOL = {"type": "function", "name": "look_up", "description": "Looks up.", "parameters": LOOK_UP_SCHEMA, "strict": False}

    def ask(self, model: str) -> dict:
        return {"model": model, "input": [{"role": "user", "content": HELLO}], "max_output_tokens": LIMIT}

    @staticmethod
    def said(answer) -> Said:
        calls = [(item.name, json.loads(item.arguments)) for item in answer.output if item.type == "function_call"]
        return Said(answer.output_text, calls).tell(answer.usage.input_tokens, answer.usage.output_tokens)

    def plain(self, model: str) -> Said:
        answer = self.client.responses.create(**self.ask(model))
        assert answer.status == "completed"
        return self.said(answer)

    def stream(self, model: str) -> Said:
        with self.client.responses.stream(**self.ask(model)) as stream:
            pieces = sum(event.type == "response.output_text.delta" for event in stream)
            said = self.said(stream.get_final_response())
        said.pieces = pieces
        return said

    def tools(self, model: str) -> Said:
        ask = {**self.ask(model), "tools": [self.TOOL]}
        first = self.client.responses.create(**ask)
        call = next(item for item in first.output if item.type == "function_call")
        items = [{key: getattr(call, key) for key in ("type", "call_id", "name", "arguments")}]
        items += [{"type": "function_call_output", "call_id": call.call_id, "output": FOUND}]
        after = self.said(self.client.responses.create(**{**ask, "input": [*ask["input"], *items]}))
        told = self.said(first)
        return Said(after.text, told.calls).tell(told.input + after.input, told.output + after.output)

    def stream_tools(self, model: str) -> Said:
        with self.client.responses.stream(**self.ask(model), tools=[self.TOOL]) as stream:
            return self.said(stream.get_final_response())

    def structured(self, model: str) -> tuple[Answer, Said]:
        answer = self.client.responses.parse(**self.ask(model), text_format=Answer)
        return answer.output_parsed, self.said(answer)


class Anthropic(Client):
    name = "anthropic"
    TOOL = {"name": "look_up", "description": "Looks up.", "input_schema": LOOK_UP_SCHEMA}

    def open(self) -> None:
        self.client = anthropic.Anthropic(base_url=self.root, api_key=self.key, max_retries=0, timeout=SECONDS_MAX)

    def close(self) -> None:
        self.client.close()

    def refusal(self, error):
        kinds = {400: anthropic.BadRequestError, 401: anthropic.AuthenticationError, 404: anthropic.NotFoundError}
        if isinstance(error, anthropic.APIStatusError) and isinstance(error, kinds.get(error.status_code, Exception)):
            return error.status_code, str(error)
        return (0, str(error)) if isinstance(error, anthropic.APIError) else None

    def ask(self, model: str) -> dict:
        return {"model": model, "messages": [{"role": "user", "content": HELLO}], "max_tokens": LIMIT}

    @staticmethod
    def said(message) -> Said:
        text = "".join(block.text for block in message.content if block.type == "text")
        calls = [(block.name, block.input) for block in message.content if block.type == "tool_use"]
        usage = message.usage
        cached = (usage.cache_read_input_tokens or 0) + (usage.cache_creation_input_tokens or 0)
        return Said(text, calls).tell(usage.input_tokens + cached, usage.output_tokens)

    def plain(self, model: str) -> Said:
        message = self.client.messages.create(**self.ask(model))
        assert message.stop_reason == "end_turn"
        return self.said(message)

    def stream(self, model: str) -> Said:
        with self.client.messages.stream(**self.ask(model)) as stream:
            pieces = list(stream.text_stream)
            said = self.said(stream.get_final_message())
        assert "".join(pieces) == said.text
        said.pieces = len(pieces)
        return said

    def tools(self, model: str) -> Said:
        ask = {**self.ask(model), "tools": [self.TOOL]}
        first = self.client.messages.create(**ask)
        assert first.stop_reason == "tool_use"
        block = next(block for block in first.content if block.type == "tool_use")
        result = {"type": "tool_result", "tool_use_id": block.id, "content": FOUND}
        history = [{"role": "assistant", "content": first.content}, {"role": "user", "content": [result]}]
        after = self.said(self.client.messages.create(**{**ask, "messages": [*ask["messages"], *history]}))
        told = self.said(first)
        return Said(after.text, told.calls).tell(told.input + after.input, told.output + after.output)

    def stream_tools(self, model: str) -> Said:
        with self.client.messages.stream(**self.ask(model), tools=[self.TOOL]) as stream:
            return self.said(stream.get_final_message())

    def structured(self, model: str) -> tuple[Answer, Said]:
        message = self.client.messages.parse(**self.ask(model), output_format=Answer)
        return message.parsed_output, self.said(message)


class Google(Client):
    name = "google-genai"

    def open(self) -> None:
        self.client = genai.Client(api_key=self.key, http_options={"base_url": self.root, "timeout": SECONDS_MAX * 1000})
        declared = types.FunctionDeclaration(name="look_up", description="Looks up.", parameters_json_schema=LOOK_UP_SCHEMA)
        self.with_tools = {"max_output_tokens": LIMIT, "tools": [types.Tool(function_declarations=[declared])]}

    def refusal(self, error):
        return (error.code, str(error)) if isinstance(error, errors.APIError) else None

    def made(self, model: str, contents=HELLO, **config):
        config = types.GenerateContentConfig(**{"max_output_tokens": LIMIT, **config})
        return self.client.models.generate_content(model=model, contents=contents, config=config)

    def streamed(self, model: str, **config):
        config = types.GenerateContentConfig(**{"max_output_tokens": LIMIT, **config})
        return self.client.models.generate_content_stream(model=model, contents=HELLO, config=config)

    @staticmethod
    def told(said: Said, answer) -> Said:
        usage = answer.usage_metadata
        return said.tell(usage.prompt_token_count, (usage.candidates_token_count or 0) + (usage.thoughts_token_count or 0))

    def said(self, answer) -> Said:
        parts = answer.candidates[0].content.parts
        calls = [(part.function_call.name, part.function_call.args) for part in parts if part.function_call]
        return self.told(Said("".join(part.text or "" for part in parts), calls), answer)

    def plain(self, model: str) -> Said:
        answer = self.made(model)
        assert answer.candidates[0].finish_reason == types.FinishReason.STOP
        return self.said(answer)

    def stream(self, model: str) -> Said:
        pieces = list(self.streamed(model))
        texts = [piece.text for piece in pieces if piece.text]
        return self.told(Said("".join(texts), pieces=len(texts)), pieces[-1])

    def tools(self, model: str) -> Said:
        first = self.made(model, **self.with_tools)
        told = self.said(first)
        part = types.Part.from_function_response(name="look_up", response={"result": FOUND})
        history = [
            types.Content(role="user", parts=[types.Part(text=HELLO)]),
            first.candidates[0].content,
            types.Content(role="user", parts=[part]),
        ]
        after = self.said(self.made(model, history, **self.with_tools))
        return Said(after.text, told.calls).tell(told.input + after.input, told.output + after.output)

    def stream_tools(self, model: str) -> Said:
        pieces = list(self.streamed(model, **self.with_tools))
        calls = [(call.name, call.args) for piece in pieces for call in piece.function_calls or []]
        return self.told(Said(calls=calls), pieces[-1])

    def structured(self, model: str) -> tuple[Answer, Said]:
        answer = self.made(model, response_mime_type="application/json", response_schema=Answer)
        return answer.parsed, self.said(answer)


class Cohere(Client):
    name = "cohere"
    TOOL = {"type": "function", "function": {"name": "look_up", "description": "Looks up.", "parameters": LOOK_UP_SCHEMA}}

    def open(self) -> None:
        self.client = cohere.ClientV2(api_key=self.key, base_url=self.root, timeout=SECONDS_MAX)

    def refusal(self, error):
        return (error.status_code, str(error.body)) if isinstance(error, ApiError) else None

    def ask(self, model: str) -> dict:
        messages = [{"role": "user", "content": HELLO}]
        return {"model": model, "messages": messages, "max_tokens": LIMIT, "request_options": {"max_retries": 0}}

    @staticmethod
    def told(said: Said, usage) -> Said:
        return said.tell(int(usage.billed_units.input_tokens), int(usage.billed_units.output_tokens))

    def said(self, answer) -> Said:
        message = answer.message
        calls = [(call.function.name, json.loads(call.function.arguments)) for call in message.tool_calls or []]
        return self.told(Said("".join(part.text for part in message.content or []), calls), answer.usage)

    def plain(self, model: str) -> Said:
        answer = self.client.chat(**self.ask(model))
        assert answer.finish_reason == "COMPLETE"
        return self.said(answer)

    def stream(self, model: str) -> Said:
        said = Said()
        for event in self.client.chat_stream(**self.ask(model)):
            if event.type == "content-delta":
                said.text += event.delta.message.content.text
                said.pieces += 1
            if event.type == "message-end":
                if event.delta.finish_reason == "ERROR":
                    raise ApiError(status_code=0, body="ERROR")
                self.told(said, event.delta.usage)
        return said

    def tools(self, model: str) -> Said:
        ask = {**self.ask(model), "tools": [self.TOOL]}
        first = self.client.chat(**ask)
        assert first.finish_reason == "TOOL_CALL"
        result = {"role": "tool", "tool_call_id": first.message.tool_calls[0].id, "content": FOUND}
        after = self.said(self.client.chat(**{**ask, "messages": [*ask["messages"], first.message, result]}))
        told = self.said(first)
        return Said(after.text, told.calls).tell(told.input + after.input, told.output + after.output)

    def stream_tools(self, model: str) -> Said:
        name, arguments, said = "", "", Said()
        for event in self.client.chat_stream(**self.ask(model), tools=[self.TOOL]):
            if event.type in ("tool-call-start", "tool-call-delta"):
                function = event.delta.message.tool_calls.function
                name = name or function.name
                arguments += function.arguments or ""
            if event.type == "message-end":
                self.told(said, event.delta.usage)
        said.calls = [(name, json.loads(arguments))]
        return said

    def structured(self, model: str) -> tuple[Answer, Said]:
        format_ = {"type": "json_object", "json_schema": SCHEMA}
        said = self.said(self.client.chat(**self.ask(model), response_format=format_))
        return Answer.model_validate_json(said.text), said


class Boto3(Client):
    name = "boto3"
    TOOLS = {"tools": [{"toolSpec": {"name": "look_up", "description": "Looks up.", "inputSchema": {"json": LOOK_UP_SCHEMA}}}]}
    STATUS = {"ValidationException": 400, "UnrecognizedClientException": 401, "ResourceNotFoundException": 404}

    def open(self) -> None:
        with unittest.mock.patch.dict(os.environ, {"AWS_BEARER_TOKEN_BEDROCK": self.key}):
            self.client = boto3.client(
                "bedrock-runtime",
                region_name="us-east-1",
                endpoint_url=self.tls_url,
                verify=self.certificate,
                config=Config(retries={"total_max_attempts": 1}, read_timeout=SECONDS_MAX),
            )

    def close(self) -> None:
        self.client.close()

    def refusal(self, error):
        if isinstance(error, EventStreamError):
            return 0, str(error)
        if isinstance(error, ClientError):
            code = error.response["Error"]["Code"]
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            return (status, str(error)) if self.STATUS.get(code, status) == status else None
        return None

    def call(self, name: str, model: str, **more):
        ask = {
            "modelId": model,
            "messages": [{"role": "user", "content": [{"text": HELLO}]}],
            "inferenceConfig": {"maxTokens": LIMIT},
        }
        # The token is read again for every call.
        with unittest.mock.patch.dict(os.environ, {"AWS_BEARER_TOKEN_BEDROCK": self.key}):
            return getattr(self.client, name)(**{**ask, **more})

    @staticmethod
    def told(said: Said, usage: dict) -> Said:
        cached = usage.get("cacheReadInputTokens", 0) + usage.get("cacheWriteInputTokens", 0)
        return said.tell(usage["inputTokens"] + cached, usage["outputTokens"])

    def said(self, answer: dict) -> Said:
        blocks = answer["output"]["message"]["content"]
        calls = [(one["toolUse"]["name"], one["toolUse"]["input"]) for one in blocks if "toolUse" in one]
        return self.told(Said("".join(one.get("text", "") for one in blocks), calls), answer["usage"])

    def plain(self, model: str) -> Said:
        answer = self.call("converse", model)
        assert answer["stopReason"] == "end_turn"
        return self.said(answer)

    def events(self, model: str, **more) -> tuple[list, list, Said]:
        events = list(self.call("converse_stream", model, **more)["stream"])
        deltas = [one["contentBlockDelta"]["delta"] for one in events if "contentBlockDelta" in one]
        starts = [one["contentBlockStart"]["start"] for one in events if "contentBlockStart" in one]
        return starts, deltas, self.told(Said(), events[-1]["metadata"]["usage"])

    def stream(self, model: str) -> Said:
        _, deltas, said = self.events(model)
        texts = [delta["text"] for delta in deltas if "text" in delta]
        said.text, said.pieces = "".join(texts), len(texts)
        return said

    def tools(self, model: str) -> Said:
        first = self.call("converse", model, toolConfig=self.TOOLS)
        assert first["stopReason"] == "tool_use"
        message = first["output"]["message"]
        use = next(one["toolUse"] for one in message["content"] if "toolUse" in one)
        result = {"toolUseId": use["toolUseId"], "content": [{"text": FOUND}]}
        history = [
            {"role": "user", "content": [{"text": HELLO}]},
            message,
            {"role": "user", "content": [{"toolResult": result}]},
        ]
        after = self.said(self.call("converse", model, toolConfig=self.TOOLS, messages=history))
        told = self.said(first)
        return Said(after.text, told.calls).tell(told.input + after.input, told.output + after.output)

    def stream_tools(self, model: str) -> Said:
        starts, deltas, said = self.events(model, toolConfig=self.TOOLS)
        name = next(start["toolUse"]["name"] for start in starts if "toolUse" in start)
        arguments = "".join(delta["toolUse"]["input"] for delta in deltas if "toolUse" in delta)
        said.calls = [(name, json.loads(arguments))]
        return said

    def structured(self, model: str) -> tuple[Answer, Said]:
        structure = {"jsonSchema": {"name": "answer", "schema": json.dumps(SCHEMA)}}
        config = {"textFormat": {"type": "json_schema", "structure": structure}}
        said = self.said(self.call("converse", model, outputConfig=config))
        return Answer.model_validate_json(said.text), said


class LangChain(Client):
    """What the two clients of LangChain have in common."""

    def chat(self, model: str):
        raise NotImplementedError

    @staticmethod
    def said(message) -> Said:
        calls = [(call["name"], call["args"]) for call in message.tool_calls]
        usage = message.usage_metadata
        return Said(message.text, calls).tell(usage["input_tokens"], usage["output_tokens"])

    def plain(self, model: str) -> Said:
        return self.said(self.chat(model).invoke(HELLO))

    def stream(self, model: str) -> Said:
        pieces = list(self.chat(model).stream(HELLO))
        whole = pieces[0]
        for piece in pieces[1:]:
            whole += piece
        said = self.said(whole)
        said.pieces = sum(bool(piece.text) for piece in pieces)
        return said

    def tools(self, model: str) -> Said:
        chat = self.chat(model).bind_tools([LookUp])
        first = chat.invoke([HumanMessage(HELLO)])
        result = ToolMessage(FOUND, tool_call_id=first.tool_calls[0]["id"])
        after = self.said(chat.invoke([HumanMessage(HELLO), first, result]))
        told = self.said(first)
        return Said(after.text, told.calls).tell(told.input + after.input, told.output + after.output)

    def stream_tools(self, model: str) -> Said:
        pieces = list(self.chat(model).bind_tools([LookUp]).stream(HELLO))
        whole = pieces[0]
        for piece in pieces[1:]:
            whole += piece
        return self.said(whole)

    def structured(self, model: str) -> tuple[Answer, Said]:
        chat = self.chat(model).with_structured_output(Answer, method="json_schema", include_raw=True)
        answer = chat.invoke(HELLO)
        if answer["parsing_error"]:
            raise answer["parsing_error"]
        return answer["parsed"], self.said(answer["raw"])


class LangChainOpenAI(LangChain):
    name = "ChatOpenAI"
    refusal = OpenAI.refusal

    def chat(self, model: str):
        options = {"max_retries": 0, "timeout": SECONDS_MAX, "stream_usage": True}
        return ChatOpenAI(model=model, base_url=self.base_url, api_key=self.key, **options)


class LangChainAnthropic(LangChain):
    name = "ChatAnthropic"
    refusal = Anthropic.refusal

    def chat(self, model: str):
        options = {"max_retries": 0, "timeout": SECONDS_MAX, "max_tokens": LIMIT}
        return ChatAnthropic(model=model, base_url=self.root, api_key=self.key, **options)


class PydanticAI(Client):
    """What the four clients of pydantic-ai have in common: the agent calls the tool itself."""

    output = pydantic_ai.NativeOutput(Answer)

    def model(self, model: str):
        raise NotImplementedError

    def refusal(self, error):
        if isinstance(error, pydantic_ai.ModelHTTPError):
            return error.status_code, str(error)
        kinds = (pydantic_ai.ModelAPIError, pydantic_ai.UnexpectedModelBehavior)
        kinds += (openai.APIError, anthropic.APIError, errors.APIError)
        return (0, str(error)) if isinstance(error, kinds) else None

    def agent(self, model: str, **more) -> pydantic_ai.Agent:
        return pydantic_ai.Agent(self.model(model), retries=0, model_settings={"max_tokens": LIMIT}, **more)

    @staticmethod
    def told(said: Said, result) -> Said:
        usage = result.usage()
        return said.tell(usage.input_tokens, usage.output_tokens)

    def plain(self, model: str) -> Said:
        result = self.agent(model).run_sync(HELLO)
        return self.told(Said(result.output), result)

    def stream(self, model: str) -> Said:
        result = self.agent(model).run_stream_sync(HELLO)
        pieces = list(result.stream_text(delta=True, debounce_by=None))
        assert "".join(pieces) == result.get_output()
        return self.told(Said("".join(pieces), pieces=len(pieces)), result)

    def with_tool(self, model: str) -> tuple[pydantic_ai.Agent, list]:
        agent, calls = self.agent(model), []

        @agent.tool_plain
        def look_up(echo: str) -> str:
            """Looks something up."""
            calls.append(("look_up", {"echo": echo}))
            return FOUND

        return agent, calls

    def tools(self, model: str) -> Said:
        agent, calls = self.with_tool(model)
        result = agent.run_sync(HELLO)
        return self.told(Said(result.output, calls), result)

    def stream_tools(self, model: str) -> Said:
        agent, calls = self.with_tool(model)
        result = agent.run_stream_sync(HELLO)
        text = "".join(result.stream_text(delta=True, debounce_by=None))
        return self.told(Said(text, calls), result)

    def structured(self, model: str) -> tuple[Answer, Said]:
        result = self.agent(model, output_type=self.output).run_sync(HELLO)
        return result.output, self.told(Said(), result)


class PydanticAIChat(PydanticAI):
    name = "pydantic-ai chat"

    def model(self, model: str):
        client = openai.AsyncOpenAI(base_url=self.base_url, api_key=self.key, max_retries=0, timeout=SECONDS_MAX)
        return OpenAIChatModel(model, provider=OpenAIProvider(openai_client=client))


class PydanticAIResponses(PydanticAI):
    name = "pydantic-ai responses"

    def model(self, model: str):
        client = openai.AsyncOpenAI(base_url=self.base_url, api_key=self.key, max_retries=0, timeout=SECONDS_MAX)
        return OpenAIResponsesModel(model, provider=OpenAIProvider(openai_client=client))


class PydanticAIAnthropic(PydanticAI):
    name = "pydantic-ai anthropic"

    # It knows no model of this name, and takes the call of a tool for the object then.
    output = Answer

    def model(self, model: str):
        client = anthropic.AsyncAnthropic(base_url=self.root, api_key=self.key, max_retries=0, timeout=SECONDS_MAX)
        return AnthropicModel(model, provider=AnthropicProvider(anthropic_client=client))


class PydanticAIGoogle(PydanticAI):
    name = "pydantic-ai google"

    def model(self, model: str):
        return GoogleModel(model, provider=GoogleProvider(api_key=self.key, base_url=self.root))


CLIENTS = [
    OpenAIChat,
    OpenAIResponses,
    Anthropic,
    Google,
    Cohere,
    Boto3,
    LangChainOpenAI,
    LangChainAnthropic,
    PydanticAIChat,
    PydanticAIResponses,
    PydanticAIAnthropic,
    PydanticAIGoogle,
]
