"""Seven cases in which gateways that bolt a scanner onto a stream are known to leak, corrupt or over-redact, on every
field that carries text and with two choices at once. The stream, one character per event, must read like the answer that
is not one.
"""

import json

import httpx
import pytest

LONG = "a-very-long-local-part.with.many.labels+and-a-tag@subdomain.of.a.long.example.com"
CASES = {
    "80-character e-mail address": (f"Mail {LONG} now.", "Mail [EMAIL_REDACTED] now."),
    "order number that fails Luhn": ("Order 4111111111111112 is ready.", "Order 4111111111111112 is ready."),
    "IBAN in groups of four": ("Pay to DE89 3704 0044 0532 0130 00 please.", "Pay to [IBAN_REDACTED] please."),
    "IBAN with wrong check digits": ("Pay to DE88 3704 0044 0532 0130 00 please.", "Pay to DE88 3704 0044 0532 0130 00 please."),
    "card in groups": ("Card 4111 1111 1111 1111 expires.", "Card [CREDIT_CARD_REDACTED] expires."),
    "PII beside quotes and line breaks": ('"\nbob@example.com\n"', '"\n[EMAIL_REDACTED]\n"'),
    "several values": ("a@b.io, +1 415 555 2671; 219-09-9999", "[EMAIL_REDACTED], [PHONE_REDACTED]; [SSN_REDACTED]"),
}
FIELDS = ["content", "text", "reasoning", "reasoning_content", "refusal", "arguments", "function_call"]


def whole_choice(index, field, text):
    message = {"role": "assistant", "content": None}
    choice = {"index": index, "message": message, "finish_reason": "stop", "logprobs": logprobs(text)}
    if field == "arguments":
        message["tool_calls"] = [{"id": "c", "type": "function", "function": {"name": "f", "arguments": text}}]
    elif field == "function_call":
        message["function_call"] = {"name": "f", "arguments": text}
    elif field == "text":
        choice["text"] = text
    else:
        message[field] = text
    return choice


def logprobs(text):
    return {"content": [{"token": text, "logprob": -0.5, "bytes": list(text.encode()), "top_logprobs": []}]}


def chunk(index, field, delta):
    choice = {"index": index, "delta": {}, "finish_reason": None, "logprobs": logprobs(delta), "token_id": 7}
    if field == "arguments":
        choice["delta"]["tool_calls"] = [{"index": 0, "function": {"arguments": delta}}]
    elif field == "function_call":
        choice["delta"]["function_call"] = {"arguments": delta}
    elif field == "text":
        choice["text"] = delta
    else:
        choice["delta"][field] = delta
    return f"data: {json.dumps({'id': 'c', 'choices': [choice]})}\n\n"


def read(choice, field):
    holder = choice.get("message") or choice.get("delta") or {}
    if field == "arguments":
        calls = holder.get("tool_calls") or []
        return calls[0]["function"]["arguments"] if calls else ""
    if field == "function_call":
        return (holder.get("function_call") or {}).get("arguments", "")
    return (choice if field == "text" else holder).get(field) or ""


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("name", CASES)
def test_case(pair, name, field):
    text, expected = CASES[name]
    if field in ("arguments", "function_call"):
        # JSON in a string, with every letter of the value's `@` and digits as a model might escape them.
        text = json.dumps({"q": text}).replace("@", "\\u0040")
        expected = json.dumps({"q": expected})
    body = {"model": "any", "messages": [{"role": "user", "content": "go"}], "n": 2}

    pair.provider.queue({"body": {"choices": [whole_choice(index, field, text) for index in (0, 1)]}})
    answer = httpx.post(pair.gateway.chat_url, json=body)
    choices = answer.json()["choices"]
    assert [read(choice, field) for choice in choices] == [expected, expected]
    assert all(choice["logprobs"] is None for choice in choices)

    pieces = [chunk(index, field, character) for character in text for index in (1, 0)]
    pieces += [f'data: {{"id": "c", "choices": [{{"index": {index}, "delta": {{}}, "finish_reason": "stop"}}]}}\n\n' for index in (0, 1)]
    pair.provider.queue({"raw": [*pieces, "data: [DONE]\n\n"]})
    answer = httpx.post(pair.gateway.chat_url, json={**body, "stream": True})
    seen = ["", ""]
    for line in answer.text.splitlines():
        if line.startswith("data: {"):
            for choice in json.loads(line[6:])["choices"]:
                seen[choice["index"]] += read(choice, field)
                assert choice.get("logprobs") is None and choice.get("token_id") is None
    assert seen == [expected, expected]
    assert answer.text.rstrip().endswith("data: [DONE]")
