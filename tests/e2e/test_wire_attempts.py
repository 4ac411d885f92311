"""Answers that try to get a value past the policies, on real Envoy: the entries of src/policy/tests/attempts.json.

What the engine's own test says of them holds for what a client is sent: no reader, however lenient, may put a value
together, and what is healthy reads as it should. Entries that say `fails` are refused before the engine sees them.
"""

import json
import re
import time

import httpx
import pytest

from conftest import ROOT

ENTRIES = json.loads((ROOT / "src/policy/tests/attempts.json").read_text())
VALUES = ("bob@example.com", "219-09-9999", "example.com")
#: Where anybody ends a line.
LINE_END = re.compile("[\n\r\x0b\x0c\x85\u2028\u2029]")
TYPES = {"stream": "text/event-stream", "whole": "application/json"}


def strings(value, names, places, texts):
    """Every string of a value by its names, with and without the positions of array elements."""
    if isinstance(value, str):
        for path in (("names", *names), ("places", *places)):
            texts[path] = texts.get(path, "") + value
    elif isinstance(value, list):
        for at, item in enumerate(value):
            strings(item, names, (*places, at), texts)
    elif isinstance(value, dict):
        for name, item in value.items():
            strings(item, (*names, name), (*places, name), texts)


def texts_of(answer):
    """What lenient readers put together of an answer."""
    texts = {"raw": answer}
    for line in LINE_END.split(answer):
        line = line.strip().strip("\ufeff")
        name, colon, payload = line.partition(":")
        try:
            value = json.loads(payload if colon and name.strip().lower() == "data" else line)
        except ValueError:
            continue
        strings(value, (), (), texts)
    return texts


@pytest.fixture(scope="module")
def client():
    with httpx.Client(timeout=20) as client:
        yield client


def ask(pair, client, entry, size):
    body = entry["body"]
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    pair.provider.queue({"raw": pieces, "headers": {"content-type": TYPES[entry["as"]]}})
    request = {"model": "any", "messages": [{"role": "user", "content": "go"}], "stream": entry["as"] == "stream"}
    return client.post(f"{pair.gateway.url}/v1/chat/completions", json=request)


@pytest.mark.parametrize("size", [29, 1 << 20])
def test_nothing_passes_and_nothing_healthy_is_refused(pair, client, size):
    faults = []
    for entry in ENTRIES:
        answer = ask(pair, client, entry, size)
        texts = texts_of(answer.text)
        is_refused = answer.status_code >= 400 or "upstream_failed" in answer.text
        if "fails" in entry:
            is_fine = answer.status_code == 502
        elif "reads" in entry:
            read = texts.get(("names", "choices", "delta", "content"), "")
            is_fine = not is_refused and entry["reads"] in (None, read)
        else:
            is_fine = not any(value in text for text in texts.values() for value in VALUES)
        if not is_fine:
            faults.append(f"{entry['name']}: {answer.status_code} {answer.text}")
    assert not faults, "\n".join(faults)


def test_a_stream_that_says_it_is_json_is_judged_as_it_comes(pair, client):
    chunk = lambda text: f"data: {json.dumps({'id': 'c', 'choices': [{'index': 0, 'delta': {'content': text}, 'finish_reason': None}]})}\n\n"
    raw = [chunk("Please write to bob@"), chunk("example.com about it. "), chunk("Thanks. "), "data: [DONE]\n\n"]
    pair.provider.queue({"raw": raw, "headers": {"content-type": "application/json"}, "piece_delay_ms": 400})
    request = {"model": "any", "messages": [{"role": "user", "content": "go"}], "stream": True}
    began, seen, first = time.monotonic(), "", None
    with client.stream("POST", f"{pair.gateway.url}/v1/chat/completions", json=request) as answer:
        assert answer.headers["content-type"] == "application/json" and "content-length" not in answer.headers
        for text in answer.iter_text():
            first = first or time.monotonic() - began
            seen += text
    assert time.monotonic() - began > 1.1 > 0.6 > first, first
    assert "".join(texts_of(seen)["names", "choices", "delta", "content"]) == "Please write to [EMAIL_REDACTED] about it. Thanks. "
    (event,) = pair.gateway.events()
    assert event["verdict"] == "redact", event


def test_a_long_error_in_a_whole_answer_is_a_failure(pair, client):
    words = "overloaded " * 20_000
    for body in ({"error": {"message": words}}, {"choices": [{"message": {"role": "assistant", "content": words}}], "error": {"code": 5}}):
        pair.provider.queue({"raw": [json.dumps(body)], "headers": {"content-type": "application/json"}})
        request = {"model": "any", "messages": [{"role": "user", "content": "go"}]}
        answer = client.post(f"{pair.gateway.url}/v1/chat/completions", json=request)
        assert (answer.status_code, answer.json()["error"]["code"]) == (502, "upstream_failed")
