"""Injection and safety: the models on sources they never saw, and both policies as they ship."""

import json
import math

from replay import ROOT, interval, replay, rows_of

POLICIES = {"prompt-injection": "{threshold: 0.8, action: block}", "safety-filter": "{mode: strict, action: block}"}
MODELS = ["injection", "safety", "answers"]
FAMILIES = ["instruction_override", "fake_boundary", "delimiter_escape", "role_confusion", "prompt_extraction"]


def figures():
    for model in MODELS:
        with (ROOT / f"src/text/models/{model}.bin").open("rb") as file:
            yield json.loads(file.readline())["about"]


def unseen():
    for model in figures():
        print(f"\n### {model['model'].capitalize()} model on sources that the measured fit did not see\n")
        print("| source | texts are | texts | at or above 0.8 | 95 % interval |\n|---|---|---|---|---|")
        for source in model["shares_above_threshold"]:
            kind, total = "positive" if source["positive"] else "harmless", source["texts"]
            low, high = interval(source["share"] * total, total)
            print(f"| {source['source']} | {kind} | {total} | {100 * source['share']:.1f} % | {100 * low:.1f} to {100 * high:.1f} % |")


def by_phrases(policy, judged):
    """Whether the phrases alone would have fired."""
    found = [finding for finding in judged["findings"] if not finding["entity"].endswith("_model")]
    if policy == "safety-filter":
        return any(finding["entity"] not in FAMILIES for finding in found)
    heaviest = {}
    for finding in found:
        if finding["entity"] in FAMILIES:
            heaviest[finding["entity"]] = max(heaviest.get(finding["entity"], 0), finding["score"])
    return 1 - math.prod(1 - weight for weight in heaviest.values()) >= 0.8


def shipped(corpora):
    print("\n### As shipped (`in` marks sources that the models were fitted to)\n")
    print("| source | texts are | texts | prompt-injection | phrases alone | safety-filter | phrases alone |\n|---|---|---|---|---|---|---|")
    fitted = {source["source"] for model in list(figures())[:2] for source in model["shares_above_threshold"]}
    for path in [path for folder in ("benign", "injection", "safety") for path in sorted(corpora.glob(f"{folder}/*.jsonl"))]:
        rows = rows_of(path)
        results = replay([{"text": row["text"]} for row in rows], POLICIES)
        name = f"{path.parent.name}/{path.stem}"
        for label in sorted({str(row["label"]) for row in rows}):
            chosen = [judged for row, judged in zip(rows, results, strict=True) if str(row["label"]) == label]
            cells = []
            for policy in POLICIES:
                fires = sum(any(one["kind"] == policy and one["verdict"] != "allow" for one in judged["policy_results"]) for judged in chosen)
                phrases = sum(by_phrases(policy, judged) for judged in chosen)
                cells += [f"{100 * fires / len(chosen):.1f} %", f"{100 * phrases / len(chosen):.1f} %"]
            kind = {"0": "harmless", "1": path.parent.name}.get(label, label)
            print(f"| {name}{' (in)' if name in fitted else ''} | {kind} | {len(chosen)} | {' | '.join(cells)} |")
