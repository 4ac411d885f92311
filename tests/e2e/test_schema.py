"""`kt policy schema` beside `kt policy lint`: what the schema can know, both say alike."""

import json
import re
import subprocess

import jsonschema
import pytest
import yaml

from conftest import KT, ROOT

SHIPPED = sorted((ROOT / "policy-configs").glob("*.yaml"))
GOLDEN = sorted((ROOT / "tests/golden").glob("*/policy-config.yaml"))
# No YAML at all, a key twice, or a plain `?` that PyYAML does not read: no validator here sees such a file.
NO_FILE = {"not-yaml": False, "duplicate-keys": False, "testing": True}
# Unknown kinds and keys, wrong types, missing keys, unsupported keys, unknown providers.
STRUCTURAL = {"E001", "E002", "E006", "E007", "E010", "E011"}
# What no schema of a reasonable size says: names that are read in any case, keys that another key makes needless, settings that a route lays over
# those of `policy`.
BEYOND = re.compile(r"\.entities\[|\.categories\[|\.custom_markers\.|\.assertions\[\d+\]\.(type|value|config)|\.trusted_system_prompts|\.(model|base_url)$|^routes\[\d+\]\.policy\.|^budgets\[\d+\]\.tokens$|\.secret_key_ref\.env$|\.exceptions\[\d+\]$|\.key_sha256\.(env|file)$")


class Core(yaml.SafeLoader):
    """YAML 1.2, which knows no dates: they are strings, as for the gateway and for editors."""


Core.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def load(file):
    return yaml.load(file.read_text(), Core)


@pytest.fixture(scope="module")
def validator():
    schema = json.loads(subprocess.run([KT, "policy", "schema"], capture_output=True, check=True).stdout)
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def lint(file):
    output = subprocess.run([KT, "policy", "lint", "--json", "--file", file], capture_output=True).stdout
    return json.loads(output)


def places(error):
    """Where a validator sees a problem; unknown and missing keys as the key itself."""
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.absolute_path).lstrip(".")
    if error.validator == "additionalProperties":
        known = error.schema.get("properties", {})
        return {f"{path}.{key}".lstrip(".") for key in error.instance if key not in known}
    if error.validator == "required":
        return {f"{path}.{key}".lstrip(".") for key in error.validator_value if key not in error.instance}
    return {path}


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.stem)
def test_every_shipped_file_is_valid(validator, file):
    validator.validate(load(file))


@pytest.mark.parametrize("file", GOLDEN, ids=lambda file: file.parent.name)
def test_the_schema_and_lint_agree(validator, file):
    if file.parent.name in NO_FILE:
        assert lint(file)["valid"] == NO_FILE[file.parent.name]
        return
    document = load(file)
    found = set().union(*(places(error) for error in validator.iter_errors(document)))
    result = lint(file)
    if result["valid"]:
        assert not found
        return
    problems = {problem["path"] for problem in result["errors"]}
    for problem in result["errors"]:
        if problem["code"] in STRUCTURAL and not BEYOND.search(problem["path"]):
            assert any(problem["path"] == place or place == "" for place in found), (problem, found)
    # The schema finds nothing that lint does not.
    if not any(problem["code"] == "E013" for problem in result["errors"]):
        assert all(any(problem.startswith(place) for problem in problems) for place in found), (found, problems)


def keys(schema):
    """Every property of a schema, with its path."""
    for name, below in schema.get("properties", {}).items():
        yield name, below
        yield from keys(below)
        yield from keys(below.get("items", {}))


def test_every_key_has_what_an_editor_shows(validator):
    listed = list(keys(validator.schema))
    assert len(listed) > 100
    for name, schema in listed:
        assert schema["description"], name
        assert "properties" in schema or "examples" in schema, name
        for example in schema.get("examples", []):
            jsonschema.Draft202012Validator(schema).validate(example)


@pytest.mark.parametrize(
    "change",
    [
        lambda file: file["pack"].update(version="1.0"),
        lambda file: file["providers"].update(retry={"max_attempts": 11}),
        lambda file: file["providers"].update(retry={"max_attempts": "3"}),
        lambda file: file["providers"].update(targets=[]),
        lambda file: file["policies"].update(chain=["pii-detector", "pii-detector"]),
        lambda file: file["providers"]["targets"][0].update(base_url="ftp://x"),
        lambda file: file.update(policy={"safety-filter": {"output": {"stream": "drop"}}}),
        lambda file: file.pop("pack"),
    ],
)
def test_wrong_values_are_refused_by_both(validator, tmp_path, change):
    document = load(ROOT / "policy-configs/minimal.yaml")
    change(document)
    file = tmp_path / "policy-config.yaml"
    file.write_text(yaml.safe_dump(document))
    assert not lint(file)["valid"]
    assert not validator.is_valid(document)
