"""Folders under `tests/scenarios`: how targets fail, and what the gateway makes of it, with 1, 2 and 4 workers.

A folder has `policy-config.yaml`, where `${a}` stands for the URL of provider `a`, and `scenario.json`:

- `providers`: a script of `kt mock-provider` for each, or `"down"` when nothing listens there;
- `steps`, each a request and what is expected of it. Before the request: `do` changes providers as `providers` set them
  up, `queue` scripts their next answers, `wait_s` lets time pass. Expected: `status`, `code` of the error object (in a
  stream, of its error event), `text` of the answer, `headers`, `attempts` in the event as `[target, status]` or
  `[target, part of the error]`, `state` of targets in the metrics, and how long it took (`at_least_s`, `within_s`).

Every request that a provider got must have that target's own key, model, path and host.
"""

import json
import pathlib
import time

import httpx
import pytest

from conftest import KEYS, ROOT

SCENARIOS = sorted((ROOT / "tests" / "scenarios").iterdir())


class Providers:
    """The providers of one scenario, each at an address that stays its own while it is down."""

    def __init__(self, provider, setups):
        self.all = {}
        for name, setup in setups.items():
            self.all[name] = provider()
            self.set(name, setup)

    def set(self, name, setup):
        source = self.all[name]
        if setup == "down":
            source.stop()
            return
        if source.process.poll() is not None:
            source.start()
        httpx.put(f"{source.url}/mock/script", json=setup).raise_for_status()

    def running(self):
        return {name: source for name, source in self.all.items() if source.process.poll() is None}

    def forget(self):
        for source in self.running().values():
            httpx.delete(f"{source.url}/mock/requests").raise_for_status()


def read(answer):
    """Text and error code of an answer, stream or not."""
    if "event-stream" not in answer.headers.get("content-type", ""):
        body = answer.json()
        if "choices" in body:
            return body["choices"][0]["message"]["content"], None
        return None, body["error"]["code"]
    text, code = "", None
    events = [line[6:] for line in answer.text.splitlines() if line.startswith("data: ")]
    assert events[-1] == "[DONE]", answer.text
    for event in map(json.loads, events[:-1]):
        code = event.get("error", {}).get("code", code)
        text += "".join(choice["delta"].get("content") or "" for choice in event.get("choices", []))
    return text, code


def check_requests(providers, attempts):
    """What the providers got: as many as the attempts that reached them, each made for its target."""
    for name, source in providers.running().items():
        asked = [request for request in source.requests() if request["method"] == "POST"]
        assert len(asked) == sum(target == name for target, _ in attempts), name
        for request in asked:
            assert request["headers"]["authorization"] == f"Bearer {KEYS['KEY_' + name.upper()]}"
            assert request["headers"]["host"] == f"127.0.0.1:{source.port}"
            assert request["path"] == "/v1/chat/completions"
            assert json.loads(request["body"])["model"] == f"model-{name}"
            assert not [header for header in request["headers"] if header.startswith(("x-kt", "x-envoy", "x-forwarded"))]


def check_attempts(expected, seen):
    assert [attempt["target_id"] for attempt in seen] == [target for target, _ in expected], seen
    for (_, outcome), attempt in zip(expected, seen, strict=True):
        if isinstance(outcome, int):
            assert attempt["status"] == outcome, attempt
        else:
            assert (outcome or "") in (attempt["error"] or "").lower() and attempt["error"], attempt
        assert attempt["latency_ms"] >= 0


@pytest.mark.parametrize("workers", ["1", "2", "4"])
@pytest.mark.parametrize("folder", SCENARIOS, ids=lambda folder: folder.name)
def test_scenario(provider, gateway, folder: pathlib.Path, workers):
    scenario = json.loads((folder / "scenario.json").read_text())
    providers = Providers(provider, scenario["providers"])
    config = (folder / "policy-config.yaml").read_text()
    for name, source in providers.all.items():
        config = config.replace(f"${{{name}}}", source.url)
    front = gateway(config, concurrency=workers)
    for number, step in enumerate(scenario["steps"]):
        for name, setup in step.get("do", {}).items():
            providers.set(name, setup)
        for name, scripts in step.get("queue", {}).items():
            providers.all[name].queue(*scripts)
        time.sleep(step.get("wait_s", 0))
        providers.forget()
        started = time.monotonic()
        answer = front.chat("hello", stream=step.get("stream", False))
        took = time.monotonic() - started
        (event,) = front.events(number + 1)[number:]
        told = f"step {number}: {answer.status_code} {answer.text} after {took:.2f} s, {event['attempts']}"
        assert answer.status_code == step["status"], told
        text, code = read(answer)
        assert code == step.get("code", code if answer.status_code >= 400 else None), told
        assert text == step.get("text"), told
        for header, value in step.get("headers", {}).items():
            assert answer.headers[header] == value, told
        assert not [header for header in answer.headers if header.startswith("x-kt")], told
        assert step.get("at_least_s", 0) <= took <= step.get("within_s", 60), told
        check_attempts(step["attempts"], event["attempts"])
        check_requests(providers, step["attempts"])
        if state := step.get("state"):
            metrics = httpx.get(f"{front.url}/keeptrusts/providers/metrics").json()
            assert {target["target_id"]: target["state"] for target in metrics["targets"]}.items() >= state.items(), metrics
