"""What operators see: the state of every target, while it changes."""

import time
from decimal import Decimal

import httpx
import pytest
import trustme
from tls_provider import TlsProvider

from conftest import KEYS, free_port, policy_config, target


def metrics(front):
    body = httpx.get(f"{front.url}/keeptrusts/providers/metrics").json()
    return {entry["target_id"]: entry for entry in body["targets"]}


def health(front):
    answer = httpx.get(f"{front.url}/health")
    return answer.status_code, answer.json()["status"], {entry["target_id"]: entry["state"] for entry in answer.json()["providers"]}


def test_targets_are_listed_with_what_is_known(provider, gateway):
    first, second = provider({"status": 503}), provider()
    labels = {"description": "the large one", "quantizations": "fp8", "pricing": "{prompt: 1.5, completion: 2, cached_prompt: 0.75}"}
    front = gateway(policy_config(target("a", first.url), target("b", second.url, **labels)))
    assert metrics(front)["a"] == {
        "target_id": "a", "provider": "openai", "model": "model-a", "description": None, "quantizations": None,
        "weight": 1.0, "pricing": None, "state": "closed", "attempts": 0, "successes": 0,
        "failures": {"rate_limit": 0, "server_error": 0, "timeout": 0, "connection": 0}, "circuit_opened": 0,
        "latency_p50_ms": None, "latency_p95_ms": None, "last_error": None, "last_error_at": None,
    }  # fmt: skip
    for _ in range(3):
        assert front.chat("call bob@example.com").status_code == 200
    seen = metrics(front)
    assert (seen["a"]["attempts"], seen["a"]["successes"], seen["a"]["failures"]["server_error"]) == (3, 0, 3)
    assert seen["a"]["last_error"] == "answered 503" and seen["a"]["last_error_at"].endswith("Z")
    assert (seen["b"]["attempts"], seen["b"]["successes"]) == (3, 3)
    assert seen["b"]["latency_p50_ms"] is not None and seen["b"]["latency_p95_ms"] >= seen["b"]["latency_p50_ms"]
    assert (seen["b"]["description"], seen["b"]["quantizations"]) == ("the large one", "fp8")
    assert seen["b"]["pricing"] == {"prompt": "1.5", "completion": "2", "cached_prompt": "0.75"}
    assert "bob" not in str(seen) and not any(key in str(seen) for key in KEYS.values())
    event = front.events(3)[0]
    assert (event["target_description"], event["quantizations"]) == ("the large one", "fp8")
    counts = event["usage"]
    cost = (counts["prompt_tokens"] * Decimal("1.5") + counts["completion_tokens"] * 2) / 1_000_000
    assert Decimal(event["cost_usd"]) == cost > 0
    models = httpx.get(f"{front.url}/v1/models").json()["data"]
    assert [model["id"] for model in models] == ["model-a", "model-b"]
    settings = httpx.get(f"{front.url}/keeptrusts/config").json()["providers"]
    assert settings["fallback"]["max_fallback_attempts"] == 3 and settings["circuit_breaker"] is None


@pytest.mark.parametrize(
    ("failing", "kind"),
    [(None, None), ({"status": 500}, "server_error"), ("down", "connection"), ({"delay_ms": 2000}, "timeout")],
)
def test_a_single_target_is_counted_too(provider, gateway, failing, kind):
    source = provider(failing if isinstance(failing, dict) else None)
    front = gateway(policy_config(target("a", source.url, timeout_seconds=1)))
    if failing == "down":
        source.stop()
    front.chat("hello")
    front.events(1)
    seen = metrics(front)["a"]
    assert (seen["attempts"], seen["successes"]) == (1, int(kind is None))
    assert [name for name, count in seen["failures"].items() if count] == ([kind] if kind else [])
    assert (seen["latency_p50_ms"] is None) == (kind is not None)


def test_health_follows_the_targets(provider, gateway):
    source = provider()
    breaker = "  circuit_breaker: {failure_threshold: 1, recovery_timeout_seconds: 60}\n"
    config = policy_config(target("a", f"http://127.0.0.1:{free_port()}"), target("b", source.url))
    front = gateway(config.replace("providers:\n", f"providers:\n{breaker}"))
    assert health(front) == (200, "healthy", {"a": "closed", "b": "closed"})
    assert front.chat("hello").status_code == 200
    assert health(front) == (200, "degraded", {"a": "open", "b": "closed"})
    source.stop()
    assert front.chat("hello").status_code == 502
    assert health(front) == (503, "unhealthy", {"a": "open", "b": "open"})
    answer = front.chat("hello")
    assert answer.status_code == 503 and 1 <= int(answer.headers["retry-after"]) <= 60
    assert metrics(front)["a"]["circuit_opened"] == 1


