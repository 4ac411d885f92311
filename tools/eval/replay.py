"""Runs `kt policy replay --json`, and shows shares with Wilson's score interval at 95 %."""

import json
import math
import pathlib
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]


def rows_of(path):
    with path.open() as file:
        return [json.loads(line) for line in file]


def replay(transcripts, policies):
    """What the engine says of each transcript, in order. `policies` are the chain's members with their settings, as YAML."""
    chain = ", ".join(policies)
    blocks = "".join(f"  {kind}: {settings}\n" for kind, settings in policies.items())
    config = (
        f"pack: {{name: eval, version: 1.0.0, enabled: true}}\npolicies: {{chain: [{chain}]}}\npolicy:\n{blocks}"
        "providers: {targets: [{id: a, provider: together, model: m}]}\n"
    )
    with tempfile.TemporaryDirectory() as folder:
        file, texts = pathlib.Path(folder, "config.yaml"), pathlib.Path(folder, "texts.jsonl")
        file.write_text(config)
        texts.write_text("\n".join(json.dumps({"id": place, **transcript}) for place, transcript in enumerate(transcripts)))
        command = [ROOT / "dist" / "kt", "policy", "replay", "--file", file, "--json", texts]
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return [json.loads(line) for line in output.splitlines()]


def interval(hits, total):
    if not total:
        return 0.0, 0.0
    z, share = 1.96, hits / total
    middle = (share + z * z / (2 * total)) / (1 + z * z / total)
    half = z * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total)) / (1 + z * z / total)
    return max(0.0, middle - half), min(1.0, middle + half)


def share(hits, total):
    """`12.3 % (10.1 to 14.9)`"""
    low, high = interval(hits, total)
    return f"{100 * hits / max(1, total):.1f} % ({100 * low:.1f} to {100 * high:.1f})"


def result_of(judged, kind):
    """The line of one policy, or nothing."""
    return next((result for result in judged["policy_results"] if result["kind"] == kind), None)


def auc(bad, good):
    """How often a bad one scores below a good one."""
    import bisect

    ordered = sorted(good)
    below = sum(len(ordered) - (bisect.bisect_left(ordered, score) + bisect.bisect_right(ordered, score)) / 2 for score in bad)
    return below / (len(bad) * len(good))
