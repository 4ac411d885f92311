"""`make eval`: how often the policies fire on labelled texts, per source, with 95 % intervals (Wilson).

Runs `kt policy replay --json` over the corpora. The models were fitted to most of these texts, so their own sources show what
they remember; what they do on sources they never saw stands in the first line of `src/policy/models/weights.bin`, printed
first. The yardstick is the phrase lists alone: the same findings without the models.
"""

import collections
import json
import math
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
CORPORA = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ROOT.parent / "shared" / "corpora")
CONFIG = """pack: {name: eval, version: 1.0.0, enabled: true}
policies: {chain: [prompt-injection, safety-filter]}
policy:
  prompt-injection: {threshold: 0.8, action: block}
  safety-filter: {mode: strict, action: block}
providers: {targets: [{id: a, provider: together, model: m}]}
"""
PHRASES = {
    "prompt-injection": {"instruction_override": 0.8, "delimiter_escape": 0.8, "role_confusion": 0.8, "prompt_extraction": 0.8},
    "safety-filter": None,
}


def interval(hits, total):
    """Wilson's score interval at 95 %."""
    if not total:
        return 0.0, 0.0
    z, share = 1.96, hits / total
    middle = (share + z * z / (2 * total)) / (1 + z * z / total)
    half = z * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total)) / (1 + z * z / total)
    return max(0.0, middle - half), min(1.0, middle + half)


def row(name, kind, hits, total):
    low, high = interval(hits, total)
    print(f"| {name} | {kind} | {total} | {100 * hits / total:.1f} % | {100 * low:.1f} to {100 * high:.1f} % |")


def unseen():
    header = json.loads((ROOT / "src/policy/models/weights.bin").open("rb").readline())
    for model in header["about"]:
        print(f"\n{model['model']} model, on sources that the measured fit did not see\n")
        print("| source | texts are | texts | at or above 0.8 | 95 % interval |\n|---|---|---|---|---|")
        for source in model["shares_above_threshold"]:
            kind = "positive" if source["positive"] else "harmless"
            row(source["source"], kind, round(source["share"] * source["texts"]), source["texts"])


def replay(rows):
    with tempfile.TemporaryDirectory() as folder:
        config, texts = pathlib.Path(folder, "config.yaml"), pathlib.Path(folder, "texts.jsonl")
        config.write_text(CONFIG)
        texts.write_text("\n".join(json.dumps({"id": row["id"], "text": row["text"]}) for row in rows))
        command = [ROOT / "dist" / "kt", "policy", "replay", "--file", config, "--json", texts]
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return [json.loads(line) for line in output.splitlines()]


def by_phrases(policy, result):
    """Whether the phrases alone would have fired."""
    found = [finding for finding in result["findings"] if not finding["entity"].endswith("_model")]
    families = PHRASES[policy]
    if families is None:
        return any(finding["entity"] not in PHRASES["prompt-injection"] for finding in found)
    heaviest = collections.defaultdict(float)
    for finding in found:
        if finding["entity"] in families:
            heaviest[finding["entity"]] = max(heaviest[finding["entity"]], finding["score"])
    return 1 - math.prod(1 - weight for weight in heaviest.values()) >= 0.8


def shipped():
    print("\nAs shipped, models and phrases together, on the corpora (`in` marks sources the models were fitted to)\n")
    print("| source | texts are | texts | prompt-injection | phrases alone | safety-filter | phrases alone |\n|---|---|---|---|---|---|---|")
    header = json.loads((ROOT / "src/policy/models/weights.bin").open("rb").readline())
    fitted = {source["source"] for model in header["about"] for source in model["shares_above_threshold"]}
    for path in sorted(CORPORA.glob("benign/*.jsonl")) + sorted(CORPORA.glob("injection/*.jsonl")) + sorted(CORPORA.glob("safety/*.jsonl")):
        rows = [json.loads(line) for line in path.open()]
        results = dict(zip((row["id"] for row in rows), replay(rows), strict=True))
        name = f"{path.parent.name}/{path.stem}"
        for label in sorted({str(row["label"]) for row in rows}):
            chosen = [results[row["id"]] for row in rows if str(row["label"]) == label]
            cells = []
            for policy in PHRASES:
                fires = sum(any(one["kind"] == policy and one["verdict"] != "allow" for one in result["policy_results"]) for result in chosen)
                phrases = sum(by_phrases(policy, result) for result in chosen)
                cells += [f"{100 * fires / len(chosen):.1f} %", f"{100 * phrases / len(chosen):.1f} %"]
            kind = {"0": "harmless", "1": path.parent.name}.get(label, label)
            print(f"| {name}{' (in)' if name in fitted else ''} | {kind} | {len(chosen)} | {' | '.join(cells)} |")


if not CORPORA.is_dir():
    sys.exit(f"make eval: skipped, there are no corpora at {CORPORA}")
unseen()
shipped()
