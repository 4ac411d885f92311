"""Envoys that cannot run the gateway: `kt` says what is missing and what to do. `make test-envoys` asks real ones."""

import pathlib
import subprocess

import pytest

from conftest import KEYS, KT, ROOT, free_port, policy_config, target

REAL = {path.parent.name: path for path in (ROOT / "target" / "envoys").glob("*/envoy")}
OLD = "is Envoy 1.36; 1.37 or newer is needed"
NO_V8 = "was built without V8"


def told(folder, envoy):
    file = folder / "policy.yaml"
    file.write_text(policy_config(target("a", "http://127.0.0.1:1")))
    arguments = ["--listen", f"127.0.0.1:{free_port()}", "--admin", f"127.0.0.1:{free_port()}", "--event-log", folder / "events.jsonl"]
    command = [KT, "gateway", "run", "--policy-config", file, "--envoy", envoy, *arguments]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=60, env=KEYS)
    assert done.returncode == 1
    assert "hint: `make build`" in done.stderr and "--envoy PATH" in done.stderr
    return done.stderr


def stand_in(folder, version, words):
    """A program that says of itself what such an Envoy says."""
    path = pathlib.Path(folder) / "envoy"
    path.write_text(f'#!/bin/sh\n[ "$1" = --version ] && echo "envoy  version: c/{version}/Clean/RELEASE/BoringSSL" && exit\necho "{words}" >&2\nexit 1\n')
    path.chmod(0o755)
    return path


def test_one_that_is_too_old(tmp_path):
    assert OLD in told(tmp_path, stand_in(tmp_path, "1.36.4", ""))


def test_one_without_v8(tmp_path):
    words = "Failed to create Wasm VM using envoy.wasm.runtime.v8 runtime. Envoy was compiled without support for it"
    assert NO_V8 in told(tmp_path, stand_in(tmp_path, "1.38.3", words))


@pytest.mark.parametrize(("version", "words"), [("1.36.4", OLD), ("1.38.3", NO_V8)])
def test_real_ones(tmp_path, version, words):
    if version not in REAL:
        pytest.skip("`make test-envoys` fetches it")
    assert words in told(tmp_path, REAL[version])
