"""Streamed answers: what the client reads is the redacted whole, however the provider cuts it."""

import json

import httpx
import openai
import pytest

from conftest import policy_config, target

TEXT = "Write to jane.doe@example.com, or call +1 415 555 2671 about card 4111-1111-1111-1111 today."
REDACTED = "Write to [EMAIL_REDACTED], or call [PHONE_REDACTED] about card [CREDIT_CARD_REDACTED] today."


def stream(gateway, **members):
    return gateway.client.chat.completions.create(model="any", messages=[{"role": "user", "content": "go"}], stream=True, **members)


def text_of(chunks):
    return "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 20, 1000])
def test_values_are_redacted_across_deltas(pair, size):
    pair.provider.queue({"deltas": [TEXT[at : at + size] for at in range(0, len(TEXT), size)]})
    assert text_of(stream(pair.gateway)) == REDACTED
    (event,) = pair.gateway.events()
    assert [redaction["category"] for redaction in event["redactions"]] == ["EMAIL", "PHONE", "CREDIT_CARD"]
    assert [(entry["start"], entry["end"]) for entry in event["redactions"]] == [(9, 29), (39, 54), (66, 85)]
    assert event["phase"] == "output"


@pytest.mark.parametrize("size", [1, 5, 64, 333])
def test_bytes_may_be_cut_anywhere(pair, size):
    chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": []}
    events = [": a comment\r\n\r\n", "id: 7\r\nevent: message\r\n"]
    for delta in ["Grüße an bob", "@example.com", " – bis bald 🎉"]:
        chunk["choices"] = [{"index": 0, "delta": {"content": delta}, "finish_reason": None}]
        events.append(f"data:{json.dumps(chunk, ensure_ascii=False)}\r\n\r\n")
    chunk["choices"] = [{"index": 0, "delta": {}, "finish_reason": "stop"}]
    events.append(f"data: {json.dumps(chunk)}\n\ndata: [DONE]")
    raw = "".join(events)
    pair.provider.queue({"raw": [raw[at : at + size] for at in range(0, len(raw), size)]})
    body = {"model": "any", "messages": [{"role": "user", "content": "go"}], "stream": True}
    answer = httpx.post(pair.gateway.chat_url, json=body).text
    assert answer.startswith(":\n\nid: 7\r\nevent: message\r\ndata:{")
    assert "data: [DONE]" in answer
    payloads = [json.loads(line[5:]) for line in answer.splitlines() if line.startswith("data:") and "[DONE]" not in line]
    read = "".join(choice["delta"].get("content", "") for payload in payloads for choice in payload["choices"])
    assert read == "Grüße an [EMAIL_REDACTED] – bis bald 🎉"


def test_every_channel_is_redacted(pair):
    def chunk(index, **member):
        return f'data: {json.dumps({"id": "c", "choices": [{"index": index, **member, "finish_reason": None}]})}\n\n'

    mail = ["carol@", "example.org and more"]
    arguments = ['{"to": "dave@exam', 'ple.net"}']
    pieces = []
    for at in (0, 1):
        pieces.append(chunk(0, delta={"content": mail[at]}, text=mail[at]))
        pieces.append(chunk(1, delta={"reasoning_content": mail[at]}))
        pieces.append(chunk(0, delta={"refusal": mail[at], "reasoning": mail[at]}))
        pieces.append(chunk(1, delta={"tool_calls": [{"index": 3, "function": {"arguments": arguments[at]}}]}))
    pieces.append('data: {"id": "c", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}\n\n')
    pieces.append('data: {"id": "c", "choices": [{"index": 1, "delta": {}, "finish_reason": "tool_calls"}]}\n\n')
    pieces.append("data: [DONE]\n\n")
    pair.provider.queue({"raw": pieces})
    seen = {}
    for chunk in stream(pair.gateway):
        for choice in chunk.choices:
            fields = {**choice.delta.model_dump(exclude_none=True), "text": (choice.model_extra or {}).get("text")}
            for call in fields.pop("tool_calls", []):
                assert call["index"] == 3
                fields["arguments"] = call["function"]["arguments"]
            for field, text in fields.items():
                if text:
                    seen[choice.index, field] = seen.get((choice.index, field), "") + text
    redacted = "[EMAIL_REDACTED] and more"
    assert seen == {
        (0, "content"): redacted,
        (0, "text"): redacted,
        (0, "refusal"): redacted,
        (0, "reasoning"): redacted,
        (1, "reasoning_content"): redacted,
        (1, "arguments"): '{"to": "[EMAIL_REDACTED]"}',
    }


