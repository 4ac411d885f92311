"""A module that Envoy fetches itself: it serves with the right one, and lets nothing by without it."""

import hashlib
import http.server
import ssl
import subprocess
import threading

import httpx
import pytest
import trustme
from forms import WASM, Envoy, until

from conftest import ROOT, free_port, policy_config, target

EMAIL = "write to jane.doe@example.com"


@pytest.fixture
def store(tmp_path):
    """An HTTPS server with the module, its address and the paths that were asked for."""
    authority, asked = trustme.CA(), []
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            body = WASM.read_bytes()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"https://localhost:{server.server_port}/keeptrusts.wasm", asked
    server.shutdown()


@pytest.fixture
def fetching(start, store, tmp_path):
    def run(config, form, digest):
        port, folder = free_port(), tmp_path / form
        policy, output = tmp_path / "policy.yaml", folder if form == "dynamic" else tmp_path / "envoy.yaml"
        policy.write_text(config)
        flags = [
            "--listen", f"127.0.0.1:{port}", "--admin", f"127.0.0.1:{free_port()}", "--event-log", tmp_path / "events",
            "--ca-file", tmp_path / "ca.pem", "--folder", folder, "--wasm", store[0], "--sha256", digest,
        ]  # fmt: skip
        command = [ROOT / "dist/kt-envoy-gen", policy, "--format", form, "-o", output, *flags]
        subprocess.run([str(part) for part in command], check=True)
        return start(Envoy, folder / "envoy.yaml" if form == "dynamic" else output, port)

    return run


@pytest.mark.parametrize("form", ["bootstrap", "dynamic"])
def test_a_module_is_fetched_and_judges(provider, fetching, store, form):
    back = provider()
    front = fetching(policy_config(target("a", back.url)), form, hashlib.sha256(WASM.read_bytes()).hexdigest())
    until(lambda: answers(front), 20)
    assert front.chat(EMAIL).status_code == 200
    assert back.bodies()[-1]["messages"][0]["content"] == "write to [EMAIL_REDACTED]"
    assert set(store[1]) == {"/keeptrusts.wasm"}


def answers(front):
    try:
        return front.chat("hello").status_code == 200
    except httpx.TransportError:
        return False


@pytest.mark.parametrize("form", ["bootstrap", "dynamic"])
def test_another_module_than_the_one_that_is_meant_lets_nothing_by(provider, fetching, store, form):
    back = provider()
    front = fetching(policy_config(target("a", back.url)), form, "0" * 64)
    until(lambda: store[1], 20)
    for _ in range(5):
        try:
            assert front.chat("hello").status_code == 503
        except httpx.TransportError:
            pass
    assert back.requests() == []
