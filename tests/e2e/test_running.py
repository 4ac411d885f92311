"""What an operator meets: killed processes, a full disk, requests that no filter saw, the admin interface."""

import contextlib
import datetime
import os
import signal
import socket
import subprocess
import time

import httpx
import pytest

from conftest import ROOT, policy_config, target

DRILL = ROOT / "target/drill/wasm32-wasip1/wasm/keeptrusts.wasm"


def envoy_of(front):
    (child,) = subprocess.run(["pgrep", "-P", str(front.process.pid)], capture_output=True, text=True, check=True).stdout.split()
    return int(child)


def is_alive(pid):
    with contextlib.suppress(OSError):
        return "\nState:\tZ" not in open(f"/proc/{pid}/status").read()
    return False


def wait_for(condition, seconds=20):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def answers(front):
    with contextlib.suppress(httpx.HTTPError):
        return front.chat("hello").status_code == 200
    return False


def raw(front, data, wait=5):
    with socket.create_connection(("127.0.0.1", front.port), timeout=wait) as connection:
        connection.sendall(data)
        answer = b""
        with contextlib.suppress(TimeoutError, ConnectionResetError):
            while received := connection.recv(65536):
                answer += received
    return answer.decode(errors="replace")


def test_envoy_ends_with_a_killed_kt_and_the_next_start_works(provider, gateway):
    front = gateway(policy_config(target("a", provider().url)))
    envoy = envoy_of(front)
    front.process.send_signal(signal.SIGKILL)
    front.process.wait(timeout=10)
    wait_for(lambda: not is_alive(envoy))
    front.start()
    assert answers(front)


def test_envoy_is_started_again(provider, gateway):
    front = gateway(policy_config(target("a", provider().url)))
    for _ in range(2):
        envoy = envoy_of(front)
        os.kill(envoy, signal.SIGKILL)
        wait_for(lambda: not is_alive(envoy))
        wait_for(lambda: answers(front), 60)
        assert envoy_of(front) != envoy and front.process.poll() is None
    log = front.log.read_text()
    assert "Envoy ended by itself (signal: 9 (SIGKILL)); starting it again in 0.2 s" in log
    assert "starting it again in 0.4 s" in log and log.count("Envoy serves again") == 2


def test_an_envoy_that_never_serves_is_an_error(provider, gateway, tmp_path):
    envoy = tmp_path / "envoy"
    envoy.write_text("#!/bin/sh\nexit 3\n")
    envoy.chmod(0o755)
    with pytest.raises(RuntimeError, match=r"Envoy ended by itself \(exit status: 3\)"):
        gateway(policy_config(target("a", provider().url)), "--envoy", str(envoy))


@pytest.mark.parametrize("path", ["/stats/recentlookups/clear", "/stats/recentlookups/enable", "/reset_counters", "/quitquitquit", "/logging?level=trace", "/config_dump", "/certs", "/clusters", "/drain_listeners", "/runtime_modify?a=b", "/heap_dump", "/stats/prometheus/x", "/stats?filter=(a*)*b", "/stats/prometheus?usedonly", "/"])
def test_the_admin_interface_changes_and_tells_nothing(pair, path):
    for method in ("GET", "POST"):
        assert httpx.request(method, f"http://127.0.0.1:{pair.gateway.admin}{path}").status_code == 403


@pytest.mark.parametrize("query", ["?filter=(a*)*b", "?usedonly", "?", "?format=json", "?%66ilter=x", ";usedonly", "#x"])
def test_metrics_take_no_query(pair, query):
    answer = raw(pair.gateway, f"GET /metrics{query} HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n\r\n".encode())
    assert answer.split(" ")[1] in ("400", "404")
    assert httpx.get(f"{pair.gateway.url}/metrics").status_code == 200
    assert httpx.post(f"{pair.gateway.url}/metrics").status_code == 404


REFUSED = {
    "underscore": (b"POST /v1/chat/completions HTTP/1.1\r\nHost: gateway\r\nx_note: jane\r\nContent-Length: 2\r\n\r\n{}", 400),
    "escaped slash": (b"POST /v1/chat%2fcompletions HTTP/1.1\r\nHost: gateway\r\nContent-Length: 2\r\n\r\n{}", 400),
    "large headers": (b"POST /v1/chat/completions HTTP/1.1\r\nHost: gateway\r\nx-note: " + b"a" * 70_000 + b"\r\n\r\n", 431),
    "no host": (b"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}", 400),
    "an upgrade": (b"GET /v1/chat/completions HTTP/1.1\r\nHost: gateway\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", 403),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_envoy_refuses_has_a_true_event(pair, name):
    request, status = REFUSED[name]
    before = datetime.datetime.now(datetime.UTC)
    answer = raw(pair.gateway, request, 2)
    assert answer.startswith(f"HTTP/1.1 {status} "), answer
    (event,) = pair.gateway.events()
    assert (event["verdict"], event["reason_code"], event["status"]) == ("block", "gateway.refused", status)
    assert event["details"]
    assert 0 <= event["latency_ms"] < 5000
    at = datetime.datetime.fromisoformat(event["timestamp"])
    assert abs((at - before).total_seconds()) < 5
    assert "jane" not in pair.gateway.events_file.read_text()


def test_a_body_that_is_too_large_has_a_true_event(pair):
    assert pair.gateway.chat("a" * (9 << 20)).status_code == 413
    (event,) = pair.gateway.events()
    assert (event["verdict"], event["reason_code"], event["status"]) == ("block", "request_too_large", 413)


def test_a_client_that_leaves_in_its_request_has_an_event(pair):
    with socket.create_connection(("127.0.0.1", pair.gateway.port)) as connection:
        connection.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: gateway\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{")
        time.sleep(0.2)
    (event,) = pair.gateway.events()
    assert (event["reason_code"], event["status"]) == ("client_disconnected", 0)


def test_a_stream_cut_by_a_dead_machine_has_an_event(provider, gateway):
    source = provider()
    front = gateway(policy_config(target("a", source.url)), "--wasm", str(DRILL), concurrency="1")
    source.queue({"deltas": ["word "] * 40, "piece_delay_ms": 50})
    body = {"model": "any", "messages": [{"role": "user", "content": "go"}], "stream": True}
    with httpx.stream("POST", front.chat_url, json=body, timeout=30) as running:
        chunks = running.iter_bytes()
        next(chunks)
        front.chat("hello", headers={"x-kt-drill": "panic request"})
        with contextlib.suppress(httpx.HTTPError):
            for _ in chunks:
                pass
    events = front.events(2)
    assert [event["reason_code"] for event in events] == ["engine.unavailable"] * 2
    assert sorted(event["status"] for event in events) == [200, 503]
    assert all(event["verdict"] == "block" and event["latency_ms"] < 30_000 for event in events)


def test_events_that_cannot_be_written_are_loud(provider, gateway):
    front = gateway(policy_config(target("a", provider().url)), "--event-log", "/dev/full")
    assert [front.chat("hello").status_code for _ in range(5)] == [200] * 5
    wait_for(lambda: "to the event log /dev/full failed; their events are lost" in front.log.read_text())
    metrics = httpx.get(f"{front.url}/metrics?all").text
    (failed,) = [line for line in metrics.splitlines() if line.startswith("envoy_filesystem_write_failed{}")]
    assert int(failed.split()[1]) >= 1
