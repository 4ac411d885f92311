"""Several targets: the next one serves when one fails, with its own key and model."""

import httpx
import pytest

from conftest import KEYS, free_port, policy_config, target

FAILURES = {
    "503": {"status": 503},
    "500": {"status": 500},
    "429": {"status": 429, "headers": {"retry-after": "7"}},
    "reset before headers": {"disconnect": "before_headers"},
    "timing out": {"delay_ms": 5000},
}


def two(provider, gateway, script, *flags):
    first, second = provider(script), provider()
    front = gateway(policy_config(target("a", first.url, timeout_seconds=1), target("b", second.url, timeout_seconds=20)), *flags)
    return first, second, front


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("stream", [False, True])
def test_second_target_answers(provider, gateway, failure, stream):
    first, second, front = two(provider, gateway, FAILURES[failure])
    answer = front.chat("hello bob@example.com", stream=stream)
    assert answer.status_code == 200, answer.text
    assert "[EMAIL_REDACTED]" in answer.text
    (asked_first,), (asked_second,) = first.requests(), second.requests()
    assert asked_first["headers"]["authorization"] == f"Bearer {KEYS['KEY_A']}"
    assert asked_second["headers"]["authorization"] == f"Bearer {KEYS['KEY_B']}"
    assert KEYS["KEY_A"] not in str(asked_second), "the first target's key never reaches the second"
    assert (first.bodies()[0]["model"], second.bodies()[0]["model"]) == ("model-a", "model-b")
    assert asked_second["headers"]["host"] == f"127.0.0.1:{second.port}"
    assert not [name for name in asked_second["headers"] if name.startswith(("x-kt", "x-envoy", "x-forwarded"))]
    (event,) = front.events()
    assert event["target_id"] == "b"
    assert [attempt["target_id"] for attempt in event["attempts"]] == ["a", "b"]
    assert event["attempts"][1]["status"] == 200
    if "status" in FAILURES[failure]:
        assert event["attempts"][0]["status"] == FAILURES[failure]["status"]
    else:
        assert event["attempts"][0]["error"]


def test_refused_connection(provider, gateway):
    second = provider()
    front = gateway(policy_config(target("a", f"http://127.0.0.1:{free_port()}"), target("b", second.url)))
    assert front.chat("hello").status_code == 200
    assert second.bodies()[0]["model"] == "model-b"
    (event,) = front.events()
    assert [attempt["target_id"] for attempt in event["attempts"]] == ["a", "b"]


def test_first_success_ends_the_search(provider, gateway):
    first, second, front = two(provider, gateway, None)
    assert front.chat("hello").status_code == 200
    assert (len(first.requests()), len(second.requests())) == (1, 0)


def test_client_errors_are_returned_at_once(provider, gateway):
    body = {"error": {"message": "no such model, ask bob@example.com", "type": "invalid_request_error", "param": "model", "code": None}}
    first, second, front = two(provider, gateway, {"status": 400, "body": body})
    answer = front.chat("hello")
    assert answer.status_code == 400
    assert answer.json()["error"]["message"] == "no such model, ask [EMAIL_REDACTED]", "inspected like any response"
    assert second.requests() == []


def test_all_targets_down(provider, gateway):
    first, second = provider({"status": 503}), provider({"status": 500})
    front = gateway(policy_config(target("a", first.url), target("b", second.url)))
    answer = front.chat("hello")
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "upstream_failed")
    (event,) = front.events()
    assert [attempt["status"] for attempt in event["attempts"]] == [503, 500]
    assert event["reason_code"] == "upstream_failed"


def test_failover_holds_under_load(provider, gateway):
    first, second, front = two(provider, gateway, {"status": 503})
    with httpx.Client(timeout=30) as client:
        import concurrent.futures

        body = {"model": "any", "messages": [{"role": "user", "content": "hello"}]}
        with concurrent.futures.ThreadPoolExecutor(40) as pool:
            answers = list(pool.map(lambda _: client.post(front.chat_url, json=body).status_code, range(120)))
    assert answers == [200] * 120


def test_timeouts_differ_by_mode(provider, gateway):
    slow = provider({"deltas": ["slow "] * 8, "reply": "late", "delay_ms": 1500, "piece_delay_ms": 200})
    front = gateway(policy_config(target("a", slow.url, timeout_seconds=1, stream_timeout_seconds=20)))
    answer = front.chat("hello")
    assert (answer.status_code, answer.json()["error"]["code"]) == (504, "upstream_timeout")
    answer = front.chat("hello", stream=True)
    assert answer.status_code == 200 and answer.text.rstrip().endswith("data: [DONE]")


def test_a_target_without_key_is_left_out(provider, gateway):
    first, second = provider(), provider()
    front = gateway(policy_config(target("a", first.url), target("b", second.url)), environment={"KEY_A": ""})
    assert "target `a` is unavailable: KEY_A is not set" in front.log.read_text()
    assert front.chat("hello").status_code == 200
    assert (len(first.requests()), len(second.requests())) == (0, 1)
