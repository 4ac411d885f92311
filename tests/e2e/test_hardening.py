"""What faces the network: the gateway's token, its certificate, and clients that mean no good.

`make flood-long` holds 10,000 idle connections.
"""

import contextlib
import json
import os
import resource
import secrets
import socket
import ssl
import subprocess
import time

import httpx
import openai
import pytest
import trustme

from conftest import KT, ROOT, policy_config, target
from forms import until
from test_reload import memory_mib

IDLE = int(os.environ.get("KT_IDLE", "1500"))
TOKEN = secrets.token_hex(16)


def envoy_of(front):
    return int(subprocess.run(["pgrep", "-P", str(front.process.pid)], capture_output=True, text=True, check=True).stdout)


@pytest.fixture
def front(provider, gateway):
    return gateway(policy_config(target("a", provider().url)), environment={"KEEPTRUSTS_GATEWAY_TOKEN": TOKEN})


def test_only_the_token_is_let_in(front):
    client = openai.OpenAI(base_url=f"{front.url}/v1", api_key=TOKEN)
    assert client.chat.completions.create(model="any", messages=[{"role": "user", "content": "hello"}]).choices
    assert [model.id for model in client.models.list()] == ["model-a"]
    for path in ("chat/completions", "completions", "embeddings", "responses"):
        for headers in ({}, *({"authorization": value} for value in ("Bearer x", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", TOKEN, f"Basic {TOKEN}"))):
            answer = httpx.post(f"{front.url}/v1/{path}", json={"model": "any", "messages": []}, headers=headers)
            error = answer.json()["error"]
            assert (answer.status_code, error["type"], error["code"]) == (401, "authentication_error", "invalid_api_key"), (path, headers)
            assert error.keys() == {"type", "message", "policy", "code", "param"}
    assert httpx.get(f"{front.url}/v1/models").status_code == 401
    with pytest.raises(openai.AuthenticationError):
        openai.OpenAI(base_url=f"{front.url}/v1", api_key="wrong").models.list()
    # Load balancers and scrapers have no token.
    assert [httpx.get(front.url + path).status_code for path in ("/health", "/metrics")] == [200, 200]


def test_a_body_is_not_waited_for_without_the_token(front):
    with socket.create_connection(("127.0.0.1", front.port), timeout=5) as connection:
        connection.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 8000000\r\n\r\n{")
        assert b"401" in connection.recv(4096)


def test_the_token_stands_nowhere(front):
    httpx.post(front.chat_url, json={}, headers={"authorization": "Bearer wrong"})
    folder = next(part for part in open(f"/proc/{envoy_of(front)}/cmdline").read().split("\0") if part.endswith("envoy.yaml"))
    files = [entry for entry in os.scandir(os.path.dirname(folder)) if entry.is_file()]
    assert len(files) > 5
    for text in (front.log.read_text(), front.events_file.read_text(), *(open(file).read() for file in files)):
        assert TOKEN not in text


@pytest.mark.parametrize(
    ("form", "flags"), [("istio", ("--api-token", TOKEN)), ("envoy-gateway", ("--api-token", TOKEN)), ("snippet", ("--tls-cert", "c", "--tls-key", "k"))]
)
def test_a_form_without_a_listener_refuses_what_it_cannot_do(tmp_path, form, flags):
    file = tmp_path / "policy.yaml"
    file.write_text(policy_config(target("a", "https://api.example.com")))
    done = subprocess.run([ROOT / "dist/kt-envoy-gen", file, "--format", form, *flags], capture_output=True, text=True)
    assert done.returncode == 2 and "this --format has no" in done.stderr and TOKEN not in done.stderr


@pytest.mark.parametrize("token", ["short", "with a space in the middle", "ümlaut-ümlaut-ümlaut"])
def test_a_token_that_can_be_guessed_or_not_sent_is_refused(tmp_path, token):
    file = tmp_path / "policy.yaml"
    file.write_text(policy_config(target("a", "http://127.0.0.1:1")))
    done = subprocess.run(
        [KT, "gateway", "run", "--policy-config", file, "--event-log", tmp_path / "events"],
        capture_output=True, text=True, env={**os.environ, "KEY_A": "k", "KEEPTRUSTS_GATEWAY_TOKEN": token},
    )  # fmt: skip
    assert done.returncode == 2
    assert "at least 16 characters" in done.stderr and token not in done.stderr


def test_a_new_certificate_is_served_without_a_restart(provider, gateway, tmp_path):
    authorities = [trustme.CA(), trustme.CA()]
    folder = tmp_path / "tls"
    folder.mkdir()

    def put(authority):
        """As certificate managers do: beside the old one, then over it."""
        certificate = authority.issue_cert("localhost")
        for name, pem in (("key", certificate.private_key_pem), ("crt", certificate.cert_chain_pems[0])):
            pem.write_to_path(str(folder / f".tls.{name}"))
            (folder / f".tls.{name}").rename(folder / f"tls.{name}")

    def serves(authority):
        context = ssl.create_default_context()
        authority.configure_trust(context)
        with contextlib.suppress(httpx.HTTPError):
            return httpx.get(f"https://localhost:{front.port}/health", verify=context).status_code == 200
        return False

    put(authorities[0])
    front = gateway(policy_config(target("a", provider().url)), "--tls-cert", folder / "tls.crt", "--tls-key", folder / "tls.key")
    assert serves(authorities[0]) and not serves(authorities[1])
    with pytest.raises(httpx.HTTPError):
        httpx.get(f"{front.url}/health")
    put(authorities[1])
    until(lambda: serves(authorities[1]), 10)
    assert not serves(authorities[0])


def connect(front):
    return socket.create_connection(("127.0.0.1", front.port), timeout=10)


def test_idle_and_slow_clients_do_not_stop_others(provider, gateway):
    """Idle connections, headers and bodies that never end, headers without measure, and a flood of connections."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    assert most > IDLE + 500, f"`ulimit -n` is {most}: too low for {IDLE} connections"
    front = gateway(policy_config(target("a", provider().url)))
    envoy = envoy_of(front)
    before, waits = memory_mib(envoy), []

    def others_are_answered():
        start = time.monotonic()
        assert front.chat("hello").status_code == 200
        waits.append(time.monotonic() - start)

    others_are_answered()
    with contextlib.ExitStack() as stack:
        for number in range(IDLE):
            connection = stack.enter_context(connect(front))
            if number % 10 == 1:
                connection.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nx-slow: ")
            elif number % 10 == 2:
                connection.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 90000\r\n\r\n{")
            if number % 500 == 499:
                others_are_answered()
        held = memory_mib(envoy)
        for _ in range(50):
            connection = stack.enter_context(connect(front))
            with contextlib.suppress(OSError):
                connection.sendall(b"GET /health HTTP/1.1\r\nhost: x\r\n" + b"x-large: " + b"a" * 200_000)
        for _ in range(IDLE):
            connect(front).close()
        others_are_answered()
        flooded = memory_mib(envoy)
    until(lambda: front.chat("hello").status_code == 200)
    print(
        f"\n{IDLE} connections: {before:.0f} MiB before, {held:.0f} with them, {flooded:.0f} after a flood; "
        f"others waited {max(waits) * 1000:.0f} ms at most"
    )
    assert max(waits) < 5
    assert flooded - before < 64 + IDLE * 0.06
    statuses = [json.loads(line).get("status") for line in front.events_file.read_text().splitlines()]
    assert 431 in [int(status) for status in statuses]
