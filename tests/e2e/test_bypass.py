"""Attempts to get past the policies, as data files under tests/bypass.

Each entry is a request with its documented answer. `provider` says what may arrive: `nothing`, `redacted`, a request in which
none of the raw values stands, nor one of the entry's own `values`, or `unchanged`, to the byte. With an `answer` the provider says
that, and `client` is what may come of it: `redacted`, `unchanged` or `blocked`. `unreadable` asks the gateway that refuses what it
cannot read, and `skipped` is what its event lists.
"""

import base64
import json
import socket

import httpx
import pytest

from conftest import ROOT

RAW_VALUES = ["victim@example.com", "4111 1111 1111 1111", "4111111111111111", "4111-1111", "219-09-9999", "415 555 2671", "203.0.113.77", "u0040example", "sk-client", "sk-proj-4f9a", "akiaiosf", "ghp_16c7", "eyjzdwii", "miieowib", "xoxb-1234", "ab 12 34 56 c", "529.982.247", "march 14, 1985", "742 evergreen", "c01x00t47", "d1234567", "1hgcm82633a004352", "00:1a:2b:3c:4d:5e", "s3cretpw", "1boatslrht", "000123456789", "021000021", "jane q. doe", "2345 6789 0124", "rssmra85t10a562s", "p@ssw0rd1", "qtt8q~9c"]  # fmt: skip


def entries():
    for file in sorted((ROOT / "tests" / "bypass").glob("*.json")):
        for entry in json.loads(file.read_text()):
            yield pytest.param(entry, id=f"{file.stem}: {entry['name']}")


def content_of(entry):
    if "json" in entry:
        return json.dumps(entry["json"]).encode()
    return base64.b64decode(entry["base64"]) if "base64" in entry else entry["body"].encode()


def send(gateway, entry):
    """Status and body of the answer."""
    if "raw" in entry:
        return send_raw(gateway, entry["raw"].encode())
    headers = {"content-type": "application/json", **entry.get("headers", {})}
    answer = httpx.post(gateway.url + entry["path"], content=content_of(entry), headers=headers, timeout=30)
    return answer.status_code, answer.text


def send_raw(gateway, request):
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=10) as connection:
        connection.sendall(request)
        answer = b""
        try:
            while received := connection.recv(65536):
                answer += received
        except (ConnectionResetError, TimeoutError):
            pass
    return int(answer.split(b" ")[1]) if answer.startswith(b"HTTP/1.1 ") else 400, answer.decode(errors="replace")


@pytest.mark.parametrize("entry", entries())
def test_entry(request, entry):
    pair = request.getfixturevalue("strict_pair" if "unreadable" in entry else "pair")
    if "answer" in entry:
        pair.provider.queue({"body": entry["answer"]})
    status, body = send(pair.gateway, entry)
    expected = entry["status"] if isinstance(entry["status"], list) else [entry["status"]]
    assert status in expected, body
    if "code" in entry:
        assert json.loads(body)["error"]["code"] == entry["code"]
    if entry.get("skipped"):
        assert pair.gateway.events()[0]["coverage"]["skipped"] == entry["skipped"]
    check_provider(pair.provider.requests(), entry, status)
    if "answer" in entry:
        check_client(body, entry)


def check_provider(requests, entry, status):
    if entry["provider"] == "nothing" or (entry["provider"] == "redacted or nothing" and status not in (100, 200)):
        assert requests == []
        return
    assert len(requests) == 1
    assert requests[0]["path"] == entry.get("path", "/v1/chat/completions")
    if entry["provider"] == "unchanged":
        assert requests[0]["body"] == content_of(entry).decode()
        return
    received = json.dumps(requests[0]).lower()
    for value in [*RAW_VALUES, *entry.get("values", [])]:
        assert value.lower() not in received, f"{value} arrived: {received}"
    assert "_redacted]" in received or entry["name"] == "model that is a value"


def check_client(body, entry):
    if entry["client"] == "unchanged":
        assert json.loads(body) == entry["answer"]
    for value in entry.get("values", []):
        assert value not in body, f"{value} arrived: {body}"
    assert ("_REDACTED]" in body) == (entry["client"] == "redacted"), body


def test_there_are_enough():
    assert len(list(entries())) >= 250
