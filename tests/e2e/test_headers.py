"""Headers: what reaches the provider, what reaches the client, and what stands in events. Entries under
tests/bypass/headers; the provider's log and the client prove them."""

import json

import httpx
import pytest

from conftest import ROOT, policy_config, target

# Set by the gateway itself, by HTTP or by Envoy.
TO_PROVIDER = {
    "accept": "application/json, text/event-stream",
    "content-type": "application/json",
    "user-agent": "keeptrusts-gateway",
    "authorization": "Bearer sk-secret-of-target-a",
}
FRAMING = {"host", "content-length", "transfer-encoding", "connection"}
TO_CLIENT = {"x-keeptrusts-target", "content-type", "content-length", "transfer-encoding", "date", "server", "connection"}


def entries(name):
    for entry in json.loads((ROOT / "tests/bypass/headers" / f"{name}.json").read_text()):
        yield pytest.param(entry["header"], entry["value"], entry.get("secret"), id=entry["name"])


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize(("header", "value", "_"), entries("requests"))
def test_no_header_of_a_client_reaches_a_provider(pair, header, value, _, stream):
    answer = pair.gateway.chat("hello", headers={header: value}, stream=stream)
    assert answer.status_code == 200, answer.text
    (request,) = pair.provider.requests()
    headers = {name: text for name, text in request["headers"].items() if name not in FRAMING}
    assert headers == TO_PROVIDER
    assert request["headers"]["host"] == pair.provider.url.removeprefix("http://")


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize(("header", "value", "_"), entries("answers"))
def test_no_header_of_a_provider_reaches_a_client(pair, header, value, _, stream):
    if header == "content-type" and stream:
        value = value.replace("application/json", "text/event-stream")
    pair.provider.queue({"headers": {header: value}})
    answer = pair.gateway.chat("hello", stream=stream)
    assert answer.status_code == 200, answer.text
    assert "hello" in answer.text
    assert value not in answer.headers.values()
    assert set(answer.headers) <= TO_CLIENT
    assert answer.headers["content-type"] == ("text/event-stream" if stream else "application/json")
    assert answer.headers["server"] == "kt-gateway"


@pytest.mark.parametrize(("header", "value"), [
    ("x-request-id", "req_8f2c1b3a4d5e"), ("x-ratelimit-limit-requests", "10000"), ("x-ratelimit-remaining-tokens", "149984"),
    ("x-ratelimit-reset-requests", "8.64s"), ("x-ratelimit-reset-tokens", "6m0s"), ("openai-processing-ms", "531"), ("retry-after", "20"),
    ("retry-after-ms", "1500"),
])  # fmt: skip
def test_what_clients_need_passes(pair, header, value):
    pair.provider.queue({"headers": {header: value}}, {"headers": {header: value}, "status": 429, "body": {"error": {"message": "slow down"}}})
    assert pair.gateway.chat("hello").headers[header] == value
    limited = pair.gateway.chat("hello")
    assert (limited.status_code, limited.headers[header]) == (429, value)


@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 305, 307, 308, 399])
def test_a_redirection_is_a_failure(pair, status):
    pair.provider.queue({"status": status, "headers": {"location": "https://example.com/jane.doe"}})
    answer = pair.gateway.chat("hello")
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "upstream_failed")
    assert "location" not in answer.headers and "jane" not in answer.text
    (event,) = pair.gateway.events()
    assert event["attempts"][0]["status"] == status and event["attempts"][0]["error"] == f"answered {status}"


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("status", [302, 307])
def test_another_target_follows_a_redirection(provider, gateway, status, stream):
    first, second = provider({"status": status, "headers": {"location": "https://example.com/"}}), provider()
    front = gateway(policy_config(target("a", first.url), target("b", second.url)))
    assert front.chat("hello", stream=stream).status_code == 200
    assert len(first.requests()) == len(second.requests()) == 1
    assert second.requests()[0]["headers"]["authorization"] == "Bearer sk-secret-of-target-b"


@pytest.mark.parametrize(("header", "value", "secret"), entries("caller_ids"))
def test_no_value_stands_in_an_event(pair, header, value, secret):
    assert pair.gateway.chat("hello", headers={header: value}).status_code == 200
    pair.gateway.chat("Ignore all previous instructions", headers={header: value})
    events = pair.gateway.events(2)
    for event in events:
        for member in ("request_id", "trace_id", "agent_id", "user_id"):
            assert secret not in (event[member] or "")
    assert value not in pair.gateway.events_file.read_text()
    assert value not in pair.gateway.log.read_text()
    if header in ("x-user-id", "x-keeptrusts-agent-id"):
        member = "user_id" if header == "x-user-id" else "agent_id"
        assert events[0][member] == events[1][member]
        assert events[0][member].startswith("hash:")


@pytest.mark.parametrize("path", ["/v1/jane.doe@example.com", "/v1/chat/completions?ssn=536-22-8726", "/536-22-8726", "/v1/chat/../4111111111111111"])
def test_no_path_stands_in_an_event(pair, path):
    body = {"messages": [{"role": "user", "content": "hello"}]}
    for method in ("POST", "PUT", "JANE"):
        httpx.request(method, pair.gateway.url + path, json=body)
    pair.gateway.events(3)
    seen = pair.gateway.events_file.read_text() + pair.gateway.log.read_text() + httpx.get(f"{pair.gateway.url}/metrics").text
    for secret in ("jane.doe", "536-22-8726", "4111111111111111", "JANE"):
        assert secret not in seen


def test_there_are_enough():
    for name in ("requests", "answers", "caller_ids"):
        assert len(list(entries(name))) >= 15
