"""The sealed event log of the real gateway: every kind of tampering is named with its line.

Chains, keys and seals are computed here once more, from what the documentation says of them.
"""

import concurrent.futures
import contextlib
import hashlib
import hmac
import json
import os
import signal
import subprocess
import time

import httpx
import pytest

from conftest import KT, Gateway, Provider, policy_config, target

SECRET = "the secret of the auditors"
MARK = ',"mac":"'


def key(epoch):
    first = hashlib.sha256(b"keeptrusts audit key v1" + SECRET.encode()).digest()
    for _ in range(epoch):
        first = hashlib.sha256(b"keeptrusts next epoch v1" + first).digest()
    return first


def resealed(seal, epoch_of_key, **changes):
    members = json.loads(seal) | changes
    del members["mac"]
    line = json.dumps(members, separators=(",", ":"))[:-1]
    return f'{line}{MARK}{hmac.new(key(epoch_of_key), line.encode(), hashlib.sha256).hexdigest()}"}}'


def rehashed(lines):
    """The lines with hashes that fit, as a forger would write them."""
    heads, out = {}, []
    for line in lines:
        members = json.loads(line)
        chain = members["chain_id"]
        prev = heads.get(chain, "0" * 64)
        start = line[: line.rindex(',"prev_hash":"')] + f',"prev_hash":"{prev}"'
        heads[chain] = hashlib.sha256(start.encode()).hexdigest()
        out.append(f'{start},"hash":"{heads[chain]}"}}')
    return out


def envoy_of(front):
    with open(f"/proc/{front.process.pid}/task/{front.process.pid}/children") as children:
        return int(children.read().split()[0])


@pytest.fixture(scope="module")
def sealed(tmp_path_factory):
    """A log with 4 workers, clients that hang up, an Envoy that was killed, two more starts and a rotation."""
    folder = tmp_path_factory.mktemp("sealed")
    key_file = folder / "key"
    key_file.write_text(SECRET + "\n")
    provider = Provider(folder, "a")
    front = Gateway(folder, policy_config(target("a", provider.url)), concurrency="4", environment={"KEEPTRUSTS_AUDIT_KEY_FILE": str(key_file)})

    rotated = folder / "rotated.jsonl"

    def ask(number):
        body = {"model": "any", "stream": number % 3 == 0, "messages": [{"role": "user", "content": f"number {number}"}]}
        with contextlib.suppress(httpx.HTTPError), httpx.stream("POST", front.chat_url, json=body, timeout=30) as answer:
            if number % 5:
                answer.read()
                return answer.status_code
        return None

    try:
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            answered = sum(status == 200 for status in pool.map(ask, range(60)))
            front.events(60)
            os.kill(envoy_of(front), signal.SIGKILL)
            deadline = time.monotonic() + 60
            while "Envoy serves again" not in front.log.read_text():
                assert time.monotonic() < deadline
                time.sleep(0.1)
            answered += sum(status == 200 for status in pool.map(ask, range(60, 90)))
            for start in range(2):
                front.stop()
                front.start()
                if start == 1:
                    # The log is rotated while the gateway runs.
                    front.events_file.rename(rotated)
                    os.kill(envoy_of(front), signal.SIGUSR1)
                answered += sum(status == 200 for status in pool.map(ask, range(30 * start, 30 * start + 30)))
        assert len(front.events(30)) == 30
    finally:
        front.stop()
        provider.stop()
    seals = front.events_file.with_name(front.events_file.name + ".seals")
    assert answered == 120
    assert key_file.read_text().startswith("keeptrusts-epoch-key ") and SECRET not in key_file.read_text()
    assert SECRET not in front.log.read_text() + seals.read_text() + front.events_file.read_text()
    return (rotated.read_text() + front.events_file.read_text()).splitlines(), seals.read_text().splitlines()


