"""Writes the table of the chart's values: `python tools/chart_table.py`; with `--check` it exits 1 where the table is stale.

The values and what they are come from the comments of `envoy/chart/values.yaml`.
"""

import json
import pathlib
import sys

import yaml

CHART = pathlib.Path(__file__).resolve().parents[1] / "envoy" / "chart"


def rows(text):
    """Name, default and description of each value, by the comment before its line."""
    defaults, path, comment = yaml.safe_load(text), [], []
    for line in text.splitlines():
        words = line.strip()
        if words.startswith("#"):
            comment.append(words.lstrip("# "))
            continue
        if not words:
            comment = []
            continue
        depth = (len(line) - len(line.lstrip())) // 2
        path = [*path[:depth], words.split(":")[0]]
        if comment:
            value = defaults
            for name in path:
                value = value[name]
            yield ".".join(path), json.dumps(value), " ".join(comment)
        comment = []


def page():
    lines = [
        "# The gateway on Kubernetes",
        "",
        "```sh",
        "kubectl create secret generic llm-keys --from-literal=TOGETHER_API_KEY=…",
        "helm install gateway envoy/chart --set-file policy=policy-configs/together.yaml --set 'keySecrets={llm-keys}' --set image.repository=REGISTRY/keeptrusts",
        "```",
        "",
        "The image is that of `envoy/Dockerfile`. Pods run without privileges on a read-only file system, behind a NetworkPolicy, and are",
        "spread over nodes; events go to their standard output. What the image, the policy file and the options do: `README.md` of the project.",
        "",
        "<!-- `make chart-table` writes what follows. -->",
        "",
        "| value | default | what |",
        "|---|---|---|",
    ]
    table = [f"| `{name}` | `{value}` | {words} |" for name, value, words in rows((CHART / "values.yaml").read_text())]
    return "\n".join([*lines, *table]) + "\n"


if __name__ == "__main__":
    readme = CHART / "README.md"
    if "--check" in sys.argv:
        sys.exit(readme.read_text() != page())
    readme.write_text(page())
