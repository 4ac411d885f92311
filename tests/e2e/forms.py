"""Envoys that run what `kt-envoy-gen` wrote, without `kt`."""

import json
import subprocess
import time

import openai
import yaml

from conftest import ROOT, Gateway, Process, free_port

GENERATOR = ROOT / "dist" / "kt-envoy-gen"
ENVOY = ROOT / "dist" / "envoy"
WASM = ROOT / "dist" / "keeptrusts.wasm"


def generate(policy_file, form, output, *flags):
    command = [GENERATOR, policy_file, "--format", form, "-o", output, "--wasm", WASM, *flags]
    subprocess.run([str(part) for part in command], check=True, capture_output=True, text=True)


class Envoy(Process):
    """An Envoy with a configuration of its own; what it serves on `port` is asked like a gateway."""

    chat, events = Gateway.chat, Gateway.events

    def __init__(self, folder, bootstrap, port, binary=ENVOY, environment=None):
        self.port = port
        arguments = [
            binary, "-c", bootstrap, "--concurrency", "2", "--disable-hot-restart", "--drain-time-s", "3",
            "--file-flush-min-size-kb", "0", "--log-level", "info",
        ]  # fmt: skip
        super().__init__(folder / f"envoy-{port}.log", arguments, "all dependencies initialized. starting workers", environment)
        self.url = f"http://127.0.0.1:{port}"
        self.chat_url = f"{self.url}/v1/chat/completions"
        self.client = openai.OpenAI(base_url=f"{self.url}/v1", api_key="unused")


class Dynamic(Envoy):
    """Envoy on a folder of `--format dynamic`."""

    def __init__(self, folder, config):
        self.home, self.folder = folder, folder / "watched"
        self.events_file = folder / "events.jsonl"
        self.flags = [
            "--folder", self.folder, "--event-log", self.events_file,
            "--listen", f"127.0.0.1:{(port := free_port())}", "--admin", f"127.0.0.1:{free_port()}",
        ]  # fmt: skip
        self.replace(config)
        super().__init__(folder, self.folder / "envoy.yaml", port)

    def replace(self, config):
        file = self.home / "policy.yaml"
        file.write_text(config)
        generate(file, "dynamic", self.folder, *self.flags)


def until(condition, seconds=5):
    """Waits until `condition` holds; how long it took."""
    start = time.monotonic()
    while not condition():
        assert time.monotonic() - start < seconds, "did not happen in time"
        time.sleep(0.02)
    return time.monotonic() - start


def text_of(answer):
    return json.loads(answer.content)["choices"][0]["message"]["content"]


class Merged(Envoy):
    """A foreign configuration with the pieces of `--format snippet` in it."""

    def __init__(self, folder, config, backend_port=1):
        policy, pieces_file, bootstrap = (folder / name for name in ("snippet-policy.yaml", "pieces.yaml", "merged.yaml"))
        self.events_file, self.access_log = folder / "snippet-events.jsonl", folder / "access.log"
        policy.write_text(config)
        generate(policy, "snippet", pieces_file, "--event-log", self.events_file)
        foreign = (ROOT / "tests/mesh/foreign.yaml").read_text()
        port = free_port()
        for name, value in {"ADMIN_PORT": free_port(), "BACKEND_PORT": backend_port, "PORT": port, "ACCESS_LOG": self.access_log}.items():
            foreign = foreign.replace(name, str(value))
        bootstrap.write_text(yaml.safe_dump(merge(yaml.safe_load(foreign), yaml.safe_load(pieces_file.read_text()))))
        super().__init__(folder, bootstrap, port)


def merge(foreign, pieces):
    """What the heads of the pieces tell a user to do."""
    foreign.setdefault("bootstrap_extensions", []).extend(pieces["bootstrap_extensions"])
    for name, resources in pieces["static_resources"].items():
        foreign["static_resources"].setdefault(name, []).extend(resources)
    manager = foreign["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
    host = manager["route_config"]["virtual_hosts"][0]
    host["routes"] = pieces["routes"] + host["routes"]
    return foreign
