"""Attempts of a provider to get a value past the policies, as data files under tests/bypass/answers.

Each entry is an answer in the pieces in which it is written: strange framing, types, identities and ends, and bodies
that lie about their type. However a client reads it, it must not find the value. An entry that is `healthy` must read
the same but for the value, and not be refused.
"""

import json

import httpx
import pytest

from conftest import ROOT

VALUE = "bypass.victim@example.com"
#: Splits the value where the entries split it, so that each piece stays a word.
HARMLESS = (("bypass.vic", "the best "), ("tim@example.com", "friend of ours"))


def entries():
    for file in sorted((ROOT / "tests" / "bypass" / "answers").glob("*.json")):
        for entry in json.loads(file.read_text()):
            yield pytest.param(entry, id=entry["name"])


def ask(pair, entry, pieces):
    pair.provider.queue({"raw": pieces, "status": entry.get("status", 200), "headers": {"content-type": entry["content_type"]}})
    path, body = "chat/completions", {"messages": [{"role": "user", "content": "go"}]}
    if "responses" in entry["name"]:
        path, body = "responses", {"input": "go"}
    try:
        return httpx.post(f"{pair.gateway.url}/v1/{path}", json={"model": "any", "stream": entry["stream"], **body}, timeout=20)
    except httpx.RemoteProtocolError:
        return None


def readings(text):
    """What the readers that there are could make of an answer: strict ones, and those that split lines as Python does,
    join what belongs to different places, or take JSON wherever it stands."""
    yield text
    yield "".join(text.splitlines())
    yield "".join(line.partition(":")[2].removeprefix(" ") for line in text.split("\n") if not line.startswith("data"))
    for documents in ([text], text.splitlines(), text.split("\n")):
        joined, by_name = [], {}
        for document in documents:
            collect(decoded(document), "", joined, by_name)
        yield "".join(joined)
        yield from ("".join(pieces) for pieces in by_name.values())


def decoded(line):
    """The JSON of a line, wherever it begins."""
    for candidate in (line, line[max(line.find("{"), 0) :]):
        try:
            return json.loads(candidate)
        except ValueError:
            continue
    return None


def collect(value, name, joined, by_name):
    if isinstance(value, str):
        joined.append(value)
        by_name.setdefault(name, []).append(value)
    elif isinstance(value, list):
        for item in value:
            collect(item, name, joined, by_name)
    elif isinstance(value, dict):
        for member, item in value.items():
            joined.append(member if isinstance(item, str) and "@" in member else "")
            collect(item, member, joined, by_name)


def holds_value(text):
    return any("victim@example.com" in reading.replace("\\u0040", "@") for reading in readings(text))


@pytest.mark.parametrize("entry", entries())
def test_no_client_finds_the_value(pair, entry):
    whole = "".join(entry["raw"])
    for pieces in (entry["raw"], [whole[at : at + 5] for at in range(0, len(whole), 5)]):
        answer = ask(pair, entry, pieces)
        assert answer is None or not holds_value(answer.text), answer.text


@pytest.mark.parametrize("entry", [entry for entry in entries() if entry.values[0].get("healthy")])
def test_what_is_healthy_is_not_refused(pair, entry):
    pieces = []
    for piece in entry["raw"]:
        for value, harmless in HARMLESS:
            piece = piece.replace(value, harmless)
        pieces.append(piece)
    answer = ask(pair, entry, pieces)
    assert answer.status_code == 200 and '"error"' not in answer.text, answer.text
    assert "the best friend of ours" in "".join(readings(answer.text)) or "friend of ours" in answer.text


def test_the_check_finds_values():
    """The check itself must find what it looks for."""
    assert holds_value(": bypass.vic\n\n: tim@example.com\n\n")
    assert holds_value('data: {"choices":[{"delta":{"content":"bypass.vic"}}]}\n\ndata: {"choices":[{"delta":{"content":"tim@example.com"}}]}\n\n')
    assert holds_value('data: {"a":"{\\"to\\": \\"bypass.victim\\\\u0040example.com\\"}"}\n\n')
    assert not holds_value('data: {"a":"[EMAIL_REDACTED]"}\n\n')


def test_there_are_enough():
    assert len(list(entries())) >= 120
