"""The official, unmodified OpenAI client for Python in realtime sessions through the real relay."""

import base64
import json
import pathlib
import ssl
import time
import unittest
import urllib.parse
import urllib.request

import openai
import websockets.exceptions

from relay import Relay
from tls_front import TlsFront

EPSILON = "sdk-test-secret-of-epsilon"
ZETA = "sdk-test-secret-of-zeta"
ZETA_POOR = "sdk-test-secret-of-zeta-poor"
ZETA_THRIFTY = "sdk-test-secret-of-zeta-thrifty"
TEXT_ONLY = {"type": "realtime", "output_modalities": ["text"], "audio": {"input": {"turn_detection": None}}}
EVENTS_MAX = 1_000


class RealtimeClient(unittest.TestCase):
    """One relay for all tests; every test brings its own client."""

    @classmethod
    def setUpClass(cls) -> None:
        cls.relay = Relay()
        cls.addClassCleanup(cls.relay.stop)

    def connect(self, key: str, model: str):
        base_url = self.relay.base_url
        client = openai.OpenAI(
            base_url=base_url, websocket_base_url=base_url.replace("http://", "ws://"), api_key=key, max_retries=0
        )
        self.addCleanup(client.close)
        return client.realtime.connect(model=model)

    def until(self, connection, kind: str) -> list:
        """The events up to the first of this type."""
        events = []
        while len(events) < EVENTS_MAX:
            events.append(connection.recv())
            if events[-1].type == kind:
                return events
            self.assertNotEqual(events[-1].type, "error", events[-1])
        self.fail(f"no {kind} in {EVENTS_MAX} events")

    def ask(self, connection, text: str) -> list:
        content = [{"type": "input_text", "text": text}]
        connection.conversation.item.create(item={"type": "message", "role": "user", "content": content})
        connection.response.create()
        return self.until(connection, "response.done")

    def spent(self, key: str) -> float:
        request = urllib.request.Request(
            f"{self.relay.base_url}/limits", headers={"Authorization": f"Bearer {key}"}
        )
        with urllib.request.urlopen(request) as answer:
            return float(json.load(answer)["current_usage"]["total_cost_usd"])

    def closed(self, connection) -> websockets.exceptions.ConnectionClosed:
        with self.assertRaises(websockets.exceptions.ConnectionClosed) as caught:
            for _ in range(EVENTS_MAX):
                connection.recv()
        return caught.exception

    # What works.

    def test_two_responses_are_charged_by_their_usage(self) -> None:
        before = self.spent(EPSILON)
        with self.connect(EPSILON, "gpt-realtime") as connection:
            self.assertEqual(connection.recv().type, "session.created")
            connection.session.update(session=TEXT_ONLY)
            cost = 0.0
            for text in ["Say something kind.", "And again, please."]:
                events = self.ask(connection, text)
                deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
                self.assertEqual(len(deltas), 32)
                usage = events[-1].response.usage
                self.assertEqual(usage.total_tokens, usage.input_tokens + usage.output_tokens)
                cost += usage.input_tokens * 4e-6 + usage.output_tokens * 16e-6
                self.assertAlmostEqual(self.spent(EPSILON) - before, cost, places=9)

    def test_audio_is_answered_and_priced_as_audio(self) -> None:
        before = self.spent(EPSILON)
        with self.connect(EPSILON, "gpt-realtime") as connection:
            second = bytes([7]) * 48_000 + bytes(400)
            connection.input_audio_buffer.append(audio=base64.b64encode(second).decode())
            events = self.until(connection, "response.done")
            self.assertTrue(any(event.type == "response.output_audio.delta" for event in events))
            usage = events[-1].response.usage
            heard, said = usage.input_token_details.audio_tokens, usage.output_token_details.audio_tokens
            self.assertTrue(heard > 10 and said == 64, usage)
            cost = (usage.input_tokens - heard) * 4e-6 + heard * 32e-6
            cost += (usage.output_tokens - said) * 16e-6 + said * 64e-6
            self.assertAlmostEqual(self.spent(EPSILON) - before, cost, places=9)

    def test_two_tenants_have_two_sessions(self) -> None:
        with self.connect(EPSILON, "gpt-realtime") as first, self.connect(ZETA, "gpt-realtime-mini") as second:
            for connection in (first, second):
                connection.session.update(session=TEXT_ONLY)
                self.until(connection, "session.updated")
            before = self.spent(ZETA)
            long = self.ask(first, "A long and winding sentence that only one of the two has to pay for.")
            self.assertEqual(self.spent(ZETA), before)
            short = self.ask(second, "Hi.")
            self.assertNotEqual(long[-1].response.id, short[-1].response.id)
            self.assertLess(short[-1].response.usage.input_tokens, long[-1].response.usage.input_tokens)
            self.assertGreater(self.spent(ZETA), before)

    def test_a_session_over_tls_is_the_same(self) -> None:
        front = TlsFront(urllib.parse.urlsplit(self.relay.base_url).port, pathlib.Path(self.relay.folder.name))
        self.addCleanup(front.stop)
        address = f"{front.url}/v1"
        client = openai.OpenAI(
            base_url=address, websocket_base_url=address.replace("https://", "wss://"), api_key=EPSILON, max_retries=0
        )
        self.addCleanup(client.close)
        trusted = ssl.create_default_context(cafile=str(front.certificate))
        before = self.spent(EPSILON)
        options = {"ssl": trusted}
        with client.realtime.connect(model="gpt-realtime", websocket_connection_options=options) as connection:
            connection.session.update(session=TEXT_ONLY)
            usage = self.ask(connection, "Is this private?")[-1].response.usage
            cost = usage.input_tokens * 4e-6 + usage.output_tokens * 16e-6
            self.assertAlmostEqual(self.spent(EPSILON) - before, cost, places=9)

    # What is refused.

    def refused(self, key: str, model: str) -> tuple[int, str]:
        with self.assertRaises(websockets.exceptions.InvalidStatus) as caught:
            self.connect(key, model).enter()
        response = caught.exception.response
        return response.status_code, json.loads(response.body)["error"]["code"]

    def test_a_wrong_key_opens_nothing(self) -> None:
        self.assertEqual(self.refused("sk-wrong", "gpt-realtime"), (401, "invalid_api_key"))

    def test_a_foreign_model_opens_nothing(self) -> None:
        self.assertEqual(self.refused(ZETA, "gpt-realtime"), (403, "model_not_allowed"))
        self.assertEqual(self.refused(ZETA, "gpt-nothing"), (404, "model_not_found"))
        self.assertEqual(self.refused(ZETA, "gpt-4.1-mini"), (400, "invalid_request"))

    def test_what_costs_more_than_is_left_is_an_error_event_and_the_end(self) -> None:
        with self.connect(ZETA_POOR, "gpt-realtime-mini") as connection:
            connection.session.update(session=TEXT_ONLY)
            self.until(connection, "session.updated")
            connection.response.create()
            event = connection.recv()
            self.assertEqual((event.type, event.error.code), ("error", "budget_exhausted"))
            self.assertEqual(event.error.type, "insufficient_quota")
            self.assertGreater(len(event.error.message), 10)
            end = self.closed(connection)
            self.assertEqual((end.rcvd.code, end.rcvd.reason), (1008, "budget_exhausted"))

    def test_a_session_is_cut_when_its_budget_ends(self) -> None:
        with self.connect(ZETA_THRIFTY, "gpt-realtime-mini") as connection:
            connection.session.update(session=TEXT_ONLY)
            self.until(connection, "session.updated")
            answered = 0
            while answered < 100:
                connection.response.create(response={"max_output_tokens": 1_000})
                events = []
                while not events or events[-1].type not in ("response.done", "error"):
                    events.append(connection.recv())
                if events[-1].type == "error":
                    break
                answered += 1
            self.assertTrue(0 < answered < 100, answered)
            self.assertEqual(events[-1].error.code, "budget_exhausted")
            self.assertEqual(self.closed(connection).rcvd.code, 1008)

    def test_a_client_that_is_gone_pays_what_was_said(self) -> None:
        before = self.spent(EPSILON)
        connection = self.connect(EPSILON, "slow-voice").enter()
        connection.session.update(session=TEXT_ONLY)
        self.until(connection, "session.updated")
        connection.response.create()
        self.until(connection, "response.output_text.delta")
        # Not closed: gone.
        connection._connection.socket.close()
        deadline = time.monotonic() + 10
        while self.spent(EPSILON) == before and time.monotonic() < deadline:
            time.sleep(0.05)
        self.assertGreater(self.spent(EPSILON), before)
        self.assertLess(self.spent(EPSILON) - before, 300 * 16e-6)


if __name__ == "__main__":
    unittest.main()
