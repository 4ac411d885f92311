"""A running gateway follows its policy file: no request fails, no stream is cut, a bad file changes nothing.

`make reload-long` runs the storm with 500 reloads.
"""

import asyncio
import concurrent.futures
import contextlib
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import threading
import time

import httpx
from load import Load

from conftest import KT, free_port, policy_config, target
from forms import until

RELOADS = int(os.environ.get("KT_RELOADS", "20"))
EMAIL = "write to jane.doe@example.com"
CHAIN = ("pii-detector", "audit-logger")


def policy_file(front):
    return pathlib.Path(front.arguments[front.arguments.index("--policy-config") + 1])


def replace(file, text):
    """As editors and deployments do: beside it, then over it."""
    beside = file.with_suffix(".new")
    beside.write_text(text)
    beside.rename(file)


def generation(front):
    return httpx.get(f"{front.url}/keeptrusts/config").json()["generation"]


def status_of(front):
    return front.chat(EMAIL).status_code


def test_new_requests_follow_a_file_that_was_moved_over(provider, gateway):
    back = provider()
    front = gateway(policy_config(target("a", back.url)))
    assert (status_of(front), generation(front)) == (200, 1)
    replace(policy_file(front), policy_config(target("a", back.url), pii="block"))
    assert until(lambda: status_of(front) == 409) < 2
    assert until(lambda: generation(front) == 2) < 2
    # Written in place, to what it was; comments alone change nothing.
    policy_file(front).write_text(policy_config(target("a", back.url)))
    assert until(lambda: status_of(front) == 200) < 2
    policy_file(front).write_text("# as before\n" + policy_config(target("a", back.url)))
    time.sleep(1)
    assert generation(front) == 3


def test_a_mounted_config_map_is_followed(provider, gateway, tmp_path):
    """Kubernetes puts a folder beside the old one and turns a link to it."""
    back = provider()
    front = gateway(policy_config(target("a", back.url)))
    mount = tmp_path / "mount"
    for version, pii in (("..1", "redact"), ("..2", "block")):
        (mount / version).mkdir(parents=True)
        (mount / version / "policy.yaml").write_text(policy_config(target("a", back.url), pii=pii))
    (mount / "..data").symlink_to("..1")
    (mount / "policy.yaml").symlink_to("..data/policy.yaml")
    front.stop()
    front.arguments[front.arguments.index("--policy-config") + 1] = str(mount / "policy.yaml")
    front.start()
    assert status_of(front) == 200
    (mount / "..data_tmp").symlink_to("..2")
    (mount / "..data_tmp").rename(mount / "..data")
    assert until(lambda: status_of(front) == 409) < 2


def test_a_bad_file_is_refused_and_the_old_one_serves_on(provider, gateway):
    back = provider()
    good = policy_config(target("a", back.url), pii="block")
    front = gateway(good)
    file = policy_file(front)
    for bad, message in (
        (good.replace("threshold", "treshold"), "did you mean `threshold`?"),
        (good.replace("KEY_A", "KEY_OF_NOBODY"), "export KEY_OF_NOBODY"),
        ("", "the file is empty"),
    ):
        replace(file, bad)
        until(lambda: message in front.log.read_text() and "is refused; what was served goes on" in front.log.read_text())
        assert (status_of(front), generation(front)) == (409, 1)
        front.process.send_signal(signal.SIGHUP)
        time.sleep(0.3)
        assert (status_of(front), generation(front)) == (409, 1)
    file.unlink()
    until(lambda: "cannot read" in front.log.read_text())
    assert status_of(front) == 409
    replace(file, policy_config(target("a", back.url)))
    assert until(lambda: status_of(front) == 200) < 2
    # The last good file, not the first, is what a new Envoy starts with.
    (envoy,) = subprocess.run(["pgrep", "-P", str(front.process.pid)], capture_output=True, text=True, check=True).stdout.split()
    os.kill(int(envoy), signal.SIGKILL)
    with contextlib.suppress(httpx.HTTPError):
        status_of(front)
    until(lambda: "serves again" in front.log.read_text(), 60)
    assert (status_of(front), generation(front)) == (200, 2)


def test_targets_come_and_go_while_streams_run(provider, gateway):
    first, second = provider({"deltas": [f"piece {n} " for n in range(30)], "piece_delay_ms": 100}), provider()
    front = gateway(policy_config(target("a", first.url), target("b", second.url)))
    began, texts = threading.Event(), []

    def stream():
        text = ""
        for chunk in front.client.chat.completions.create(model="any", messages=[{"role": "user", "content": "go"}], stream=True):
            began.set()
            text += (chunk.choices[0].delta.content or "") if chunk.choices else ""
        texts.append(text)

    reader = threading.Thread(target=stream)
    reader.start()
    assert began.wait(10)
    replace(policy_file(front), policy_config(target("c", second.url)))
    until(lambda: "to c" in str(front.chat("to c").json()) and generation(front) == 2)
    reader.join(timeout=20)
    assert texts == ["".join(f"piece {n} " for n in range(30))]
    assert [entry["target_id"] for entry in httpx.get(f"{front.url}/keeptrusts/providers/metrics").json()["targets"]] == ["c"]


