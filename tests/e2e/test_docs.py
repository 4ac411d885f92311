"""What the pages for operators say is so: flags, tests, commands."""

import re
import subprocess

import pytest
import yaml

from conftest import KT, ROOT, policy_config, target

PAGES = [ROOT / "docs" / name for name in ("operations.md", "threat-model.md")]
LITELLM = """
model_list:
  - {model_name: gpt-4o, litellm_params: {model: openai/gpt-4o, api_key: os.environ/OPENAI_KEY_EU}}
  - {model_name: llama, litellm_params: {model: groq/llama-3.3-70b-versatile}}
router_settings: {num_retries: 2, fallbacks: [{gpt-4o: [llama]}]}
general_settings: {master_key: sk-1234}
"""


def kt(*arguments, **options):
    return subprocess.run([KT, *arguments], capture_output=True, text=True, **options)


def test_every_flag_exists():
    commands = [("gateway", "run"), ("gateway", "health"), ("policy", "lint"), ("policy", "replay"), ("events", "verify")]
    known = "".join(kt(*command, "--help").stdout for command in commands)
    known += subprocess.run([ROOT / "dist/kt-envoy-gen", "--help"], capture_output=True, text=True).stdout
    for page in PAGES:
        for flag in set(re.findall(r"`[^`]*?(--[a-z][a-z-]+)", page.read_text())):
            assert flag in known, (page.name, flag)


def test_every_test_that_is_named_exists():
    text = PAGES[1].read_text()
    named = re.findall(r"`((?:tests|src)/[\w/.]+)`", text) + [f"tests/e2e/{name}" for name in re.findall(r"`(test_\w+\.py)`", text)]
    assert len(named) > 30
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_the_commands_of_a_change(provider, gateway, tmp_path):
    """The block under "Change the policy file", as it stands there."""
    block = re.search(r"## Change the policy file.*?```sh\n(.*?)```", PAGES[0].read_text(), re.S)[1]
    front = gateway(policy_config(target("a", provider().url)))
    for name in ("policy-config.yaml", "old.yaml", "new.yaml"):
        (tmp_path / name).write_text(policy_config(target("a", "http://127.0.0.1:1")))
    (tmp_path / "talks.jsonl").write_text('{"id": "1", "text": "write to jane.doe@example.com"}\n')
    for line in block.splitlines():
        command = line.split(" #")[0].replace("kt ", f"{KT} ", 1).replace("localhost:41002", f"127.0.0.1:{front.port}")
        done = subprocess.run(command, shell=True, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, (command, done.stderr)
    assert '"generation":1' in done.stdout


def test_a_litellm_configuration_is_imported(tmp_path):
    file = tmp_path / "config.yaml"
    file.write_text(LITELLM)
    done = kt("import", "litellm", file)
    assert done.returncode == 0
    assert "general_settings.master_key: use `kt gateway run` with KEEPTRUSTS_GATEWAY_TOKEN" in done.stderr
    assert "sk-1234" not in done.stdout + done.stderr
    policy = tmp_path / "policy-config.yaml"
    policy.write_text(done.stdout)
    assert kt("policy", "lint", "--strict", "--file", policy).returncode == 0
    targets = yaml.safe_load(done.stdout)["providers"]["targets"]
    assert [(target["provider"], target["secret_key_ref"]["env"]) for target in targets] == [("openai", "OPENAI_KEY_EU"), ("groq", "GROQ_API_KEY")]
    other = kt("import", "litellm", file, "--model", "llama")
    assert [target["model"] for target in yaml.safe_load(other.stdout)["providers"]["targets"]] == ["llama-3.3-70b-versatile"]


@pytest.mark.parametrize(("arguments", "code"), [(("absent.yaml",), 2), (("config.yaml", "--model", "nobody"), 1), ((), 2)])
def test_what_cannot_be_imported(tmp_path, arguments, code):
    (tmp_path / "config.yaml").write_text(LITELLM)
    assert kt("import", "litellm", *arguments, cwd=tmp_path).returncode == code
