"""Nobody fills the memory by sending and never ending."""

import concurrent.futures
import contextlib
import json
import socket
import time

import httpx
import pytest

from conftest import policy_config, target
from test_running import envoy_of

MIB = 1 << 20


def resident(pid):
    status = open(f"/proc/{pid}/status").read()
    return int(status.split("VmRSS:")[1].split()[0]) * 1024


def upload(front, length=8 * MIB - 100):
    """Sends the beginning of a request, as much of it as the gateway takes, and never its end."""
    connection = socket.create_connection(("127.0.0.1", front.port), timeout=5)
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: gateway\r\nContent-Type: application/json\r\nContent-Length: {length + 100}\r\n\r\n"
    with contextlib.suppress(OSError):
        connection.sendall(head.encode() + b'{"messages":[{"role":"user","content":"')
        connection.sendall(b"a" * (length - 40))
    return connection


def test_uploads_that_never_end_do_not_stop_others(provider, gateway):
    front = gateway(policy_config(target("a", provider().url)), "--memory", "1024")
    envoy = envoy_of(front)
    assert front.chat("hello").status_code == 200
    before = resident(envoy)
    held, statuses, most, slowest = [], [], before, 0
    try:
        for number in range(250):
            held.append(upload(front))
            if number % 10 == 9:
                began = time.monotonic()
                statuses.append(front.chat("hello").status_code)
                slowest = max(slowest, time.monotonic() - began)
                most = max(most, resident(envoy))
        for _ in range(5):
            time.sleep(0.5)
            statuses.append(front.chat("hello").status_code)
            statuses.append(front.chat("a" * (MIB // 2)).status_code)
        most = max(most, resident(envoy))
    finally:
        for connection in held:
            connection.close()
    print(f"before {before // MIB} MiB, most {most // MIB} MiB, slowest answer {slowest:.2f} s")
    assert set(statuses) == {200}
    assert most < 1024 * MIB
    events = front.events(200)
    assert "rate_limited" in [event["reason_code"] for event in events]
    assert all(event["verdict"] == "block" for event in events if event["reason_code"] == "rate_limited")
    assert front.chat("a" * (4 * MIB)).status_code == 200


def test_small_pieces_of_many_uploads_are_bounded(provider, gateway):
    front = gateway(policy_config(target("a", provider().url)), "--memory", "512")
    envoy = envoy_of(front)
    before = resident(envoy)
    held = [upload(front, 60_000) for _ in range(800)]
    try:
        assert front.chat("hello").status_code == 200
        assert resident(envoy) - before < 160 * MIB
    finally:
        for connection in held:
            connection.close()


def test_streams_with_open_events_are_bounded(provider, gateway):
    upstream = provider()
    front = gateway(policy_config(target("a", upstream.url)), "--memory", "512")
    envoy = envoy_of(front)
    token = {"id": "c", "choices": [{"index": 0, "delta": {"content": "Hello. "}, "finish_reason": None}]}
    raw = [f"data: {json.dumps(token)}\n\n", ": " + "a" * (6 * MIB), "\n\ndata: [DONE]\n\n"]
    upstream.queue(*[{"raw": raw, "piece_delay_ms": 3000}] * 30)
    body = {"model": "any", "stream": True, "messages": [{"role": "user", "content": "go"}]}
    before = resident(envoy)

    def ask(_):
        text = ""
        # Where a provider sends much behind an error event, the connection ends with it.
        with contextlib.suppress(httpx.RemoteProtocolError), httpx.stream("POST", f"{front.url}/v1/chat/completions", json=body, timeout=60) as answer:
            for piece in answer.iter_text():
                text += piece
        return text

    with concurrent.futures.ThreadPoolExecutor(30) as pool:
        answers = pool.map(ask, range(30))
        time.sleep(4.5)
        most = resident(envoy)
        answers = list(answers)
    print(f"before {before // MIB} MiB, most {most // MIB} MiB")
    assert all(answer.startswith(raw[0]) and answer.endswith("data: [DONE]\n\n") for answer in answers)
    refused = sum("rate_limited" in answer for answer in answers)
    assert 0 < refused < 30
    assert most - before < 160 * MIB
    assert front.chat("hello").status_code == 200
    assert [event["reason_code"] for event in front.events(31)].count("rate_limited") == refused


@pytest.mark.parametrize("send", [b"POST /v1/chat/completions HTTP/1.1\r\nHost: gate", b"POST "])
def test_slow_headers_end(pair, send):
    connection = socket.create_connection(("127.0.0.1", pair.gateway.port), timeout=20)
    connection.sendall(send)
    began = time.monotonic()
    assert connection.recv(100)[:12] in (b"HTTP/1.1 408", b"")
    assert time.monotonic() - began < 15
    assert httpx.get(f"{pair.gateway.url}/health").status_code == 200
