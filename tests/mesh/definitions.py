"""The definitions that a mesh's API server checks our objects against.

They are data of the projects and not committed: `SCHEMAS` (default `../shared/schemas`) holds them where somebody put them. There, a
member that a definition does not know is an error, as it is for `kubectl --validate=strict`. Elsewhere what a registry package
knows is checked instead, by `tests/mesh/node`; it has no TrafficExtension yet.
"""

import functools
import os
import pathlib

import jsonschema
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDER = pathlib.Path(os.environ.get("SCHEMAS", ROOT.parent / "shared" / "schemas"))


def there():
    return FOLDER.is_dir()


@functools.cache
def validators():
    """By API version and kind."""
    found = {}
    for file in FOLDER.glob("*/*.yaml"):
        # Two files are Helm templates with a guard on their first and last line.
        text = "\n".join(line for line in file.read_text().splitlines() if not line.startswith("{{"))
        for definition in yaml.load_all(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
            if not definition or definition.get("kind") != "CustomResourceDefinition":
                continue
            spec = definition["spec"]
            for version in spec["versions"]:
                key = f"{spec['group']}/{version['name']}", spec["names"]["kind"]
                found[key] = version["schema"]["openAPIV3Schema"]
    return found


def strict(schema):
    """The schema, without members that nobody defined and without formats that only Kubernetes knows."""
    if isinstance(schema, list):
        return [strict(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    made = {name: strict(value) for name, value in schema.items() if name not in ("format", "description")}
    if isinstance(made.get("properties"), dict) and "additionalProperties" not in made and not made.get("x-kubernetes-preserve-unknown-fields"):
        made["additionalProperties"] = made.get("type") != "object"
    return made


def check(item, schemas):
    """Raises where the item is not as its definition says."""
    schema = strict(schemas[item["apiVersion"], item["kind"]])
    for name in ("apiVersion", "kind", "metadata"):
        schema["properties"][name] = {}
    jsonschema.Draft202012Validator(schema).validate(item)
