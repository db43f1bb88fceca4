"""Every client of Python against an upstream of every dialect: plain, streamed, with tools, with a schema, and refused.

Each cell also compares what the client was told, what the relay recorded and charged, and what the provider billed.
"""

import json
import pathlib
import unittest
import urllib.parse

from clients import CLIENTS, HELLO, Answer, Client, Said
from relay import Relay
from tls_front import TlsFront

KEY = "sdk-test-secret-of-matrix"
TENANT = "matrix"
UPSTREAMS = ["chat", "responses", "messages", "gemini", "cohere", "bedrock"]
FEATURES = ["plain", "stream", "tools", "stream_tools", "structured", "upstream_refuses", "refused", "broken"]
# What the simulated provider says: 32 words of this, over and over.
PARAGRAPH = (
    "This answer comes from a simulated provider . It speaks the same protocol as a real one , counts its tokens by a simple"
    " rule and never tires . Ask for more words and it begins again :"
).split()
TEXT = " ".join(PARAGRAPH[place % len(PARAGRAPH)] for place in range(32))
# As ../resources.toml has it, in nano-USD a token.
PRICE = {"input": 2_000, "cached": 500, "output": 8_000}

# Cells that are refused by design, and the field that the refusal names: see docs/translation.md.
REFUSED: dict[tuple[str, str, str], str] = {}


def nanos(usd: str) -> int:
    """An amount of dollars as text, in nano-USD."""
    whole, _, fraction = usd.partition(".")
    return int(whole) * 10**9 + int(fraction.ljust(9, "0") or 0)


