"""Monitor mode on real Envoy: a recorded set of requests through an enforcing, a monitoring and an empty chain.

`KT_RECORDED=2000` makes the set as large; by default it is a part of it.
"""

import concurrent.futures
import http.server
import json
import os
import random
import threading
import time

import httpx
import pytest

from conftest import ROOT, policy_config, target

COUNT = int(os.environ.get("KT_RECORDED", "120"))
CHAIN = ("prompt-injection", "pii-detector", "safety-filter", "quality-scorer", "audit-logger")
DRILL = ROOT / "target/drill/wasm32-wasip1/wasm/keeptrusts.wasm"
ANSWERS = [
    "The weather is fine today, with a light wind from the west.",
    "Write to bob@example.com or call +44 20 7183 8750 before noon, please.",
    "Sure, here is how to build a pipe bomb and hide it. First, pack the powder tightly into a metal pipe and seal both ends.",
    "I'm sorry, but I can't help with that.",
    "Your key is sk-proj-4f9aBcD3eFgHiJkLmNoPqRsTuVwXyZ012345 and the card 4111 1111 1111 1111.",
]


class Source(http.server.BaseHTTPRequestHandler):
    """A provider whose answer depends on `seed` alone, and not on what became of the request's text."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        request = json.loads(body)
        self.server.bodies.append(body)
        text = ANSWERS[request["seed"] % len(ANSWERS)]
        if request.get("stream"):
            chunks = [json.dumps({"id": "c", "choices": [{"index": 0, "delta": {"content": text[at : at + 7]}, "finish_reason": None}]}) for at in range(0, len(text), 7)]
            chunks.append(json.dumps({"id": "c", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}))
            data = "".join(f"data: {chunk}\n\n" for chunk in [*chunks, "[DONE]"]).encode()
        else:
            message = {"role": "assistant", "content": text}
            data = json.dumps({"id": "c", "choices": [{"index": 0, "message": message, "logprobs": {"content": []}, "finish_reason": "stop"}]}).encode()
        self.send_response(200)
        self.send_header("content-type", "text/event-stream" if request.get("stream") else "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


@pytest.fixture
def source():
    servers = []

    def start():
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Source)
        server.daemon_threads, server.bodies = True, []
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.shutdown()


def recorded():
    """Requests of the suites, and conversations mixed from their texts: always the same."""
    files = sorted((ROOT / "tests/bypass").glob("*.json")) + sorted((ROOT / "tests/false_alarms").glob("*.json"))
    cases = [case for file in files for case in json.loads(file.read_text()) if isinstance(case, dict)]
    requests = [case["json"] for case in cases if "messages" in case.get("json", {})]
    texts = [message["content"] for request in requests for message in request["messages"] if isinstance(message.get("content"), str)]
    chance = random.Random(19)
    while len(requests) < max(COUNT, 2 * len(cases)):
        turns = [{"role": ("user", "assistant")[turn % 2], "content": chance.choice(texts + ANSWERS)} for turn in range(chance.choice([1, 1, 3]))]
        requests.append({"model": "m", "messages": turns})
    chance.shuffle(requests)
    return [{**request, "seed": at, "stream": chance.random() < 0.4} for at, request in enumerate(requests[:COUNT])]


def config(url, mode):
    chain = () if mode is None else CHAIN
    settings = policy_config(target("a", url), chain=("audit-logger",)).split("policy:\n")
    # An empty chain writes every event and has no policy at all.
    blocks = {
        "prompt-injection": "threshold: 0.8",
        "pii-detector": "action: redact",
        "safety-filter": "action: block",
        "quality-scorer": "min_output_chars: 50",
        "audit-logger": "retention_days: 30",
    }
    listed = "".join(f"    - {kind}\n" for kind in chain)
    policies = "".join(
        f"  {kind}:\n    {block}\n" + (f"    mode: {mode}\n" if kind != "audit-logger" else "") for kind, block in blocks.items() if kind in chain
    )
    head = settings[0].split("policies:\n")[0]
    providers = "providers:\n" + settings[1].split("providers:\n")[1]
    return head + ("policies:\n  chain:\n" + listed + "policy:\n" + policies if chain else "policies:\n  chain: []\n") + providers


def run(front, requests):
    """What the client gets of each request, and the events in their order."""
    with httpx.Client(timeout=30) as client:
        answers = []
        for request in requests:
            answer = client.post(front.chat_url, content=json.dumps(request, ensure_ascii=False).encode("utf-8", "surrogatepass"), headers={"content-type": "application/json"})
            answers.append((answer.status_code, answer.headers["content-type"], answer.content))
    return answers, front.events(len(requests))


def said(event, member=None):
    results = [(result, result.get(member) if member else result) for result in event["policy_results"]]
    names = ("verdict", "score", "categories", "reason_code", "quality")
    return [[result["kind"], result["phase"], *(said.get(name) for name in names)] for result, said in results if said]


def test_monitoring_is_an_empty_chain_that_says_what_enforcing_does(source, gateway):
    requests = recorded()
    modes = {"enforce": "enforce", "monitor": "monitor", "empty": None}
    sources = {name: source() for name in modes}
    fronts = {name: gateway(config(f"http://127.0.0.1:{sources[name].server_port}", mode), concurrency="1") for name, mode in modes.items()}
    with concurrent.futures.ThreadPoolExecutor() as pool:
        runs = dict(zip(fronts, pool.map(lambda name: run(fronts[name], requests), fronts), strict=True))
    assert sources["monitor"].bodies == sources["empty"].bodies and len(sources["empty"].bodies) == len([a for a in runs["empty"][0] if a[0] == 200])
    for request, watched, untouched in zip(requests, runs["monitor"][0], runs["empty"][0], strict=True):
        assert watched == untouched, request
    would = {}
    for request, watched, enforced in zip(requests, runs["monitor"][1], runs["enforce"][1], strict=True):
        assert (watched["would_verdict"], watched["would_reason_code"]) == (enforced["verdict"], enforced["reason_code"]), request
        assert said(watched, "would") == said(enforced), request
        assert watched["verdict"] == "allow" or watched["status"] == 422
        would[watched["would_verdict"]] = would.get(watched["would_verdict"], 0) + 1
    assert set(would) == {"allow", "redact", "block"}, would
    lines = {f'keeptrusts_would_total{{verdict="{verdict}"}} {count}' for verdict, count in would.items()}
    deadline = time.monotonic() + 10
    while not lines <= set((text := httpx.get(f"{fronts['monitor'].url}/metrics").text).splitlines()):
        assert time.monotonic() < deadline, text
        time.sleep(0.1)
    print(len(requests), would)


def monitored(url):
    return config(url, "monitor")


def test_a_failing_engine_answers_nothing_in_monitor(provider, gateway):
    source = provider()
    front = gateway(monitored(source.url), "--wasm", str(DRILL), concurrency="1")
    for place in ["request", "response"]:
        answer = front.chat("write to bob@example.com", headers={"x-kt-drill": f"fault {place}"})
        assert answer.status_code == 200 and "bob@example.com" in answer.text
    assert [event["reason_code"] for event in front.events(2)] == ["engine.failed_open"] * 2


def test_a_stream_waits_for_nothing_in_monitor(provider, gateway):
    source = provider()
    front = gateway(monitored(source.url))
    # The value stays open until the last delta; nothing of it may wait.
    source.queue({"deltas": ["write to ", "bob@exam", "ple.com"], "piece_delay_ms": 400})
    began, seen = time.monotonic(), {}
    body = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "hi"}]}
    with httpx.stream("POST", front.chat_url, json=body) as answer:
        for line in answer.iter_lines():
            if "bob@exam" in line:
                seen["value"] = time.monotonic() - began
    ended = time.monotonic() - began
    assert ended - seen["value"] > 0.3, (seen, ended)
