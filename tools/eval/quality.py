"""Answers good and bad."""

import collections

from replay import auc, replay, result_of, rows_of, share

POLICY = {"quality-scorer": "{}"}
DEGENERATE = ["empty", "loop_sentence", "loop_token", "random_chars", "mojibake", "echo_prompt", "placeholder", "shuffled_words"]


def scored(rows):
    transcripts = [{"messages": [{"role": "user", "content": row.get("prompt") or ""}], "response": row["text"]} for row in rows]
    return [result_of(judged, "quality-scorer") for judged in replay(transcripts, POLICY)]


def tables(corpora):
    rows = rows_of(corpora / "quality/quality_degraded.jsonl")
    scores = collections.defaultdict(list)
    for row, result in zip(rows, scored(rows), strict=True):
        scores[row["label"]].append(result["score"])
    good = scores["good"] + scores["good_short"]
    print("\n### Answers\n\n| class | answers | AUC against good answers | below 0.5 |\n|---|---|---|---|")
    for label, values in sorted(scores.items()):
        area = "" if label.startswith("good") else f"{auc(values, good):.3f}"
        print(f"| {label} | {len(values)} | {area} | {share(sum(value < 0.5 for value in values), len(values))} |")
    together = lambda labels: [value for label in labels for value in scores[label]]
    print(f"| degenerate classes together | {len(together(DEGENERATE))} | {auc(together(DEGENERATE), good):.3f} | |")
    print(f"| truncated and off-topic | {len(together(['truncated', 'off_topic']))} | {auc(together(['truncated', 'off_topic']), good):.3f} | |")
    print("\n| refusals, labelled by people (XSTest) | answers | taken for a refusal |\n|---|---|---|")
    rows = rows_of(corpora / "quality/xstest_completions.jsonl")
    refused, total = collections.Counter(), collections.Counter()
    for row, result in zip(rows, scored(rows), strict=True):
        total[row["label"]] += 1
        refused[row["label"]] += result["quality"]["refused"]
    for label in sorted(total):
        print(f"| {label} | {total[label]} | {share(refused[label], total[label])} |")