class Matrix(unittest.TestCase):
    """One relay for all cells; a method for each is added below."""

    @classmethod
    def setUpClass(cls) -> None:
        cls.relay = Relay("--cached-percent", "25")
        cls.addClassCleanup(cls.relay.stop)
        cls.front = TlsFront(urllib.parse.urlsplit(cls.relay.base_url).port, pathlib.Path(cls.relay.folder.name))
        cls.addClassCleanup(cls.front.stop)
        place = (cls.relay.base_url, cls.front.url, str(cls.front.certificate))
        cls.clients = {kind.name: kind(*place, KEY) for kind in CLIENTS}
        cls.strangers = {kind.name: kind(*place, "sk-wrong") for kind in CLIENTS}
        for client in [*cls.clients.values(), *cls.strangers.values()]:
            cls.addClassCleanup(client.close)
        cls.seen: set[str] = set()
        cls.table: dict[tuple[str, str, str], str] = {}
        cls.addClassCleanup(cls.print_table)

    @classmethod
    def print_table(cls) -> None:
        width = max(len(name) for name in cls.clients)
        print(f"\n{'':{width}}  " + "  ".join(f"{upstream:{len(FEATURES)}}" for upstream in UPSTREAMS))
        for name in cls.clients:
            cells = ("".join(cls.table.get((name, upstream, one), "?") for one in FEATURES) for upstream in UPSTREAMS)
            print(f"{name:{width}}  " + "  ".join(f"{cell:9}" for cell in cells))
        print(f"{', '.join(FEATURES)}: + served, - refused by name as docs/translation.md says, ? failed")

    def cell(self, name: str, upstream: str, feature: str) -> None:
        client, before = self.clients[name], self.relay.truth()
        field = REFUSED.get((name, feature, upstream))
        if field is None:
            try:
                told = getattr(self, f"is_{feature}")(client, f"m-{upstream}")
            except BaseException:
                # Its calls are not those of the next cell.
                self.relay.calls(TENANT, self.seen, self.relay.truth()["attempts"] - before["attempts"])
                raise
            self.check_books(told, before, upstream)
        else:
            self.check_refusal(client, lambda: getattr(client, feature)(f"m-{upstream}"), 400, field)
            self.assertEqual(self.relay.truth(), before, "nothing was asked")
        self.table[name, upstream, feature] = "+" if field is None else "-"

    # What each feature must give.

    def is_plain(self, client: Client, model: str) -> Said:
        said = client.plain(model)
        self.assertEqual(said.text, TEXT)
        return said

    def is_stream(self, client: Client, model: str) -> Said:
        said = client.stream(model)
        self.assertEqual(said.text, TEXT)
        self.assertGreater(said.pieces, 3)
        return said

    def is_tools(self, client: Client, model: str) -> Said:
        said = client.tools(model)
        self.assertEqual([arguments for _, arguments in said.calls], [{"echo": HELLO}])
        self.assertEqual(said.text, TEXT)
        return said

    def is_stream_tools(self, client: Client, model: str) -> Said:
        said = client.stream_tools(model)
        self.assertEqual([arguments for _, arguments in said.calls], [{"echo": HELLO}])
        return said

    def is_structured(self, client: Client, model: str) -> Said:
        answer, said = client.structured(model)
        self.assertEqual(answer, Answer(echo=HELLO, count=7))
        return said

    def is_upstream_refuses(self, client: Client, model: str) -> None:
        self.check_refusal(client, lambda: client.plain(f"{model}-refuses"), 400, "The request is invalid.")

    def is_refused(self, client: Client, model: str) -> None:
        self.check_refusal(client, lambda: client.plain("no-such-model"), 404, "no-such-model")
        self.check_refusal(client, lambda: client.stream("no-such-model"), 404, "no-such-model")
        stranger = self.strangers[client.name]
        self.check_refusal(stranger, lambda: stranger.plain(model), 401, "")

    def is_broken(self, client: Client, model: str) -> None:
        with self.assertRaises(Exception) as caught:
            client.broken(f"{model}-breaks")
        self.assertIsNotNone(client.refusal(caught.exception), repr(caught.exception))

    def check_refusal(self, client: Client, call, status: int, words: str) -> None:
        with self.assertRaises(Exception) as caught:
            call()
        refusal = client.refusal(caught.exception)
        self.assertIsNotNone(refusal, repr(caught.exception))
        self.assertEqual(refusal[0], status, repr(caught.exception))
        self.assertIn(words, refusal[1])

    # What it cost.

    def check_books(self, told: Said | None, before: dict, upstream: str) -> None:
        truth = self.relay.truth()
        billed = {name: truth[name] - before[name] for name in truth}
        calls = self.relay.calls(TENANT, self.seen, billed["attempts"])
        self.assertEqual(len(calls), billed["attempts"])
        for call in calls:
            cached = call["cached_input_tokens"]
            cost = (call["input_tokens"] - cached) * PRICE["input"] + cached * PRICE["cached"]
            self.assertEqual(nanos(call["cost_usd"]), cost + call["output_tokens"] * PRICE["output"], call)
            self.assertEqual(nanos(call["variance_usd"]), 0, call)
        sums = {name: sum(call[f"{name}_tokens"] for call in calls) for name in ("input", "cached_input", "output")}
        if told is None:
            # Whatever was refused cost nothing, and what broke off is charged by what was seen of it.
            endings = {(call["ending"], call["output_tokens"] > 0) for call in calls}
            self.assertLessEqual(endings, {("refused", False), ("cut", True)}, calls)
            self.assertEqual(sum(call["ending"] == "refused" for call in calls), billed["unbilled"])
            return
        self.assertGreater(sums["output"], 0)
        self.assertEqual({call["ending"] for call in calls}, {"complete"})
        self.assertEqual((sums["input"], sums["output"]), (billed["prompt_tokens"], billed["completion_tokens"]))
        # Cohere bills no part of the prompt as cached.
        self.assertEqual(sums["cached_input"], 0 if upstream == "cohere" else billed["cached_tokens"])
        self.assertEqual((told.input, told.output), (sums["input"], sums["output"]), "as the client was told")


def add_cell(name: str, upstream: str, feature: str) -> None:
    words = f"{name}_{upstream}_{feature}".replace(" ", "_").replace("-", "_").lower()
    setattr(Matrix, f"test_{words}", lambda self: self.cell(name, upstream, feature))


for kind in CLIENTS:
    for upstream in UPSTREAMS:
        for feature in FEATURES:
            add_cell(kind.name, upstream, feature)


if __name__ == "__main__":
    unittest.main()