def ask(front, method="POST", path="/keeptrusts/config/reload", **more):
    return httpx.request(method, f"http://127.0.0.1:{front.admin}{path}", timeout=20, **more)


def test_a_reload_can_be_asked_for_at_the_admin_address(provider, gateway):
    back = provider()
    front = gateway(policy_config(target("a", back.url)))
    assert ask(front).json() == {"status": "unchanged", "generation": 1}
    # Two at a time, and the file's own change in between: each is told what is served when it is answered.
    replace(policy_file(front), policy_config(target("a", back.url), pii="block"))
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        answers = [answer.json() for answer in pool.map(lambda _: ask(front), range(4))]
    assert {answer["generation"] for answer in answers} == {2} and [answer["status"] for answer in answers].count("applied") <= 1
    assert until(lambda: status_of(front) == 409) < 2
    policy_file(front).write_text(policy_config(target("a", back.url)).replace("action: redact", "action: erase"))
    refused = ask(front)
    assert refused.status_code == 422 and refused.json()["error"]["code"] == "config_refused"
    assert "(policy.pii-detector.action)" in refused.json()["error"]["message"] and generation(front) == 2


def test_nothing_else_is_served_at_the_admin_address(provider, gateway):
    front = gateway(policy_config(target("a", provider().url)))
    assert httpx.post(f"{front.url}/keeptrusts/config/reload").status_code == 404
    assert ask(front, headers={"origin": "http://localhost:3000"}).status_code == 403
    for method, path in (("GET", "/keeptrusts/config/reload"), ("POST", "/stats"), ("POST", "/quitquitquit"), ("GET", "/config_dump"), ("GET", "/stats?filter=.*"), ("GET", "//stats")):
        assert ask(front, method, path).status_code == 403, (method, path)
    assert ask(front, "GET", "/ready").text == "LIVE\n"
    plain = ask(front, "GET", "/stats/prometheus")
    assert plain.headers["content-type"].startswith("text/plain") and "envoy_server_live" in plain.text


def keys_of(source):
    return [dict(request["headers"])["authorization"] for request in source.requests()]


def test_a_key_in_a_file_changes_without_a_restart(provider, gateway, tmp_path):
    """As a mounted Secret changes, by a link beside the files, and as people do it, by moving a file into its place."""
    back, folder, late = provider(), tmp_path / "secrets", tmp_path / "late"
    late.mkdir()
    for version, key in (("v1", "sk-first\n"), ("v2", "sk-second\n")):
        (folder / version).mkdir(parents=True)
        (folder / version / "key").write_text(key)
    (folder / "..data").symlink_to("v1")
    (folder / "key").symlink_to("..data/key")

    def by_file(name, path):
        return target(name, back.url).replace(f"env: KEY_{name.upper()}", f"file: {path}")

    front = gateway(policy_config(by_file("a", folder / "key"), by_file("b", late / "key")))
    assert f"target `b` is unavailable: there is no key in {late / 'key'}" in front.log.read_text()

    def key():
        assert status_of(front) == 200
        return keys_of(back)[-1]

    assert key() == "Bearer sk-first"
    (folder / "..next").symlink_to("v2")
    (folder / "..next").rename(folder / "..data")
    until(lambda: key() == "Bearer sk-second")
    (folder / "new").write_text("sk-third")
    (folder / "new").rename(folder / "key")
    until(lambda: key() == "Bearer sk-third")
    (late / "key").write_text("sk-late")
    front.process.send_signal(signal.SIGHUP)
    until(lambda: generation(front) == 2)
    shown = front.log.read_text() + httpx.get(f"{front.url}/keeptrusts/config").text + httpx.get(f"{front.url}/metrics").text
    assert "sk-" not in shown and "sk-" not in front.events_file.read_text()


def test_breakers_and_event_chains_survive(provider, gateway):
    back = provider()
    breaker = "providers:\n  circuit_breaker: {failure_threshold: 2, recovery_timeout_seconds: 600}\n"

    def config(pii):
        targets = target("a", f"http://127.0.0.1:{free_port()}"), target("b", back.url)
        return policy_config(*targets, chain=CHAIN, pii=pii).replace("providers:\n", breaker)

    front = gateway(config("redact"), concurrency="1")

    def state():
        return httpx.get(f"{front.url}/keeptrusts/providers/metrics").json()["targets"][0]["state"]

    for _ in range(3):
        assert front.chat("hello").status_code == 200
    assert state() == "open"
    replace(policy_file(front), config("block"))
    until(lambda: status_of(front) == 409)
    assert state() == "open"
    events = front.events(4)
    assert len({event["chain_id"] for event in events}) == 1
    assert [event["seq"] for event in events] == list(range(len(events)))
    assert subprocess.run([KT, "events", "verify", front.events_file], capture_output=True).returncode == 0


