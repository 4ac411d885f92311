"""`--format dynamic`: a folder that Envoy watches. Changes take effect without a restart, and streams run on."""

import concurrent.futures
import subprocess
import threading

import pytest

from conftest import policy_config, target
from forms import GENERATOR, Dynamic, generate, until

EMAIL = "write to jane.doe@example.com"
PIECES = [f"piece {number} of jane.doe@example.com and more. " for number in range(40)]


@pytest.fixture
def dynamic(start):
    return lambda config: start(Dynamic, config)


def streamed(front, began):
    stream = front.client.chat.completions.create(model="any", messages=[{"role": "user", "content": "go"}], stream=True)
    text = ""
    for chunk in stream:
        began.set()
        text += (chunk.choices[0].delta.content or "") if chunk.choices else ""
    return text


def test_a_new_policy_takes_effect_and_running_streams_stay(provider, dynamic):
    back = provider()
    front = dynamic(policy_config(target("a", back.url)))
    assert front.chat(EMAIL).status_code == 200
    assert back.bodies()[0]["messages"][0]["content"] == "write to [EMAIL_REDACTED]"
    back.queue(*[{"deltas": PIECES, "piece_delay_ms": 120}] * 8)
    began = [threading.Event() for _ in range(8)]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        streams = [pool.submit(streamed, front, event) for event in began]
        assert all(event.wait(10) for event in began)
        front.replace(policy_config(target("a", back.url), pii="block"))
        assert until(lambda: front.chat(EMAIL).status_code == 409) < 2
        texts = [stream.result(timeout=30) for stream in streams]
    # Judged as they began, and longer than the drain time of three seconds.
    assert texts == ["".join(PIECES).replace("jane.doe@example.com", "[EMAIL_REDACTED]")] * 8


def test_a_folder_that_envoy_refuses_changes_nothing(provider, dynamic):
    front = dynamic(policy_config(target("a", provider().url), pii="block"))
    for file in sorted(front.folder.glob("ecds_*.yaml")):
        beside = front.folder / "beside"
        beside.write_text(file.read_text().replace('\\"format\\":', '\\"form\\":'))
        beside.rename(file)
    until(lambda: "the filter configuration is refused" in front.log.read_text())
    assert front.chat(EMAIL).status_code == 409
    assert front.chat("hello").status_code == 200


def test_the_folder_is_checked_and_needs_a_name(tmp_path):
    file = tmp_path / "policy.yaml"
    file.write_text(policy_config(target("a", "http://127.0.0.1:1")))

    def code(*flags):
        return subprocess.run([GENERATOR, file, "--format", "dynamic", *flags], capture_output=True).returncode

    assert code() == 2
    assert code("-o", tmp_path / "out") == 0
    assert code("--check", tmp_path / "out") == 0
    (tmp_path / "out" / "rds_kt.yaml").unlink()
    assert code("--check", tmp_path / "out") == 1


class Mounted(Dynamic):
    """The folder as a mounted ConfigMap: each file is a link through `..data`, which is replaced as a whole."""

    def replace(self, config):
        file, count = self.home / "policy.yaml", len(list(self.home.glob("version-*")))
        version = self.home / f"version-{count}"
        file.write_text(config)
        generate(file, "dynamic", version, *self.flags)
        self.folder.mkdir(exist_ok=True)
        fresh = self.folder / "..data_tmp"
        fresh.symlink_to(version)
        fresh.rename(self.folder / "..data")
        for entry in version.iterdir():
            if not (link := self.folder / entry.name).is_symlink():
                link.symlink_to(f"..data/{entry.name}")


def test_a_mounted_config_map_is_followed(start, provider):
    back = provider()
    front = start(Mounted, policy_config(target("a", back.url)))
    assert front.chat(EMAIL).status_code == 200
    for action, status in (("block", 409), ("redact", 200)):
        front.replace(policy_config(target("a", back.url), pii=action))
        until(lambda: front.chat(EMAIL).status_code == status)