def verify(folder, lines, seals, *flags, secret=SECRET):
    log = folder / "events.jsonl"
    log.write_text("".join(f"{line}\n" for line in lines))
    (folder / "events.jsonl.seals").write_text("".join(f"{line}\n" for line in seals))
    environment = {**os.environ, "KEEPTRUSTS_AUDIT_KEY": secret}
    done = subprocess.run([KT, "events", "verify", log, "--json", *flags], capture_output=True, text=True, timeout=60, env=environment)
    problems = json.loads(done.stdout)["problems"] if done.stdout else []
    assert done.returncode == (1 if problems else 0), done.stderr
    return {(os.path.basename(problem["place"] or "-"), problem["kind"]) for problem in problems}


def test_what_the_gateway_wrote_is_whole(sealed, tmp_path):
    lines, seals = sealed
    assert verify(tmp_path, lines, seals) == set()
    assert len(lines) == 150 and len({json.loads(line)["request_id"] for line in lines}) == 150
    epochs = [json.loads(seal) for seal in seals]
    assert [epoch["epoch"] for epoch in epochs] == list(range(len(epochs))) and len(epochs) >= 3
    assert len({epoch["instance"] for epoch in epochs}) == 3 and sum(epoch["lines"] for epoch in epochs) == 150
    assert all(resealed(seal, epoch) == seal for epoch, seal in enumerate(seals))
    assert len(verify(tmp_path, lines, seals, secret="another")) == len(seals)


def test_every_kind_of_tampering_is_named_with_its_line(sealed, tmp_path):
    lines, seals = sealed
    checkpoint = tmp_path / "checkpoint"
    assert verify(tmp_path, lines, seals, "--checkpoint", checkpoint) == set()

    def log(change):
        changed = list(lines)
        change(changed)
        return verify(tmp_path, changed, seals)

    def sealing(change, *flags):
        changed = list(seals)
        change(changed)
        return verify(tmp_path, lines, changed, *flags)

    place = 40
    here = f"events.jsonl:{place + 1}"
    chain = json.loads(lines[place])["chain_id"]
    successor = next(at for at in range(place + 1, len(lines)) if json.loads(lines[at])["chain_id"] == chain)
    edited = lines[place].replace('"verdict":"allow"', '"verdict":"block"')
    assert (here, "edited") in log(lambda log: log.__setitem__(place, edited))
    assert (f"events.jsonl:{successor}", "missing") in log(lambda log: log.pop(place))
    swapped = log(lambda log: log.__setitem__(slice(place, successor + 1), [log[successor], *log[place + 1 : successor], log[place]]))
    assert (f"events.jsonl:{successor + 1}", "reordered") in swapped
    assert (here, "inserted") in log(lambda log: log.insert(place, '{"verdict":"allow"}'))
    assert (f"events.jsonl:{place + 2}", "duplicated") in log(lambda log: log.insert(place, log[place]))
    assert (here, "inserted") in log(lambda log: log.__setitem__(place, log[place][:200]))
    other = next(json.loads(line)["chain_id"] for line in lines if json.loads(line)["chain_id"] != chain)
    swapped = log(lambda log: log.__setitem__(place, log[place].replace(chain, other)))
    assert (here, "edited") in swapped

    def rewrite(log):
        log[place] = edited
        log[:] = rehashed(log)

    # All hashes fit again, and only the seal tells.
    assert {kind for _, kind in log(rewrite)} == {"sealed-otherwise"}
    assert ("-", "cut-off") in log(lambda log: log.__delitem__(slice(-5, None)))
    assert ("events.jsonl.seals:2", "seal-forged") in sealing(lambda seals: seals.__setitem__(1, seals[1].replace('"lines":', '"lines":1')))
    assert ("events.jsonl.seals:2", "epoch-missing") in sealing(lambda seals: seals.pop(1))
    stolen = resealed(seals[0], 2, digest="0" * 64)
    assert ("events.jsonl.seals:1", "newer-key") in sealing(lambda seals: seals.__setitem__(0, stolen))
    # Whoever has the secret itself can seal everything anew; the checkpoint, kept elsewhere, tells.
    assert ("-", "forked") in sealing(lambda seals: seals.pop(), "--since", checkpoint)
