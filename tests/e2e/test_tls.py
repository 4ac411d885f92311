"""Providers over TLS: verified, by the right name, over HTTP/2."""

import json

import pytest
import trustme
from tls_provider import TlsProvider

from conftest import KEYS, policy_config, target

WHOLE = json.dumps({"choices": [{"index": 0, "message": {"content": "ask bob@example.com"}, "finish_reason": "stop"}]}).encode()
CHUNK = {"id": "c", "choices": [{"index": 0, "delta": {"content": "ask bob@example.com"}, "finish_reason": None}]}
STREAM = f"data: {json.dumps(CHUNK)}\n\n".encode()


@pytest.fixture
def authority(tmp_path):
    ca = trustme.CA()
    ca.cert_pem.write_to_path(tmp_path / "ca.pem")
    return ca


@pytest.fixture
def serve(request):
    def start(*arguments, **options):
        provider = TlsProvider(*arguments, **options)
        request.addfinalizer(provider.close)
        return provider

    return start


@pytest.fixture
def front(gateway, tmp_path):
    return lambda *targets: gateway(policy_config(*targets), environment={"SSL_CERT_FILE": str(tmp_path / "ca.pem")})


def test_a_verified_provider_serves(authority, serve, front):
    source = serve(authority.issue_cert("localhost"), WHOLE)
    gateway = front(target("a", source.url))
    answer = gateway.chat("write to jane@example.com")
    assert answer.json()["choices"][0]["message"]["content"] == "ask [EMAIL_REDACTED]"
    (request,) = source.requests
    assert (request[":authority"], request[":path"]) == (f"localhost:{source.port}", "/v1/chat/completions")
    assert request["authorization"] == f"Bearer {KEYS['KEY_A']}"
    assert request["body"]["messages"][0]["content"] == "write to [EMAIL_REDACTED]"
    assert source.names == ["localhost"]


@pytest.mark.parametrize("fault", ["other name", "unknown authority"])
def test_an_unverified_provider_gets_nothing(authority, serve, front, fault):
    certificate = authority.issue_cert("other.example") if fault == "other name" else trustme.CA().issue_cert("localhost")
    bad, good = serve(certificate, WHOLE), serve(authority.issue_cert("localhost"), WHOLE)
    alone = front(target("a", bad.url))
    answer = alone.chat("hello")
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "upstream_failed")
    # With a second target it is skipped, and each name is the target's own.
    both = front(target("a", bad.url), target("b", good.url))
    assert both.chat("hello").status_code == 200
    assert bad.requests == []
    assert good.requests[0]["authorization"] == f"Bearer {KEYS['KEY_B']}"
    (event,) = both.events()
    assert [attempt["target_id"] for attempt in event["attempts"]] == ["a", "b"]
    assert "TLS" in event["attempts"][0]["error"]


def test_trailers_of_answers_are_dropped(authority, serve, front):
    source = serve(authority.issue_cert("localhost"), WHOLE, trailers=[("x-text", "bob@example.com")])
    answer = front(target("a", source.url)).chat("hello")
    assert answer.status_code == 200
    assert answer.json()["choices"][0]["message"]["content"] == "ask [EMAIL_REDACTED]"
    assert "bob" not in str(answer.headers)


def test_a_stream_with_trailers_is_complete_and_gives_nothing_away(authority, serve, front):
    trailers = [("x-text", "bob@example.com")]
    end = b'data: {"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
    done = b"data: [DONE]\n\n"
    for rest in (done, end + done, end, b""):
        source = serve(authority.issue_cert("localhost"), STREAM + rest, "text/event-stream", trailers)
        gateway = front(target("a", source.url))
        answer = gateway.chat("hello", stream=True)
        assert "[EMAIL_REDACTED]" in answer.text and "bob" not in answer.text + str(answer.headers)
        assert answer.text.encode().endswith(rest), "nothing was cut off"
        (event,) = gateway.events()
        assert [attempt["error"] for attempt in event["attempts"]] == [None]
        assert event["verdict"] == "redact"
