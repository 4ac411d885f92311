"""Errors in answers with status 200: every recorded shape of one must send the request on to the next target."""

import base64
import json
import pathlib
import random
import sys

import httpx
import pytest

WIRE = pathlib.Path(__file__).resolve().parents[1] / "wire"
sys.path.insert(0, str(WIRE))

import readers  # noqa: E402
import server  # noqa: E402
import shape  # noqa: E402

from conftest import Gateway, policy_config, target  # noqa: E402

FAILED = [
    pytest.param(known, id=known.name)
    for known in shape.load_all()
    if known.then[:2] == ("refused", "502") and known.status == 200 and known.endpoint == "chat" and "type" not in known.shows
]
HEALTHY = {"stream": "openai/chat-text", "whole": "openai/chat-text-whole"}


@pytest.fixture(scope="module")
def fronts(tmp_path_factory):
    failing, healthy = server.Server(), server.Server(instead=HEALTHY)
    front = Gateway(tmp_path_factory.mktemp("failover"), policy_config(target("a", failing.url), target("b", healthy.url)))
    yield front, healthy
    front.stop()
    failing.shutdown()
    healthy.shutdown()


@pytest.mark.parametrize("known", FAILED)
@pytest.mark.parametrize("cut", ["whole", "odd"])
def test_an_error_sends_the_request_on(request, fronts, known, cut):
    front, healthy = fronts
    request.node.kt_processes = [front]
    front.events_file.write_text("")
    through = readers.Reader(front.url).read("python", known, f"{known.name} clean {cut}")
    direct = readers.Reader(healthy.url).read("python", known, f"{known.name} clean {cut}")
    assert through["error"] is None, through["error"]
    assert text_of(through) == text_of(direct)
    (event,) = front.events()
    assert [attempt["target_id"] for attempt in event["attempts"]] == ["a", "b"]
    assert event["attempts"][0]["error"] and not event["attempts"][1]["error"]


def text_of(reading):
    if reading["final"]:
        return reading["final"]["choices"][0]["message"]["content"]
    return "".join(choice["delta"].get("content") or "" for event in reading["events"] for choice in event["choices"])


@pytest.mark.parametrize("size", [60_000, 300_000, 1_600_000])
@pytest.mark.parametrize("endpoint", ["chat", "responses"])
def test_drawn_images_leave_whole(pair, endpoint, size):
    image = base64.b64encode(b"\x89PNG\r\n\x1a\n" + random.Random(size).randbytes(size * 3 // 4)).decode()
    if endpoint == "chat":
        url = f"data:image/png;base64,{image}"
        delta = {"role": "assistant", "content": "", "images": [{"type": "image_url", "image_url": {"url": url}}]}
        events = [{"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}]
        body = {"model": "any", "messages": [{"role": "user", "content": "go"}], "stream": True}
    else:
        output = [{"id": "ig_1", "type": "image_generation_call", "status": "completed", "result": image}]
        events = [{"type": "response.completed", "response": {"id": "r", "object": "response", "status": "completed", "output": output}}]
        body = {"model": "any", "input": "go", "stream": True}
    raw = [f"data: {json.dumps(event)}\n\n" for event in events] + ["data: [DONE]\n\n"]
    pair.provider.queue({"raw": raw})
    answer = httpx.post(f"{pair.gateway.url}/v1/{readers.PATHS[endpoint]}", json=body, timeout=30)
    assert [readers.decode(event) for event in readers.sse_events(answer.text)] == [*events, "[DONE]"]
