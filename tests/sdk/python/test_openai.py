"""The official, unmodified OpenAI client for Python against the real relay: as two tenants, with its own typed errors."""

import json
import threading
import time
import unittest

import httpx
import openai

from relay import Relay

ALPHA = "sdk-test-secret-of-alpha"
ALPHA_SINGLE = "sdk-test-secret-of-alpha-single"
BETA = "sdk-test-secret-of-beta"
BETA_THROTTLED = "sdk-test-secret-of-beta-throttled"
BETA_POOR = "sdk-test-secret-of-beta-poor"
GAMMA = "sdk-test-secret-of-gamma"
HELLO = [{"role": "user", "content": "Say hello to the tenants."}]
TOOL = {
    "type": "function",
    "function": {
        "name": "look_up",
        "description": "Looks something up.",
        "parameters": {"type": "object", "properties": {"echo": {"type": "string"}}},
    },
}


class OpenAiClient(unittest.TestCase):
    """One relay for all tests; every test brings its own client."""

    @classmethod
    def setUpClass(cls) -> None:
        cls.relay = Relay()
        cls.addClassCleanup(cls.relay.stop)

    def client(self, key: str, **options) -> openai.OpenAI:
        options = {"max_retries": 0, "timeout": 20.0, **options}
        client = openai.OpenAI(base_url=self.relay.base_url, api_key=key, **options)
        self.addCleanup(client.close)
        return client

    def refused(self, kind: type, status: int, code: str, call) -> openai.APIStatusError:
        with self.assertRaises(kind) as caught:
            call()
        error = caught.exception
        self.assertEqual((error.status_code, error.code), (status, code))
        self.assertTrue(error.request_id.startswith("req_"), error.request_id)
        self.assertGreater(len(error.body["message"]), 10)
        return error

    # What works.

    def test_chat(self) -> None:
        answer = self.client(ALPHA).chat.completions.create(model="gpt-4.1", messages=HELLO, max_tokens=50)
        self.assertEqual(answer.choices[0].message.role, "assistant")
        self.assertTrue(answer.choices[0].message.content)
        self.assertEqual(answer.usage.total_tokens, answer.usage.prompt_tokens + answer.usage.completion_tokens)

    def test_two_tenants_have_two_services(self) -> None:
        self.client(ALPHA).chat.completions.create(model="gpt-4.1", messages=HELLO, max_tokens=5)
        self.client(BETA).chat.completions.create(model="gpt-4.1-mini", messages=HELLO, max_tokens=5)
        foreign = lambda: self.client(BETA).chat.completions.create(model="gpt-4.1", messages=HELLO)
        self.refused(openai.PermissionDeniedError, 403, "model_not_allowed", foreign)

    def test_a_stream_without_usage_has_no_extra_chunk(self) -> None:
        stream = self.client(ALPHA).chat.completions.create(
            model="gpt-4.1", messages=HELLO, max_tokens=20, stream=True
        )
        chunks = list(stream)
        self.assertTrue(all(len(chunk.choices) == 1 for chunk in chunks))
        self.assertTrue(all(chunk.usage is None for chunk in chunks))
        self.assertIsNotNone(chunks[-1].choices[0].finish_reason)
        text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
        plain = self.client(ALPHA).chat.completions.create(model="gpt-4.1", messages=HELLO, max_tokens=20)
        self.assertEqual(text, plain.choices[0].message.content)

    def test_a_stream_with_usage_ends_with_the_usage_chunk(self) -> None:
        stream = self.client(ALPHA).chat.completions.create(
            model="gpt-4.1", messages=HELLO, max_tokens=20, stream=True, stream_options={"include_usage": True}
        )
        chunks = list(stream)
        self.assertEqual(chunks[-1].choices, [])
        self.assertGreater(chunks[-1].usage.completion_tokens, 0)
        self.assertTrue(all(chunk.usage is None for chunk in chunks[:-1]))

    def test_tools_pass_through(self) -> None:
        ask = {"model": "gpt-4.1", "messages": HELLO, "tools": [TOOL], "tool_choice": "required", "max_tokens": 100}
        plain = self.client(ALPHA).chat.completions.create(**ask).choices[0].message.tool_calls[0].function
        self.assertEqual(plain.name, "look_up")
        streamed = ""
        for chunk in self.client(ALPHA).chat.completions.create(**ask, stream=True):
            for call in chunk.choices[0].delta.tool_calls or []:
                streamed += call.function.arguments or ""
        self.assertEqual(streamed, plain.arguments)

    def test_completions(self) -> None:
        answer = self.client(ALPHA).completions.create(model="instruct", prompt="Once upon", max_tokens=10)
        self.assertTrue(answer.choices[0].text)

    def test_embeddings(self) -> None:
        answer = self.client(ALPHA).embeddings.create(model="text-embedding-3-small", input=["one", "two"])
        self.assertEqual([item.index for item in answer.data], [0, 1])
        self.assertGreater(len(answer.data[0].embedding), 0)

    def test_models_are_those_of_the_tenant(self) -> None:
        ids = lambda key: sorted(model.id for model in self.client(key).models.list())
        self.assertEqual(ids(ALPHA), ["gpt-4.1", "instruct", "slow", "text-embedding-3-small", "unreachable"])
        self.assertEqual(ids(BETA), ["gpt-4.1-mini"])
        self.assertEqual(self.client(BETA).models.retrieve("gpt-4.1-mini").id, "gpt-4.1-mini")
        self.refused(openai.NotFoundError, 404, "model_not_found", lambda: self.client(BETA).models.retrieve("gpt-4.1"))

    def test_headers_say_who_what_is_left_and_what_it_cost(self) -> None:
        raw = self.client(ALPHA).chat.completions.with_raw_response.create(
            model="gpt-4.1", messages=HELLO, max_tokens=20
        )
        self.assertTrue(raw.headers["X-Request-Id"].startswith("req_"))
        self.assertEqual(raw.headers["X-Tenant-ID"], "alpha")
        self.assertEqual(raw.headers["X-RateLimit-Limit"], "1000")
        self.assertLess(int(raw.headers["X-RateLimit-Remaining"]), 1000)
        self.assertGreater(int(raw.headers["X-RateLimit-Reset"]), time.time() - 1)
        self.assertEqual(raw.headers["x-ratelimit-limit-requests"], "1000")
        self.assertEqual(raw.headers["x-ratelimit-limit-tokens"], "10000000")
        # $8 per 1M tokens of either kind: eight millionths of a dollar each.
        usage = raw.parse().usage
        micros = round(float(raw.headers["Mandant-Cost-Usd"]) * 1_000_000)
        self.assertEqual(micros, 8 * usage.total_tokens)

    def test_responses_plain_and_streamed(self) -> None:
        ask = {"model": "gpt-4.1", "input": "Say hello to the tenants."}
        plain = self.client(GAMMA).responses.with_raw_response.create(**ask)
        answer = plain.parse()
        self.assertTrue(answer.output_text)
        micros = round(float(plain.headers["Mandant-Cost-Usd"]) * 1_000_000)
        self.assertEqual(micros, 8 * answer.usage.total_tokens)
        with self.client(GAMMA).responses.stream(**ask) as stream:
            events = list(stream)
            final = stream.get_final_response()
        self.assertEqual(final.output_text, answer.output_text)
        self.assertEqual(final.usage.output_tokens, answer.usage.output_tokens)
        self.assertEqual(events[-1].type, "response.completed")
        cut = list(self.client(GAMMA).responses.create(**ask, max_output_tokens=5, stream=True))[-1]
        self.assertEqual((cut.type, cut.response.usage.output_tokens), ("response.incomplete", 5))
        tool = {"type": "function", "strict": False, **TOOL["function"]}
        call = self.client(GAMMA).responses.create(model="gpt-4.1", input="Look it up.", tools=[tool]).output[0]
        self.assertEqual((call.type, call.name), ("function_call", "look_up"))

    def test_stored_responses_are_those_of_their_tenant(self) -> None:
        client = self.client(GAMMA)
        first = client.responses.create(model="gpt-4.1", input="Remember the tenants.")
        self.assertTrue(first.id.startswith("resp_"), first.id)
        again = client.responses.retrieve(first.id)
        self.assertEqual((again.id, again.output_text), (first.id, first.output_text))
        self.assertEqual(again.output[0].id, first.output[0].id)
        second = client.responses.create(model="gpt-4.1", input="And now?", previous_response_id=first.id)
        self.assertEqual(second.previous_response_id, first.id)
        with client.responses.stream(model="gpt-4.1", input="And then?", previous_response_id=second.id) as stream:
            third = [event.response for event in stream if event.type == "response.completed"][0]
        self.assertEqual(client.responses.retrieve(third.id).output_text, third.output_text)
        replayed = list(client.responses.retrieve(third.id, stream=True))
        self.assertEqual((replayed[-1].type, replayed[-1].response.id), ("response.completed", third.id))
        items = list(client.responses.input_items.list(first.id, limit=2))
        self.assertEqual(items[0].content[0].text, "Remember the tenants.")
        self.assertEqual(list(client.responses.input_items.list(first.id, after=items[0].id)), [])
        reference = [{"type": "item_reference", "id": first.output[0].id}, {"role": "user", "content": "Go on."}]
        self.assertTrue(client.responses.create(model="gpt-4.1", input=reference).output_text)
        counted = client.responses.input_tokens.count(model="gpt-4.1", input="Go on.", previous_response_id=first.id)
        self.assertGreater(counted.input_tokens, 0)
        with self.assertRaises(openai.BadRequestError) as caught:
            client.responses.cancel(first.id)
        self.assertIn(first.id, str(caught.exception))

        for stranger in [self.client(ALPHA), self.client(BETA)]:
            calls = [
                lambda: stranger.responses.retrieve(first.id),
                lambda: stranger.responses.delete(first.id),
                lambda: stranger.responses.cancel(first.id),
                lambda: stranger.responses.input_items.list(first.id),
            ]
            for call in calls:
                self.refused(openai.NotFoundError, 404, "object_not_found", call)
        foreign = lambda: self.client(ALPHA).responses.create(model="gpt-4.1", input="x", previous_response_id=first.id)
        self.refused(openai.NotFoundError, 404, "object_not_found", foreign)
        self.refused(openai.NotFoundError, 404, "object_not_found", lambda: client.responses.retrieve("resp_1"))
        client.responses.delete(first.id)
        with self.assertRaises(openai.NotFoundError) as gone:
            client.responses.retrieve(first.id)
        self.assertEqual(gone.exception.code, "response_not_found")

    def test_conversations_are_those_of_their_tenant(self) -> None:
        client = self.client(GAMMA)
        kept = client.conversations.create(metadata={"topic": "tenants"}, items=[{"role": "user", "content": "Remember."}])
        self.assertEqual((kept.object, kept.metadata), ("conversation", {"topic": "tenants"}))
        first = client.responses.create(model="gpt-4.1", input="And now?", conversation=kept.id)
        self.assertEqual(first.conversation.id, kept.id)
        self.assertEqual(client.responses.retrieve(first.id).conversation.id, kept.id)
        with client.responses.stream(model="gpt-4.1", input="And then?", conversation={"id": kept.id}) as stream:
            second = [event.response for event in stream if event.type == "response.completed"][0]
        items = client.conversations.items
        ids = [item.id for item in items.list(kept.id, order="asc", limit=2)]
        self.assertEqual((len(ids), ids[2], ids[4]), (5, first.output[0].id, second.output[0].id), "over three pages")
        self.assertEqual(items.retrieve(ids[2], conversation_id=kept.id).content[0].text, first.output_text)
        added = items.create(kept.id, items=[{"role": "user", "content": [{"type": "input_text", "text": "More."}]}])
        self.assertEqual(items.delete(added.data[0].id, conversation_id=kept.id).id, kept.id)
        self.assertEqual(client.conversations.update(kept.id, metadata={"topic": "x"}).metadata, {"topic": "x"})

        stranger = self.client(ALPHA)
        # Two providers could keep it.
        own = stranger.conversations.create(extra_headers={"Mandant-Model": "gpt-4.1"})
        for call in [
            lambda: stranger.conversations.retrieve(kept.id),
            lambda: stranger.conversations.update(kept.id, metadata={}),
            lambda: stranger.conversations.delete(kept.id),
            lambda: stranger.conversations.items.list(kept.id),
            lambda: stranger.conversations.items.create(kept.id, items=[]),
            lambda: stranger.conversations.items.retrieve(ids[2], conversation_id=own.id),
            lambda: stranger.conversations.items.delete(ids[2], conversation_id=own.id),
            lambda: stranger.responses.create(model="gpt-4.1", input="x", conversation=kept.id),
            lambda: client.conversations.retrieve("conv_1"),
        ]:
            self.refused(openai.NotFoundError, 404, "object_not_found", call)
        self.assertTrue(client.conversations.delete(kept.id).deleted)
        with self.assertRaises(openai.NotFoundError) as gone:
            client.conversations.retrieve(kept.id)
        self.assertEqual(gone.exception.code, "conversation_not_found")

    def test_a_conversation_is_made_shorter_and_gone_on_from(self) -> None:
        client = self.client(GAMMA)
        first = client.responses.create(model="gpt-4.1", input="Remember the tenants.")
        raw = client.responses.with_raw_response.compact(model="gpt-4.1", previous_response_id=first.id)
        shorter = raw.parse()
        self.assertEqual((shorter.object, shorter.output[-1].type), ("response.compaction", "compaction"))
        self.assertEqual(round(float(raw.headers["Mandant-Cost-Usd"]) * 1_000_000), 8 * shorter.usage.total_tokens)
        items = [item.model_dump(exclude_none=True) for item in shorter.output]
        answer = client.responses.create(model="gpt-4.1", input=[*items, {"role": "user", "content": "Go on."}])
        self.assertTrue(answer.output_text)
        foreign = lambda: self.client(ALPHA).responses.compact(model="gpt-4.1", previous_response_id=first.id)
        self.refused(openai.NotFoundError, 404, "object_not_found", foreign)

    def test_documents_are_put_in_order(self) -> None:
        ask = {"model": "bge-reranker-v2-m3", "query": "What is a panda?", "documents": ["hi", "it is a bear"], "top_n": 1}
        raw = self.client(GAMMA).post("/rerank", body=ask, cast_to=httpx.Response)
        answer = raw.json()
        self.assertEqual([one["index"] for one in answer["results"]], [0])
        self.assertEqual(round(float(raw.headers["Mandant-Cost-Usd"]) * 1_000_000), 8 * answer["usage"]["total_tokens"])

    def test_a_broken_response_is_an_error(self) -> None:
        stream = self.client(GAMMA).responses.create(model="responses-that-break", input="x", stream=True)
        with self.assertRaises(openai.APIError) as caught:
            list(stream)
        self.assertEqual(caught.exception.code, "upstream_error")

    def test_azures_client_names_the_model_in_the_path(self) -> None:
        root = self.relay.base_url.removesuffix("/v1")
        azure = openai.AzureOpenAI(azure_endpoint=root, api_key=GAMMA, api_version="2024-10-21", max_retries=0)
        self.addCleanup(azure.close)
        ask = {"messages": HELLO, "max_tokens": 20}
        answer = azure.chat.completions.create(model="gpt-4.1", **ask)
        plain = self.client(GAMMA).chat.completions.create(model="gpt-4.1", **ask)
        self.assertEqual(answer.choices[0].message.content, plain.choices[0].message.content)
        foreign = lambda: azure.chat.completions.create(model="gpt-4.1-mini", **ask)
        self.refused(openai.PermissionDeniedError, 403, "model_not_allowed", foreign)

    def test_images_are_made_and_charged_by_their_tokens(self) -> None:
        images = self.client(GAMMA).images.with_raw_response
        raw = images.generate(model="gpt-image-1", prompt="A red circle.", n=2, size="1024x1024", quality="low")
        answer = raw.parse()
        self.assertEqual([image.b64_json for image in answer.data], ["aGVsbG8="] * 2)
        nanos = answer.usage.input_tokens * 5_000 + answer.usage.output_tokens * 40_000
        self.assertEqual(round(float(raw.headers["Mandant-Cost-Usd"]) * 1_000_000_000), nanos)
        several = lambda: images.generate(model="gpt-image-1", prompt="x", n=2, stream=True)
        self.refused(openai.BadRequestError, 400, "invalid_request", several)

    def test_images_stream_and_are_edited(self) -> None:
        images = self.client(GAMMA).images
        kinds = [event.type for event in images.generate(model="gpt-image-1", prompt="x", stream=True, partial_images=2)]
        self.assertEqual(kinds, ["image_generation.partial_image"] * 2 + ["image_generation.completed"])
        picture = ("a.png", b"\x89PNG" + bytes(100_000), "image/png")
        raw = images.with_raw_response.edit(model="gpt-image-1", image=[picture, picture], prompt="Greener.", n=2)
        answer = raw.parse()
        self.assertEqual(len(answer.data), 2)
        nanos = answer.usage.input_tokens * 5_000 + answer.usage.output_tokens * 40_000
        self.assertEqual(round(float(raw.headers["Mandant-Cost-Usd"]) * 1_000_000_000), nanos)
        events = list(images.edit(model="gpt-image-1", image=picture, prompt="Greener.", stream=True))
        self.assertEqual([event.type for event in events], ["image_edit.completed"])
        self.assertEqual(len(images.create_variation(model="gpt-image-1", image=picture).data), 1)

    def test_what_is_heard_is_charged_by_tokens_or_seconds(self) -> None:
        audio = self.client(GAMMA).audio
        sound = ("a.wav", bytes(3_500_000), "audio/wav")
        raw = audio.transcriptions.with_raw_response.create(model="whisper-1", file=sound)
        self.assertEqual(raw.parse().text, "Good fences make good neighbours.")
        self.assertEqual(round(float(raw.headers["Mandant-Cost-Usd"]) * 10_000), 3_500)
        verbose = audio.transcriptions.create(model="whisper-1", file=sound, response_format="verbose_json")
        self.assertEqual(float(verbose.duration), 3_500)
        self.assertTrue(audio.transcriptions.create(model="whisper-1", file=sound, response_format="srt").startswith("1\n"))
        self.assertEqual(audio.translations.create(model="whisper-1", file=sound).text, raw.parse().text)
        short = ("a.wav", bytes(5_000), "audio/wav")
        events = list(audio.transcriptions.create(model="gpt-4o-transcribe", file=short, stream=True))
        self.assertEqual(events[-1].type, "transcript.text.done")
        self.assertEqual("".join(event.delta for event in events[:-1]), events[-1].text)
        plain = lambda: audio.transcriptions.create(model="gpt-4o-transcribe", file=short, response_format="text")
        self.refused(openai.BadRequestError, 400, "invalid_request", plain)

    def test_files_are_a_tenants_own(self) -> None:
        client, stranger = self.client(GAMMA), self.client(BETA)
        content = b"{}\n" * 50_000
        file = client.files.create(file=("lines.jsonl", content), purpose="user_data")
        self.assertEqual((file.filename, file.bytes), ("lines.jsonl", len(content)))
        self.assertEqual(client.files.content(file.id).read(), content)
        self.assertEqual(client.files.retrieve(file.id).id, file.id)
        more = [client.files.create(file=b"x", purpose="user_data").id for _ in range(3)]
        listed = [one.id for one in client.files.list(limit=2)]
        self.assertEqual(listed, [*reversed(more), file.id])
        self.assertEqual(list(stranger.files.list()), [])
        for call in [stranger.files.retrieve, stranger.files.delete, stranger.files.content]:
            self.refused(openai.NotFoundError, 404, "object_not_found", lambda: call(file.id))
        part = {"type": "file", "file": {"file_id": file.id}}
        messages = [{"role": "user", "content": [{"type": "text", "text": "What is in it?"}, part]}]
        self.assertTrue(client.chat.completions.create(model="gpt-4.1", messages=messages).choices[0].message.content)
        foreign = lambda: stranger.chat.completions.create(model="gpt-4.1-mini", messages=messages)
        self.refused(openai.NotFoundError, 404, "object_not_found", foreign)
        self.assertTrue(client.files.delete(file.id).deleted)
        self.assertEqual([one.id for one in client.files.list()], list(reversed(more)))
        self.refused(openai.NotFoundError, 404, "file_not_found", lambda: client.files.retrieve(file.id))

    def test_batches_run_and_are_a_tenants_own(self) -> None:
        client, stranger = self.client(GAMMA), self.client(BETA)
        body = {"model": "gpt-4.1", "messages": [{"role": "user", "content": "Say hello."}], "max_tokens": 9}
        line = lambda name: {"custom_id": name, "method": "POST", "url": "/v1/chat/completions", "body": body}
        content = "".join(json.dumps(line(name)) + "\n" for name in ["a", "b", "fail-c"]).encode()
        file = client.files.create(file=("in.jsonl", content), purpose="batch")
        ask = {"input_file_id": file.id, "endpoint": "/v1/chat/completions", "completion_window": "24h"}
        raw = client.batches.with_raw_response.create(**ask, metadata={"looks": "1"})
        batch = raw.parse()
        self.assertEqual((batch.object, batch.input_file_id, batch.metadata), ("batch", file.id, {"looks": "1"}))
        self.assertGreater(float(raw.headers["Mandant-Hold-Usd"]), 0)
        deadline = time.monotonic() + 30
        while batch.status != "completed" and time.monotonic() < deadline:
            time.sleep(0.1)
            batch = client.batches.retrieve(batch.id)
        self.assertEqual((batch.status, batch.request_counts.completed, batch.request_counts.failed), ("completed", 2, 1))
        results = [json.loads(line) for line in client.files.content(batch.output_file_id).text.splitlines()]
        self.assertEqual([result["custom_id"] for result in results], ["a", "b"])
        self.assertEqual(len(client.files.content(batch.error_file_id).text.splitlines()), 1)
        self.assertIn(batch.id, [one.id for one in client.batches.list(limit=1)])
        self.assertEqual(list(stranger.batches.list()), [])
        for call in [stranger.batches.retrieve, stranger.batches.cancel]:
            self.refused(openai.NotFoundError, 404, "object_not_found", lambda: call(batch.id))
        self.refused(openai.NotFoundError, 404, "object_not_found", lambda: stranger.batches.create(**ask))
        self.refused(openai.NotFoundError, 404, "object_not_found", lambda: stranger.files.content(batch.output_file_id))
        stuck = client.batches.create(**ask, metadata={"sim": "stuck"})
        self.assertEqual(client.batches.cancel(stuck.id).status, "cancelled")
        bad = client.files.create(file=("in.jsonl", content.replace(b"gpt-4.1", b"unknown")), purpose="batch")
        self.refused(openai.NotFoundError, 404, "model_not_found", lambda: client.batches.create(**{**ask, "input_file_id": bad.id}))
        for one in [file, bad]:
            client.files.delete(one.id)

    def test_speech_is_charged_by_its_characters(self) -> None:
        speech = self.client(GAMMA).audio.speech.with_raw_response
        raw = speech.create(model="tts-1", voice="alloy", input="Hello, tenants!")
        self.assertTrue(raw.content.startswith(b"ID3"))
        self.assertEqual(raw.headers["content-type"], "audio/mpeg")
        # Its bytes pass while they come; what it costs is what is held for it.
        self.assertEqual(round(float(raw.headers["Mandant-Hold-Usd"]) * 1_000_000), 15 * 15)
        with self.client(GAMMA).audio.speech.with_streaming_response.create(
            model="tts-1", voice="alloy", input="Hello, tenants!"
        ) as streamed:
            self.assertEqual(b"".join(streamed.iter_bytes()), raw.content)

    def test_moderations_cost_nothing(self) -> None:
        answer = self.client(GAMMA).moderations.with_raw_response.create(model="omni-moderation-latest", input="x")
        self.assertFalse(answer.parse().results[0].flagged)
        self.assertEqual(answer.headers["Mandant-Cost-Usd"], "0.00")

    # What is refused, each as the client's own class.

    def test_400_is_a_bad_request_error(self) -> None:
        for field in [{"max_tokens": -1}, {"n": 0}, {"extra_body": {"MODEL": "gpt-4.1-mini"}}]:
            code = "ambiguous_request" if "extra_body" in field else "invalid_request"
            call = lambda: self.client(ALPHA).chat.completions.create(model="gpt-4.1", messages=HELLO, **field)
            with self.subTest(field):
                self.refused(openai.BadRequestError, 400, code, call)

    def test_401_is_an_authentication_error(self) -> None:
        for key in ["sk-unknown", "mk-" + "a" * 49, ALPHA[:-1], ALPHA + "a"]:
            with self.subTest(key):
                call = lambda: self.client(key).chat.completions.create(model="gpt-4.1", messages=HELLO)
                self.refused(openai.AuthenticationError, 401, "invalid_api_key", call)

    def test_402_says_what_is_missing(self) -> None:
        call = lambda: self.client(BETA_POOR).chat.completions.create(model="gpt-4.1-mini", messages=HELLO)
        error = self.refused(openai.APIStatusError, 402, "budget_exhausted", call)
        self.assertEqual(error.body["limit_usd"], "0.000001")

    def test_403_is_a_permission_denied_error(self) -> None:
        call = lambda: self.client(BETA).chat.completions.create(model="slow", messages=HELLO)
        error = self.refused(openai.PermissionDeniedError, 403, "model_not_allowed", call)
        self.assertEqual(error.body["allowed_models"], ["gpt-4.1-mini"])

    def test_404_is_a_not_found_error(self) -> None:
        call = lambda: self.client(ALPHA).chat.completions.create(model="no-such-model", messages=HELLO)
        self.refused(openai.NotFoundError, 404, "model_not_found", call)
        foreign = self.client(ALPHA, default_headers={"X-Tenant-ID": "beta"})
        self.refused(openai.NotFoundError, 404, "tenant_not_found", lambda: foreign.models.list())

    def test_429_is_a_rate_limit_error(self) -> None:
        client = self.client(BETA_THROTTLED)
        client.chat.completions.create(model="gpt-4.1-mini", messages=HELLO, max_tokens=5)
        call = lambda: client.chat.completions.create(model="gpt-4.1-mini", messages=HELLO, max_tokens=5)
        error = self.refused(openai.RateLimitError, 429, "rate_limited", call)
        self.assertTrue(1 <= int(error.response.headers["Retry-After"]) <= 61)
        self.assertEqual(error.response.headers["X-RateLimit-Limit"], "1")
        self.assertEqual(error.response.headers["X-RateLimit-Remaining"], "0")

    def test_502_is_an_internal_server_error(self) -> None:
        call = lambda: self.client(ALPHA).chat.completions.create(model="unreachable", messages=HELLO)
        self.refused(openai.InternalServerError, 502, "upstream_error", call)

    def test_a_retry_waits_as_long_as_retry_after_says(self) -> None:
        sent: list[float] = []
        answers: list[tuple[int, str | None]] = []
        http_client = openai.DefaultHttpxClient(
            event_hooks={
                "request": [lambda request: sent.append(time.monotonic())],
                "response": [lambda answer: answers.append((answer.status_code, answer.headers.get("Retry-After")))],
            }
        )
        stream = self.client(ALPHA_SINGLE).chat.completions.create(model="slow", messages=HELLO, stream=True)
        next(iter(stream))
        reader = threading.Thread(target=lambda: list(stream))
        reader.start()
        patient = self.client(ALPHA_SINGLE, max_retries=5, http_client=http_client)
        answer = patient.chat.completions.create(model="gpt-4.1", messages=HELLO, max_tokens=5)
        reader.join()
        self.assertTrue(answer.choices[0].message.content)
        self.assertEqual(answers[-1][0], 200)
        self.assertGreater(len(answers), 1, "the slot was free at once: the stream is not slow")
        for before, after, (status, wait) in zip(sent, sent[1:], answers):
            self.assertEqual(status, 429)
            self.assertGreaterEqual(after - before, int(wait) - 0.01)


if __name__ == "__main__":
    unittest.main()