def test_log_probabilities_reveal_nothing(pair):
    pieces = []
    for token in ["bob@", "example.com"]:
        logprobs = {"content": [{"token": token, "logprob": -0.1, "bytes": list(token.encode()), "top_logprobs": []}]}
        choice = {"index": 0, "delta": {"content": token}, "logprobs": logprobs, "finish_reason": None}
        pieces.append(f'data: {json.dumps({"id": "c", "choices": [choice]})}\n\n')
    pieces.append('data: {"id": "c", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n')
    pair.provider.queue({"raw": pieces})
    chunks = list(stream(pair.gateway, logprobs=True))
    assert text_of(chunks) == "[EMAIL_REDACTED]"
    assert all(choice.logprobs is None for chunk in chunks for choice in chunk.choices)


@pytest.mark.parametrize("size", [1, 4, 1000])
def test_an_unsafe_stream_is_cut_where_the_phrase_begins(pair, size):
    text = "Well, here it is: how to make a bomb, step one and so on."
    pair.provider.queue({"deltas": [text[at : at + size] for at in range(0, len(text), size)]})
    read = []
    with pytest.raises(openai.APIError) as caught:
        for chunk in stream(pair.gateway):
            read.append(chunk.choices[0].delta.content or "")
    assert "".join(read) == "Well, here it is: "
    assert caught.value.body["code"] == "output_blocked"
    (event,) = pair.gateway.events()
    assert (event["verdict"], event["phase"], event["reason_code"]) == ("block", "output", "safety_filter.detected")


def test_a_cut_stream_ends_properly(pair):
    pair.provider.queue({"deltas": ["how to make a bomb, "] + ["word "] * 200})
    body = {"model": "any", "messages": [{"role": "user", "content": "go"}], "stream": True}
    answer = httpx.post(pair.gateway.chat_url, json=body).text
    events = [event for event in answer.split("\n\n") if event]
    assert events[-1] == "data: [DONE]"
    assert json.loads(events[-2].removeprefix("data: "))["error"]["code"] == "output_blocked"
    assert "bomb" not in answer


def test_a_broken_stream_gives_away_nothing_undecided(pair):
    pair.provider.queue({"deltas": ["hello there, ", "bob@example.c", "om"], "disconnect": {"after_pieces": 3}})
    read = []
    with pytest.raises((httpx.RemoteProtocolError, openai.APIError)):
        for chunk in stream(pair.gateway):
            read.append(chunk.choices[0].delta.content or "")
    assert "".join(read) == "hello there, "
    (event,) = pair.gateway.events()
    assert event["reason_code"] == "upstream_failed"
    assert "reset" in event["attempts"][0]["error"]


def test_a_stream_without_done_is_released_whole(pair):
    chunk = '{"id": "c", "choices": [{"index": 0, "delta": {"content": "the last word"}, "finish_reason": null}]}'
    pair.provider.queue({"raw": [f"data: {chunk}\n\n"]})
    assert text_of(stream(pair.gateway)) == "the last word"


@pytest.mark.parametrize("raw", ["data: {not json}\n\n", "data: {\"a\": 1, \"a\": 2}\n\n", "data: \"\\ud800\"\n\n"])
def test_what_cannot_be_read_ends_the_stream(pair, raw):
    pair.provider.queue({"raw": [raw, "data: [DONE]\n\n"]})
    with pytest.raises(openai.APIError) as caught:
        list(stream(pair.gateway))
    assert caught.value.body["code"] == "upstream_failed"


def test_pii_may_block(provider, gateway):
    source = provider()
    front = gateway(policy_config(target("a", source.url), pii="block"))
    answer = front.chat("write to bob@example.com")
    assert (answer.status_code, answer.json()["error"]["policy"]) == (409, "pii-detector")
    assert source.requests() == []
    source.queue({"deltas": ["It is bob", "@example.com", "."]})
    with pytest.raises(openai.APIError):
        list(stream(front))