def test_running_exchanges_end_before_the_gateway_does(provider, gateway):
    back = provider({"deltas": [f"piece {n} " for n in range(20)], "piece_delay_ms": 100})
    front = gateway(policy_config(target("a", back.url)))
    body = {"model": "any", "messages": [{"role": "user", "content": "go"}], "stream": True}
    with httpx.stream("POST", front.chat_url, json=body, timeout=30) as answer:
        lines = answer.iter_lines()
        assert "data:" in next(lines)
        front.process.send_signal(signal.SIGTERM)

        def is_closed():
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", front.port)) != 0

        assert until(is_closed) < 1.5
        text = "\n".join(lines)
    assert "".join(re.findall(r'"content":"([^"]*)"', text)) == "".join(f"piece {n} " for n in range(20))
    assert text.rstrip().endswith("[DONE]")
    started = time.monotonic()
    assert front.process.wait(timeout=10) == 0
    assert time.monotonic() - started < 3


def test_the_drain_has_a_bound(provider, gateway):
    back = provider({"deltas": ["word "] * 200, "piece_delay_ms": 100})
    front = gateway(policy_config(target("a", back.url)), "--drain-seconds", "1")
    body = {"model": "any", "messages": [{"role": "user", "content": "go"}], "stream": True}
    with httpx.stream("POST", front.chat_url, json=body, timeout=30) as answer:
        # Without a name it would be dropped, and the connection with it.
        lines = answer.iter_lines()
        next(lines)
        front.process.send_signal(signal.SIGTERM)
        started = time.monotonic()
        assert front.process.wait(timeout=20) == 0
    assert 0.8 < time.monotonic() - started < 5


def memory_mib(pid):
    return int(re.search(r"VmRSS:\s+(\d+)", open(f"/proc/{pid}/status").read())[1]) / 1024


class Storm:
    """Streams that run, one after the other, while the file changes."""

    TEXT = "".join(f"piece {n} " for n in range(30))

    def __init__(self, front):
        self.front, self.done, self.broken, self.stop = front, 0, [], False

    async def stream(self):
        body = json.dumps({"model": "any", "messages": [{"role": "user", "content": "go"}], "stream": True}).encode()
        head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {len(body)}\r\n\r\n"
        while not self.stop:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.front.port)
            writer.write(head.encode() + body)
            answer = (await reader.read(-1)).decode()
            writer.close()
            deltas = re.findall(r'"content":"((?:[^"\\]|\\.)*)"', answer)
            if "".join(deltas) != self.TEXT or "[DONE]" not in answer:
                self.broken.append(answer[-400:])
            self.done += 1


def test_a_storm_of_reloads_harms_nobody(provider, gateway):
    slow = provider({"deltas": [f"piece {n} " for n in range(30)], "piece_delay_ms": 100})
    front = gateway(policy_config(target("a", slow.url), chain=CHAIN))
    files = [policy_config(target("a", slow.url), chain=CHAIN, pii=pii) for pii in ("block", "redact")]
    (envoy,) = subprocess.run(["pgrep", "-P", str(front.process.pid)], capture_output=True, text=True, check=True).stdout.split()
    storm, wrong, memory = Storm(front), [], []

    def check(status, body):
        code = json.loads(body).get("error", {}).get("code")
        if (status, code) not in ((200, None), (409, "input_blocked")) or b"jane.doe" in body:
            wrong.append((status, body[:400]))

    body = json.dumps({"model": "any", "messages": [{"role": "user", "content": EMAIL}]}).encode()
    load = Load(front.chat_url, connections=20, per_second=200, seconds=3600, body=body, check=check)

    async def change():
        await asyncio.sleep(1)
        for number in range(RELOADS):
            replace(policy_file(front), files[number % 2])
            front.process.send_signal(signal.SIGHUP)
            await asyncio.sleep(0.4)
            memory.append(memory_mib(envoy))
        load.left, storm.stop = 0, True

    async def alongside():
        await asyncio.gather(change(), *[storm.stream() for _ in range(50)])

    started = time.monotonic()
    load.run(alongside())
    seconds = time.monotonic() - started
    quarter = max(1, len(memory) // 4)
    first, last = (sum(part) / len(part) for part in (memory[quarter : 2 * quarter], memory[-quarter:]))
    print(
        f"\n{RELOADS} reloads in {seconds:.0f} s, {sum(load.statuses.values())} requests {dict(load.statuses)}, {storm.done} streams, "
        f"memory {memory[0]:.0f} MiB at first, {first:.0f} in the second quarter, {last:.0f} at the end"
    )
    assert not wrong, wrong[:3]
    assert not storm.broken, storm.broken[:3]
    assert storm.done >= 50
    assert load.statuses[200] and load.statuses[409]
    assert generation(front) == RELOADS + 1
    assert last < first * 1.1 + 8
