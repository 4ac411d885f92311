"""What holds under load and with several workers: no request lost, breakers and shares exact."""

import asyncio

import httpx
import pytest
from load import Load

from conftest import free_port, policy_config, target

CHAIN = ("pii-detector", "audit-logger")


def config(*targets, providers=""):
    text = policy_config(*targets, chain=CHAIN)
    return text.replace("providers:\n", f"providers:\n{providers}")


def asked(source):
    return [request for request in source.requests() if request["method"] == "POST"]


def script(source, setup):
    httpx.put(f"{source.url}/mock/script", json=setup).raise_for_status()


def test_concurrent_requests_survive_a_dead_first_target(provider, gateway):
    dead = target("a", f"http://127.0.0.1:{free_port()}")
    front = gateway(config(dead, target("b", provider().url)))
    assert Load(front.chat_url, connections=200, count=200).run() == {200: 200}


@pytest.mark.parametrize("probes", [1, 3])
def test_exactly_the_probes_reach_a_half_open_target(provider, gateway, probes):
    """Probes are slow, so that all of a period are under way before the first one fails."""
    first, second = provider({"status": 500, "delay_ms": 300}), provider()
    breaker = f"  circuit_breaker: {{failure_threshold: 2, recovery_timeout_seconds: 1, half_open_max_requests: {probes}}}\n"
    front = gateway(config(target("a", first.url), target("b", second.url), providers=breaker), concurrency="4")
    assert Load(front.chat_url, connections=2, count=2).run() == {200: 2}
    assert len(asked(first)) == 2
    httpx.delete(f"{first.url}/mock/requests")
    load = Load(front.chat_url, connections=40, per_second=200, seconds=5)
    assert load.run() == {200: 1000}
    times = [request["at_ms"] for request in asked(first)]
    periods = []
    for at in times:
        if not periods or at - periods[-1][0] > 1000:
            periods.append([])
        periods[-1].append(at)
    assert [len(period) for period in periods] == [probes] * len(periods), times
    # A period is a second of rest and the time that a probe takes.
    assert len(periods) in (3, 4), times


def test_weights_are_shares(provider, gateway):
    first, second = provider(), provider()
    targets = target("a", first.url, weight=3), target("b", second.url, weight=1)
    front = gateway(config(*targets, providers="  strategy: weighted_round_robin\n"), concurrency="4")
    assert Load(front.chat_url, connections=20, count=4000).run() == {200: 4000}
    metrics = httpx.get(f"{front.url}/keeptrusts/providers/metrics").json()
    counts = {entry["target_id"]: entry["attempts"] for entry in metrics["targets"]}
    assert sum(counts.values()) == 4000
    assert abs(counts["a"] - 3000) <= 40, counts


@pytest.mark.parametrize("stream", [False, True])
def test_traffic_follows_the_faster_target(provider, gateway, stream):
    fast, slow = {"delay_ms": 5}, {"delay_ms": 60}
    first, second = provider(fast), provider(slow)
    front = gateway(config(target("a", first.url), target("b", second.url), providers="  strategy: latency\n"), concurrency="2")

    def served(count):
        for source in (first, second):
            httpx.delete(f"{source.url}/mock/requests")
        with httpx.Client() as client:
            for _ in range(count):
                body = {"model": "any", "messages": [{"role": "user", "content": "hello"}], "stream": stream}
                assert client.post(front.chat_url, json=body).status_code == 200
        return len(asked(first)), len(asked(second))

    served(50)
    faster, slower = served(60)
    assert faster >= 54, (faster, slower)
    for setups in [(slow, fast), (fast, slow)]:
        for source, setup in zip((first, second), setups, strict=True):
            script(source, setup)
        served(50)
        counts = served(60)
        assert counts[setups.index(fast)] >= 54, (setups, counts)


def test_a_provider_that_is_killed_and_restarted_loses_no_request(provider, gateway):
    first, second = provider(), provider()
    front = gateway(config(target("a", first.url), target("b", second.url)), concurrency="2")

    async def kill_and_restart():
        for _ in range(5):
            await asyncio.sleep(2.5)
            first.process.kill()
            first.process.wait()
            await asyncio.sleep(2.5)
            await asyncio.to_thread(first.start)

    load = Load(front.chat_url, connections=64, per_second=500, seconds=30)
    statuses = load.run(kill_and_restart())
    assert statuses == {200: 15_000}, load.bodies[:5]
    metrics = httpx.get(f"{front.url}/keeptrusts/providers/metrics").json()
    assert all(entry["successes"] > 1000 for entry in metrics["targets"]), metrics
