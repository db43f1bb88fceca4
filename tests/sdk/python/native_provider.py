"""A provider that answers as Cohere and Bedrock do, always the same: for the SDKs whose dialects the simulated one does not speak."""

import base64
import http.server
import json
import struct
import threading
import zlib

TEXT = "Hello to all tenants."
COHERE_USAGE = {"billed_units": {"input_tokens": 7, "output_tokens": 5}, "tokens": {"input_tokens": 502, "output_tokens": 8}}
BEDROCK_USAGE = {"inputTokens": 9, "outputTokens": 5, "totalTokens": 14}


def header(name: str, value: str) -> bytes:
    return bytes([len(name)]) + name.encode() + b"\7" + struct.pack(">H", len(value)) + value.encode()


def frame(event: str, payload: dict) -> bytes:
    """One frame of Amazon's event streams."""
    headers = header(":event-type", event) + header(":content-type", "application/json") + header(":message-type", "event")
    body = json.dumps(payload).encode()
    prelude = struct.pack(">II", 16 + len(headers) + len(body), len(headers))
    prelude += struct.pack(">I", zlib.crc32(prelude))
    whole = prelude + headers + body
    return whole + struct.pack(">I", zlib.crc32(whole))


def event(kind: str, **more) -> bytes:
    """One event of Cohere's streams."""
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **more})}\n\n".encode()


def cohere_chat(body: dict, breaks: bool) -> tuple[str, list[bytes]]:
    content = {"type": "text", "text": TEXT}
    if not body.get("stream"):
        message = {"role": "assistant", "content": [content]}
        return "application/json", [json.dumps({"id": "c-1", "message": message, "finish_reason": "COMPLETE", "usage": COHERE_USAGE}).encode()]
    pieces = [event("message-start", id="c-1", delta={"message": {"role": "assistant", "content": []}})]
    pieces += [event("content-start", index=0, delta={"message": {"content": {"type": "text", "text": ""}}})]
    pieces += [event("content-delta", index=0, delta={"message": {"content": {"text": word}}}) for word in TEXT.split(" ")]
    if not breaks:
        pieces += [event("content-end", index=0)]
        pieces += [event("message-end", delta={"finish_reason": "COMPLETE", "usage": COHERE_USAGE})]
    return "text/event-stream", pieces


def cohere_embed(body: dict, breaks: bool) -> tuple[str, list[bytes]]:
    vectors = [[0.5, 0.25]] * len(body["texts"])
    meta = {"api_version": {"version": "2"}, "billed_units": {"input_tokens": 4}}
    answer = {"id": "e-1", "embeddings": {"float": vectors}, "texts": body["texts"], "meta": meta, "response_type": "embeddings_by_type"}
    return "application/json", [json.dumps(answer).encode()]


def cohere_rerank(body: dict, breaks: bool) -> tuple[str, list[bytes]]:
    results = [{"index": place, "relevance_score": 0.5} for place in range(len(body["documents"]))]
    meta = {"api_version": {"version": "2"}, "billed_units": {"search_units": 1}}
    return "application/json", [json.dumps({"id": "r-1", "results": results, "meta": meta}).encode()]


def converse(body: dict, breaks: bool) -> tuple[str, list[bytes]]:
    content = [{"text": TEXT}]
    if "toolConfig" in body:
        content = [{"toolUse": {"toolUseId": "t-1", "name": "look_up", "input": {"echo": TEXT}}}]
    message = {"role": "assistant", "content": content}
    answer = {"output": {"message": message}, "stopReason": "end_turn", "usage": BEDROCK_USAGE, "metrics": {"latencyMs": 1}}
    return "application/json", [json.dumps(answer).encode()]


def converse_stream(body: dict, breaks: bool) -> tuple[str, list[bytes]]:
    frames = [frame("messageStart", {"role": "assistant"})]
    frames += [frame("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": word}}) for word in TEXT.split(" ")]
    if not breaks:
        frames += [frame("contentBlockStop", {"contentBlockIndex": 0}), frame("messageStop", {"stopReason": "end_turn"})]
        frames += [frame("metadata", {"usage": BEDROCK_USAGE, "metrics": {"latencyMs": 1}})]
    return "application/vnd.amazon.eventstream", frames


def invoke(body: dict, breaks: bool) -> tuple[str, list[bytes]]:
    if "anthropic_version" not in body:
        # Nova's own form is Converse's.
        return converse(body, breaks)
    message = {"id": "msg_1", "type": "message", "role": "assistant", "content": [{"type": "text", "text": TEXT}]}
    answer = {**message, "stop_reason": "end_turn", "usage": {"input_tokens": 9, "output_tokens": 5}}
    return "application/json", [json.dumps(answer).encode()]


