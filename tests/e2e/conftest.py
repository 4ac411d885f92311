"""Real Envoy with the real filter in front of scripted providers, all on loopback.

`provider()` and `gateway()` start processes of their own for a test and stop them after it. The logs of all processes
are shown only when a test fails.
"""

import collections
import contextlib
import json
import os
import pathlib
import random
import signal
import socket
import subprocess
import time

import httpx
import openai
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
KT = ROOT / "dist" / "kt"
KEYS = {"KEY_A": "sk-secret-of-target-a", "KEY_B": "sk-secret-of-target-b", "KEY_C": "sk-secret-of-target-c"}


# Below the range from which the kernel takes ports for connections, and the ports that were given out last.
PORTS, GIVEN = range(12_000, 32_000), collections.deque(maxlen=200)


def free_port():
    """A port that no other test is given either: whoever draws it holds it for UDP, until it has drawn 200 more."""
    while True:
        port = random.choice(PORTS)
        held = socket.socket(type=socket.SOCK_DGRAM)
        try:
            held.bind(("127.0.0.1", port))
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", port))
        except OSError:
            held.close()
            continue
        GIVEN.append(held)
        return port


class Process:
    """A program of ours with its log."""

    def __init__(self, log, arguments, sign, environment=None):
        self.log, self.sign = log, sign
        self.arguments = [str(argument) for argument in arguments]
        self.environment = {**os.environ, **KEYS, **(environment or {})}
        self.start()

    def start(self):
        """Starts the program, again if it was stopped, and waits for its sign."""
        with self.log.open("w") as output:
            self.process = subprocess.Popen(
                self.arguments, stdout=output, stderr=subprocess.STDOUT, env=self.environment, cwd=self.log.parent
            )
        deadline = time.monotonic() + 60
        while self.sign not in self.log.read_text():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"did not start: {self.log.read_text()}")
            time.sleep(0.02)

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=30)


class Provider(Process):
    """`kt mock-provider` with its control interface."""

    def __init__(self, folder, name, script=None):
        self.port = free_port()
        arguments = [KT, "mock-provider", "--listen", f"127.0.0.1:{self.port}"]
        if script is not None:
            file = folder / f"{name}.json"
            file.write_text(json.dumps(script))
            arguments += ["--script", file]
        super().__init__(folder / f"{name}.log", arguments, "Offline provider on")
        self.url = f"http://127.0.0.1:{self.port}"

    def requests(self):
        return httpx.get(f"{self.url}/mock/requests").json()

    def bodies(self):
        return [json.loads(request["body"]) for request in self.requests()]

    def queue(self, *scripts):
        httpx.post(f"{self.url}/mock/script", json=list(scripts)).raise_for_status()


class Gateway(Process):
    """`kt gateway run` with one policy file."""

    def __init__(self, folder, config, *flags, concurrency="2", environment=None):
        self.port, self.admin = free_port(), free_port()
        self.events_file = folder / f"events-{self.port}.jsonl"
        file = folder / f"policy-{self.port}.yaml"
        file.write_text(config)
        arguments = [
            KT, "gateway", "run", "--policy-config", file, "--listen", f"127.0.0.1:{self.port}",
            "--admin", f"127.0.0.1:{self.admin}", "--concurrency", concurrency, *flags,
        ]  # fmt: skip
        if "--event-log" not in flags:
            arguments += ["--event-log", self.events_file]
        super().__init__(folder / f"gateway-{self.port}.log", arguments, "ready on", environment)
        self.url = f"http://127.0.0.1:{self.port}"
        self.chat_url = f"{self.url}/v1/chat/completions"
        self.client = openai.OpenAI(base_url=f"{self.url}/v1", api_key="unused")

    def chat(self, content, **members):
        """A chat request as plain HTTP."""
        body = {"model": "any", "messages": [{"role": "user", "content": content}], **members}
        headers = members.pop("headers", None)
        body.pop("headers", None)
        return httpx.post(self.chat_url, json=body, headers=headers, timeout=30)

    def events(self, count=1):
        """The events, once there are `count`. Envoy writes them when an exchange has ended."""
        deadline = time.monotonic() + 10
        while True:
            lines = self.events_file.read_text().splitlines()
            if len(lines) >= count:
                return [json.loads(line) for line in lines]
            assert time.monotonic() < deadline, f"{len(lines)} of {count} events: {lines}"
            time.sleep(0.02)


def target(name, url, key=None, model=None, **fields):
    lines = [f"    - id: {name}", "      provider: openai", f"      model: {model or 'model-' + name}", f"      base_url: {url}/v1"]
    lines += ["      secret_key_ref:", f"        env: {key or 'KEY_' + name.upper()}"]
    lines += [f"      {field}: {value}" for field, value in fields.items()]
    return "\n".join(lines)


def policy_config(*targets, chain=("prompt-injection", "pii-detector", "safety-filter", "audit-logger"), pii="redact"):
    listed = "\n".join(f"    - {kind}" for kind in chain)
    settings = {
        "prompt-injection": "    threshold: 0.8\n    action: block",
        "pii-detector": f"    action: {pii}",
        "safety-filter": "    mode: strict\n    action: block",
        "audit-logger": "    immutable: true\n    retention_days: 30\n    log_all_access: true",
    }
    blocks = "\n".join(f"  {kind}:\n{settings[kind]}" for kind in chain)
    return (
        "pack:\n  name: e2e\n  version: 1.0.0\n  enabled: true\n"
        f"policies:\n  chain:\n{listed}\npolicy:\n{blocks}\nproviders:\n  targets:\n" + "\n".join(targets) + "\n"
    )


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    report = (yield).get_result()
    if report.failed:
        for process in getattr(item, "kt_processes", []):
            report.sections.append((process.log.name, process.log.read_text()[-4000:]))


@pytest.fixture
def start(request, tmp_path):
    """Starts processes and stops them, last first."""
    request.node.kt_processes = []
    with contextlib.ExitStack() as stack:

        def started(kind, *arguments, **options):
            process = kind(tmp_path, *arguments, **options)
            request.node.kt_processes.append(process)
            stack.callback(process.stop)
            return process

        yield started


@pytest.fixture
def provider(start):
    count = iter("abcdefgh")
    return lambda script=None: start(Provider, f"provider-{next(count)}", script)


@pytest.fixture
def gateway(start):
    return lambda config, *flags, **options: start(Gateway, config, *flags, **options)


class Pair:
    """A gateway with one target, for tests that need no process of their own."""

    def __init__(self, provider, gateway):
        self.provider, self.gateway = provider, gateway


@pytest.fixture(scope="session")
def shared_processes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shared")
    provider = Provider(folder, "provider")
    gateway = Gateway(folder, policy_config(target("a", provider.url)))
    yield Pair(provider, gateway)
    gateway.stop()
    provider.stop()


@pytest.fixture(scope="session")
def strict_processes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("strict")
    provider = Provider(folder, "provider")
    gateway = Gateway(folder, policy_config(target("a", provider.url)), "--unreadable", "block")
    yield Pair(provider, gateway)
    gateway.stop()
    provider.stop()


def cleared(request, pair):
    request.node.kt_processes = [pair.provider, pair.gateway]
    httpx.delete(f"{pair.provider.url}/mock/requests").raise_for_status()
    pair.gateway.events_file.write_text("")
    return pair


@pytest.fixture
def pair(request, shared_processes):
    """The shared gateway, with the memory of its provider and its events cleared."""
    return cleared(request, shared_processes)


@pytest.fixture
def strict_pair(request, strict_processes):
    """The same for a gateway that refuses what it cannot read."""
    return cleared(request, strict_processes)
