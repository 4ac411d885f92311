"""`kt policy test`: the cases of every shipped policy file, and what the command says of cases that fail or cannot be read."""

import json
import subprocess
import xml.etree.ElementTree

import pytest

from conftest import KT, ROOT

CONFIGS = sorted((ROOT / "policy-configs").glob("*.yaml"))
SUITES = ROOT / "tests" / "golden" / "testing" / "policy-config.yaml"


def kt_test(*arguments):
    done = subprocess.run([KT, "policy", "test", *map(str, arguments)], capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout, done.stderr


def fixture(verdict, text="Write to jane.doe@example.com", **expected):
    message = {"role": "user", "content": text}
    return {"name": f"is it <{verdict}> & \"so\"?", "input": {"messages": [message]}, "expected": {"verdict": verdict, **expected}}


@pytest.fixture
def pack(tmp_path):
    """A folder with a policy file and a writer of fixtures."""
    (tmp_path / "policy-config.yaml").write_text((ROOT / "policy-configs" / "minimal.yaml").read_text())
    (tmp_path / "tests").mkdir()

    def write(content, name="case.json"):
        text = content if isinstance(content, str) else json.dumps(content)
        (tmp_path / "tests" / name).write_text(text)
        return tmp_path

    return write


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.stem)
def test_every_shipped_file_passes_its_cases(config):
    code, output, errors = kt_test("--file", config, "--pack-dir", ROOT / "tests" / "packs" / config.stem)
    assert code == 0, output + errors
    assert output.endswith(" passed, 0 failed\n") and not output.startswith("0 ")


def test_suites_of_the_policy_file_run():
    code, output, _ = kt_test("--file", SUITES, "--pack-dir", SUITES.parent, "--json")
    results = json.loads(output)
    assert code == 0 and results["ok"]
    assert [result["name"] for result in results["results"]] == [
        "values / an address is replaced", "values / an address in the answer is replaced", "values / a question passes",
    ]  # fmt: skip
    assert results["results"][0] == {
        "name": "values / an address is replaced", "verdict": "redact", "reason_code": "pii_detected", "passed": True,
        "details": {"policy_results": [{"kind": "pii-detector", "phase": "input", "verdict": "redact", "reason_code": "pii_detected"}], "quality_scores": None},
    }  # fmt: skip


def test_a_case_that_differs_fails(pack, tmp_path):
    folder = pack([fixture("redact", policy="pii-detector"), fixture("allow", reason_code="x", policy="safety-filter")])
    junit = tmp_path / "results.xml"
    code, output, _ = kt_test("--pack-dir", folder, "--junit", junit)
    assert code == 1
    assert "verdict is redact, expected allow; reason_code is pii_detected, expected x; policy is pii-detector, expected safety-filter" in output
    assert output.endswith("1 passed, 1 failed\n") and "jane" not in output
    suite = xml.etree.ElementTree.parse(junit).getroot()
    assert (suite.get("tests"), suite.get("failures")) == ("2", "1")
    assert [case.get("name") for case in suite] == ['is it <redact> & "so"?', 'is it <allow> & "so"?']
    assert kt_test("--pack-dir", folder, "--json")[0] == 1


@pytest.mark.parametrize(
    ("content", "place", "reason"),
    [
        ("{\n  \"name\": 1\n}", ":2:11", "invalid type"),
        ({"name": "x", "input": {"messages": []}}, ":1:", "missing field `expected`"),
        ({**fixture("allow"), "expect": 1}, ":1:", "unknown field `expect`"),
        (fixture("deny"), ":1:", "unknown variant `deny`"),
        (fixture("allow", policy="pii"), ":1:", "unknown variant `pii`"),
        ("[{]", ":1:3", "key must be a string"),
    ],
)
def test_a_fixture_that_cannot_be_read_is_named(pack, content, place, reason):
    code, output, errors = kt_test("--pack-dir", pack(content))
    assert (code, output) == (1, "")
    assert f"case.json{place}" in errors and reason in errors and "hint: a fixture has" in errors


def test_nothing_to_test_is_an_error(pack, tmp_path):
    code, _, errors = kt_test("--pack-dir", pack("x", name="notes.txt"))
    assert code == 1 and "there is nothing to test" in errors
    assert kt_test("--pack-dir", tmp_path / "absent")[0] == 2