def invoke_stream(body: dict, breaks: bool) -> tuple[str, list[bytes]]:
    if "anthropic_version" not in body:
        return "application/vnd.amazon.eventstream", chunks(nova_events())
    events = [{"type": "message_start", "message": {"id": "msg_1", "usage": {"input_tokens": 9, "output_tokens": 1}}}]
    events += [{"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": word}} for word in TEXT.split(" ")]
    if not breaks:
        events += [{"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 5}}]
        events += [{"type": "message_stop"}]
    return "application/vnd.amazon.eventstream", chunks(events)


def nova_events() -> list[dict]:
    events = [{"messageStart": {"role": "assistant"}}]
    events += [{"contentBlockDelta": {"contentBlockIndex": 0, "delta": {"text": word}}} for word in TEXT.split(" ")]
    events += [{"contentBlockStop": {"contentBlockIndex": 0}}, {"messageStop": {"stopReason": "end_turn"}}]
    metrics = {"inputTokenCount": 9, "outputTokenCount": 5, "invocationLatency": 1, "firstByteLatency": 1}
    return [*events, {"metadata": {"usage": BEDROCK_USAGE}, "amazon-bedrock-invocationMetrics": metrics}]


def chunks(events: list[dict]) -> list[bytes]:
    wrapped = [base64.b64encode(json.dumps(one).encode()).decode() for one in events]
    return [frame("chunk", {"bytes": one}) for one in wrapped]


INTERACTION = {
    "id": "v1_1",
    "object": "interaction",
    "status": "completed",
    "model": "gemini-that-keeps",
    "steps": [{"type": "model_output", "content": [{"type": "text", "text": TEXT}]}],
    "usage": {"total_input_tokens": 9, "total_output_tokens": 5, "total_thought_tokens": 0, "total_tokens": 14},
}


def interaction(body: dict, breaks: bool) -> tuple[str, list[bytes]]:
    if not body.get("stream"):
        return "application/json", [json.dumps({**INTERACTION, "previous_interaction_id": body.get("previous_interaction_id")}).encode()]
    begun = {"id": "v1_1", "object": "interaction", "status": "in_progress"}
    events = [{"event_type": "interaction.created", "interaction": begun}]
    events += [{"event_type": "step.start", "index": 0, "step": {"type": "model_output"}}]
    events += [{"event_type": "step.delta", "index": 0, "delta": {"type": "text", "text": word}} for word in TEXT.split(" ")]
    if not breaks and body["input"] != "Break.":
        events += [{"event_type": "step.stop", "index": 0}]
        events += [{"event_type": "interaction.completed", "interaction": {**begun, "status": "completed", "usage": INTERACTION["usage"]}}]
    pieces = [f"event: {one['event_type']}\ndata: {json.dumps(one)}\n\n".encode() for one in events]
    return "text/event-stream", pieces if breaks or body["input"] == "Break." else [*pieces, b"event: done\ndata: [DONE]\n\n"]


ANSWERS = {
    "/interactions": interaction,
    "/interactions/v1_1/cancel": lambda body, breaks: ("application/json", [json.dumps(INTERACTION).encode()]),
    "/v2/chat": cohere_chat,
    "/v2/embed": cohere_embed,
    "/v2/rerank": cohere_rerank,
    "/converse": converse,
    "/converse-stream": converse_stream,
    "/invoke": invoke,
    "/invoke-with-response-stream": invoke_stream,
}


class NativeProvider:
    """Listens until stop(); takes one credential, as a bearer."""

    def __init__(self, key: str) -> None:
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self.kept(json.dumps(INTERACTION).encode())

            def do_DELETE(self) -> None:
                self.kept(b"{}")

            def kept(self, answer: bytes) -> None:
                if self.headers["Authorization"] != f"Bearer {key}" or not self.path.split("?")[0].endswith("/interactions/v1_1"):
                    self.send_error(404)
                    return
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")
                ending = next((ending for ending in ANSWERS if self.path.endswith(ending)), None)
                if self.headers["Authorization"] != f"Bearer {key}" or ending is None:
                    self.send_error(401)
                    return
                kind, pieces = ANSWERS[ending](body, "that-breaks" in f"{self.path} {body.get('model')}")
                self.send_response(200)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(sum(map(len, pieces))))
                self.end_headers()
                for piece in pieces:
                    self.wfile.write(piece)
                    self.wfile.flush()

            def log_message(self, *_) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
