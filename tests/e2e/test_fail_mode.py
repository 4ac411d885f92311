"""What happens when the engine itself fails. The module of these tests fails on request: `x-kt-drill: panic request`."""

import re
import time

import httpx
import pytest

from conftest import ROOT, policy_config, target
from forms import until

DRILL = ROOT / "target/drill/wasm32-wasip1/wasm/keeptrusts.wasm"
SECRET = "write to bob@example.com"


@pytest.fixture
def drilled(provider, gateway):
    source = provider()

    def start(*flags):
        return source, gateway(policy_config(target("a", source.url)), "--wasm", str(DRILL), *flags, concurrency="1")

    return start


def drill(front, what, **members):
    return front.chat(SECRET, headers={"x-kt-drill": what}, **members)


def test_a_panic_lets_nothing_pass_and_heals(drilled):
    source, front = drilled()
    assert front.chat(SECRET).status_code == 200
    answer = drill(front, "panic request")
    assert answer.status_code == 503
    assert answer.json()["error"]["type"] == "upstream_error"
    assert "x-should-retry" not in answer.headers
    # Until the module is loaded again every request is refused; then all is as before.
    deadline = time.monotonic() + 20
    while (status := front.chat(SECRET).status_code) != 200:
        assert status == 503 and time.monotonic() < deadline
        time.sleep(0.05)
    for request in source.requests():
        assert "bob@example.com" not in request["body"]
    events = front.events(3)
    assert "engine.unavailable" in [event["reason_code"] for event in events]
    assert 'vm_reload_success' in httpx.get(f"{front.url}/metrics?all").text


def test_panics_again_and_again(drilled):
    source, front = drilled()
    deadline = time.monotonic() + 6
    statuses = set()
    while time.monotonic() < deadline:
        drill(front, "panic request")
        statuses.add(front.chat(SECRET).status_code)
    assert statuses <= {200, 503}
    for request in source.requests():
        assert "bob@example.com" not in request["body"]


def test_a_panic_in_a_stream_releases_nothing(drilled):
    source, front = drilled()
    source.queue({"deltas": ["hello ", "bob@example", ".com"]})
    with pytest.raises(httpx.HTTPError):
        answer = drill(front, "panic response", stream=True)
        assert "bob" not in answer.text
        answer.raise_for_status()


@pytest.mark.parametrize("what", ["fault attempt", "panic attempt"])
def test_a_failing_attempt_filter_is_no_failing_target(provider, gateway, what):
    sources = provider(), provider()
    targets = [target(name, source.url) for name, source in zip("ab", sources, strict=True)]
    front = gateway(policy_config(*targets), "--wasm", str(DRILL), "--fail-mode", "allow", concurrency="1")
    answer = drill(front, what)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "no_target_available")
    assert "engine" in answer.json()["error"]["message"]
    assert [source.requests() for source in sources] == [[], []]
    deadline = time.monotonic() + 20
    while (status := front.chat(SECRET).status_code) != 200:
        assert status == 503 and time.monotonic() < deadline
        time.sleep(0.05)


def test_an_internal_failure_blocks(drilled):
    source, front = drilled()
    answer = drill(front, "fault request")
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "no_target_available")
    assert source.requests() == []
    answer = drill(front, "fault response")
    assert answer.status_code == 503 and "bob" not in answer.text
    assert [event["status"] for event in front.events(2)] == [503, 503]
    assert "keeptrusts_engine_faults_total 2" in httpx.get(f"{front.url}/metrics").text


def test_an_internal_failure_passes_when_configured(drilled):
    source, front = drilled("--fail-mode", "allow")
    assert drill(front, "fault request").status_code == 200
    assert "bob@example.com" in source.requests()[0]["body"]
    (event,) = front.events()
    assert (event["verdict"], event["reason_code"]) == ("allow", "engine.failed_open")
    assert "keeptrusts_engine_faults_total 1" in httpx.get(f"{front.url}/metrics").text


def test_a_change_that_fails_halfway_is_refused_in_every_mode(drilled):
    """Its body and its length may not fit any more, which the provider would read as another request."""
    source, front = drilled("--fail-mode", "allow")
    answer = drill(front, "fault change")
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "no_target_available")
    assert source.requests() == []


def test_what_cannot_be_read_is_refused_in_every_mode(drilled):
    source, front = drilled("--fail-mode", "allow")
    assert httpx.post(front.chat_url, content="{", headers={"content-type": "application/json"}).status_code == 422
    source.queue({"raw": ["no json"]})
    assert front.chat("hello").status_code == 502


def test_a_panic_while_rewriting(provider, gateway):
    """The two filters have machines of their own: traffic goes on when only one of them fails."""
    first, second = provider({"status": 503}), provider()
    front = gateway(policy_config(target("a", first.url), target("b", second.url)), "--wasm", str(DRILL))
    assert drill(front, "panic request").status_code == 503
    deadline = time.monotonic() + 20
    while front.chat(SECRET).status_code != 200:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    for request in first.requests() + second.requests():
        assert "bob@example.com" not in request["body"]


def test_requests_are_refused_while_events_cannot_be_written(provider, gateway):
    source = provider()
    front = gateway(policy_config(target("a", source.url)), "--event-log", "/dev/full")
    deadline = time.monotonic() + 20
    while (answer := front.chat("hello")).status_code == 200:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert answer.status_code == 503 and answer.json()["error"]["code"] == "event_log_unavailable"
    assert int(answer.headers["retry-after"]) == 1
    seen = len(source.requests())
    # Each of the workers learns it within a second or two, and then it stays so.
    time.sleep(3)
    assert [front.chat("hello").status_code for _ in range(10)] == [503] * 10
    assert len(source.requests()) == seen

    def refused():
        (count,) = re.findall(r"^keeptrusts_event_log_refused_total (\d+)$", httpx.get(f"{front.url}/metrics").text, re.MULTILINE) or ["0"]
        return int(count)

    # Workers show their counts every half second.
    until(lambda: refused() >= 10)
    assert "failed; their events are lost" in front.log.read_text()
    loose = gateway(policy_config(target("a", source.url)).replace("immutable: true", "immutable: false"), "--event-log", "/dev/full")
    assert [loose.chat("hello").status_code for _ in range(5)] == [200] * 5