@pytest.mark.parametrize("stream", [False, True])
def test_clients_that_hang_up_do_not_open_the_breaker(provider, gateway, stream):
    source = provider({"delay_ms": 700, "reply": "late"})
    breaker = "  circuit_breaker: {failure_threshold: 1, recovery_timeout_seconds: 60}\n"
    front = gateway(policy_config(target("a", source.url)).replace("providers:\n", f"providers:\n{breaker}"))
    body = {"model": "any", "messages": [{"role": "user", "content": "hello"}], "stream": stream}
    for _ in range(3):
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(front.chat_url, json=body, timeout=0.2)
    events = front.events(3)
    assert {event["reason_code"] for event in events} == {"client_disconnected"}
    seen = metrics(front)["a"]
    assert (seen["state"], seen["attempts"], sum(seen["failures"].values())) == ("closed", 3, 0)
    assert front.chat("hello", stream=stream).status_code == 200


def test_a_target_without_its_key_is_shown_and_not_asked(provider, gateway):
    first, second = provider(), provider()
    front = gateway(policy_config(target("a", first.url, key="KEY_THAT_IS_NOT_SET"), target("b", second.url)))
    assert front.chat("hello").status_code == 200
    assert first.requests() == []
    assert metrics(front)["a"]["state"] == "no-key"
    assert health(front) == (200, "degraded", {"b": "closed", "a": "no-key"})
    assert "KEY_THAT_IS_NOT_SET is not set" in front.log.read_text()


def test_probes_carry_the_targets_own_key_once_per_interval(provider, gateway):
    first, second = provider(), provider()
    probe = {"health_probe": "{enabled: true, interval_seconds: 1}"}
    front = gateway(policy_config(target("a", first.url, **probe), target("b", second.url, **probe)), concurrency="4")
    time.sleep(3)
    for name, source in (("A", first), ("B", second)):
        probes = source.requests()
        assert 2 <= len(probes) <= 4, "one worker probes for all"
        for request in probes:
            assert (request["method"], request["path"]) == ("GET", "/v1/models")
            assert request["headers"]["authorization"] == f"Bearer {KEYS['KEY_' + name]}"
            assert request["headers"]["host"] == f"127.0.0.1:{source.port}"
    assert front.events_file.read_text() == "", "probes are no exchanges"
    assert metrics(front)["a"]["attempts"] == 0


def test_every_target_is_verified_by_its_own_name(gateway, tmp_path, request):
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    answer = b'{"choices": [{"index": 0, "message": {"content": "hi"}, "finish_reason": "stop"}]}'
    names = ["one.localhost", "two.localhost"]
    sources = [TlsProvider(authority.issue_cert(name), answer) for name in names]
    for source in sources:
        request.addfinalizer(source.close)
    urls = [source.url.replace("localhost", name) for source, name in zip(sources, names, strict=True)]
    environment = {"SSL_CERT_FILE": str(tmp_path / "ca.pem")}
    turns = policy_config(target("a", urls[0]), target("b", urls[1])).replace("providers:\n", "providers:\n  strategy: round_robin\n")
    front = gateway(turns, environment=environment)
    assert [front.chat("hello").status_code for _ in range(4)] == [200] * 4
    assert [set(source.names) for source in sources] == [{"one.localhost"}, {"two.localhost"}]
    for source, name, key in zip(sources, names, ("KEY_A", "KEY_B"), strict=True):
        assert {seen[":authority"] for seen in source.requests} == {f"{name}:{source.port}"}
        assert {seen["authorization"] for seen in source.requests} == {f"Bearer {KEYS[key]}"}
    # The certificate of the other target is none for this one.
    swapped = target("a", urls[0].replace("one.", "two.")), target("b", urls[1])
    front = gateway(policy_config(*swapped), environment=environment)
    before = len(sources[0].requests)
    assert front.chat("hello").status_code == 200
    assert len(sources[0].requests) == before, "nothing is sent to a name that is not verified"
    (event,) = front.events()
    assert [attempt["target_id"] for attempt in event["attempts"]] == ["a", "b"]
    assert "CERTIFICATE_VERIFY_FAILED" in event["attempts"][0]["error"]
