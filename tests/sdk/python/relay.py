"""Starts the real relay in front of the simulated provider, for the duration of a test module."""

import http.client
import json
import os
import pathlib
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

from native_provider import NativeProvider

ROOT = pathlib.Path(__file__).resolve().parents[3]
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
MANDANT = os.environ.get("MANDANT_BINARY", TARGET / "debug" / "mandant")
PROVIDER = os.environ.get("MANDANT_PROVIDER_BIN", TARGET / "debug" / "examples" / "provider")
PROVIDER_KEY = "sk-simulated-provider-key"
START_SECONDS_MAX = 30
SETTLE_SECONDS_MAX = 5


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class ControlConnection(http.client.HTTPConnection):
    """To the relay's control socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost")
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)


class Relay:
    """A running relay with the resources of ../resources.toml; stop() ends it and removes its data."""

    def __init__(self, *provider_options: str) -> None:
        self.provider_options = provider_options
        self.folder = tempfile.TemporaryDirectory(prefix="mandant-sdk-")
        self.processes: list[subprocess.Popen] = []
        self.native = NativeProvider(PROVIDER_KEY)
        try:
            self._start(pathlib.Path(self.folder.name))
        except BaseException:
            self.stop()
            raise

    def _start(self, folder: pathlib.Path) -> None:
        environment = {**os.environ, "MANDANT_SDK_PROVIDER_KEY": PROVIDER_KEY}
        provider = subprocess.Popen([PROVIDER, "--key", PROVIDER_KEY, *self.provider_options], stdout=subprocess.PIPE, text=True)
        self.processes.append(provider)
        provider_url = provider.stdout.readline().strip()
        assert provider_url, "the simulated provider did not start"
        self.provider_root = provider_url.removesuffix("/v1")

        port = free_port()
        config = folder / "mandant.toml"
        config.write_text(
            f'data_dir = "{folder / "data"}"\n[relay]\nlisten = "127.0.0.1:{port}"\nbatch_poll = "200ms"\n'
            f'[control]\nlisten = "127.0.0.1:{free_port()}"\n'
        )
        resources = (pathlib.Path(__file__).parent.parent / "resources.toml").read_text()
        resources = resources.replace("{provider}", provider_url)
        resources = resources.replace("{root}", self.provider_root)
        resources = resources.replace("{native}", self.native.url)
        resources = resources.replace("{nowhere}", f"http://127.0.0.1:{free_port()}/v1")
        (folder / "resources.toml").write_text(resources)

        log = open(folder / "relay.log", "w+")
        self.log = log
        command = [MANDANT, "serve", "--config", config]
        relay = subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT)
        self.processes.append(relay)
        self.base_url = f"http://127.0.0.1:{port}/v1"
        self._wait_for_401(relay)
        # Into the running process: what is applied is in force at once.
        subprocess.run(
            [MANDANT, "apply", "--config", config, "-f", folder / "resources.toml"],
            env=environment,
            check=True,
            stdout=subprocess.DEVNULL,
        )
        self._wait_for_key()

    def _wait_for_401(self, relay: subprocess.Popen) -> None:
        self._wait(relay, None, 401)

    def _wait_for_key(self) -> None:
        self._wait(self.processes[-1], "sdk-test-secret-of-beta-poor", 200)

    def _wait(self, relay: subprocess.Popen, key: str | None, status: int) -> None:
        deadline = time.monotonic() + START_SECONDS_MAX
        seen = "nothing"
        while time.monotonic() < deadline and relay.poll() is None:
            headers = {"Authorization": f"Bearer {key}"} if key else {}
            try:
                with urllib.request.urlopen(urllib.request.Request(f"{self.base_url}/models", headers=headers)) as answer:
                    seen = answer.status
            except urllib.error.HTTPError as error:
                seen = error.code
            except OSError as error:
                seen = error
            if seen == status:
                return
            time.sleep(0.05)
        self.log.seek(0)
        raise RuntimeError(f"the relay answered {seen} instead of {status}; its log:\n{self.log.read()}")

    def truth(self) -> dict:
        """What the provider has billed, once it works at nothing."""
        deadline = time.monotonic() + SETTLE_SECONDS_MAX
        while True:
            with urllib.request.urlopen(f"{self.provider_root}/sim/truth") as answer:
                truth = json.load(answer)
            if not truth["open"] or time.monotonic() > deadline:
                return truth
            time.sleep(0.01)

    def calls(self, tenant: str, seen: set[str], count: int) -> list[dict]:
        """The calls that were recorded and are not in `seen`, once there are `count` of them; then they are."""
        deadline = time.monotonic() + SETTLE_SECONDS_MAX
        while True:
            control = ControlConnection(str(pathlib.Path(self.folder.name) / "data" / "control.sock"))
            control.request("GET", f"/v1/tenants/{tenant}/calls?limit={count + 20}")
            listed = json.load(control.getresponse())
            control.close()
            fresh = [call for call in listed["calls"] if call["attempt"] not in seen]
            if len(fresh) >= count or time.monotonic() > deadline:
                seen.update(call["attempt"] for call in fresh)
                return fresh
            time.sleep(0.01)

    def stop(self) -> None:
        """Ends both processes and removes their data."""
        self.native.stop()
        for process in reversed(self.processes):
            process.terminate()
        for process in self.processes:
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdout:
                process.stdout.close()
        if hasattr(self, "log"):
            self.log.close()
        self.folder.cleanup()
