"""Texts with values behind escapes, in JSON, in disguise and encoded, as data files under tests/bypass/texts.

Each entry is a text with what must leave of it (`*`: anything with a marker in place of the value; null: nothing, the exchange is
stopped): to the provider as the result or the arguments of a tool, and to the client as an answer and as a stream of single
characters, unless `where` says less. What the provider received is read from its log.
"""

import json

import httpx
import pytest

from conftest import ROOT

FILES = sorted((ROOT / "tests" / "bypass" / "texts").glob("*.json"))


def entries(where):
    for file in FILES:
        for entry in json.loads(file.read_text()):
            is_stream = where == "stream" and entry.get("field") == "arguments"
            if where in entry.get("where", ["request", "answer", "stream"]) and not is_stream:
                yield pytest.param(entry, id=f"{file.stem}: {entry['name']}")


def message(entry, role):
    if entry.get("field") == "arguments":
        call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": entry["text"]}}
        return {"role": "assistant", "content": None, "tool_calls": [call]}
    return {"role": role, "content": entry["text"], **({"tool_call_id": "c"} if role == "tool" else {})}


def check(entry, message):
    text = message["tool_calls"][0]["function"]["arguments"] if entry.get("field") == "arguments" else message["content"]
    if entry["expected"] == "*":
        assert "_REDACTED]" in text and text != entry["text"]
    else:
        assert text == entry["expected"]


@pytest.mark.parametrize("entry", entries("request"))
def test_request(pair, entry):
    answer = httpx.post(pair.gateway.chat_url, json={"model": "m", "messages": [message(entry, "tool")]}, timeout=30)
    if entry["expected"] is None:
        assert answer.status_code == 409 and pair.provider.requests() == []
        return
    assert answer.status_code == 200, answer.text
    (received,) = pair.provider.bodies()
    check(entry, received["messages"][0])


@pytest.mark.parametrize("entry", entries("answer"))
def test_answer(pair, entry):
    choice = {"index": 0, "message": message(entry, "assistant"), "finish_reason": "stop"}
    pair.provider.queue({"body": {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}})
    answer = pair.gateway.chat("go")
    assert answer.status_code == 200, answer.text
    check(entry, answer.json()["choices"][0]["message"])


@pytest.mark.parametrize("entry", entries("stream"))
def test_stream(pair, entry):
    pair.provider.queue({"deltas": list(entry["text"])})
    body = {"model": "any", "messages": [{"role": "user", "content": "go"}], "stream": True}
    lines = httpx.post(pair.gateway.chat_url, json=body, timeout=30).text.splitlines()
    events = [json.loads(line[6:]) for line in lines if line.startswith("data: {")]
    assert not any("error" in event for event in events)
    read = "".join(choice["delta"].get("content") or "" for event in events for choice in event["choices"])
    check(entry, {"content": read})


def test_there_are_enough():
    assert all(len(json.loads(file.read_text())) >= 15 for file in FILES) and len(FILES) >= 4
