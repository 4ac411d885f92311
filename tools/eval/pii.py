"""Personal data and keys: beside Presidio's pattern recognisers and detect-secrets where they are installed."""

import collections
import logging

import made_pii
from replay import replay, rows_of, share

POLICY = {"pii-detector": "{action: redact, healthcare_mode: true}"}
SECRETS = {"API_KEY", "URL_CREDENTIALS"}
# Presidio's names for the types that both know.
NAMES = {
    "EMAIL_ADDRESS": "EMAIL", "PHONE_NUMBER": "PHONE", "US_SSN": "SSN", "CREDIT_CARD": "CREDIT_CARD", "IBAN_CODE": "IBAN", "IP_ADDRESS": "IP_ADDRESS",
    "US_DRIVER_LICENSE": "DRIVERS_LICENSE", "MAC_ADDRESS": "MAC_ADDRESS", "CRYPTO": "CRYPTO",
}  # fmt: skip


def ours(texts):
    found = replay([{"text": text} for text in texts], POLICY)
    return [[(finding["entity"], finding["start"], finding["end"]) for finding in judged["findings"]] for judged in found]


def presidio():
    """A function like `ours` with Presidio's pattern recognisers, or nothing where they are not installed."""
    try:
        from presidio_analyzer import PatternRecognizer, RecognizerRegistry
        from presidio_analyzer.predefined_recognizers import PhoneRecognizer
    except ImportError:
        return None
    # Without a network it falls back on the list that it brings along.
    logging.getLogger("tldextract").setLevel(logging.CRITICAL)
    registry = RecognizerRegistry()
    registry.load_predefined_recognizers(languages=["en"])
    recognizers = [one for one in registry.recognizers if isinstance(one, (PatternRecognizer, PhoneRecognizer))]

    def analyze(texts):
        results = []
        for text in texts:
            spans = []
            for one in recognizers:
                for hit in one.analyze(text, one.supported_entities, None) or []:
                    # Presidio's default without a threshold is 0; 0.35 leaves out what has no context.
                    if hit.score >= 0.35 and hit.entity_type not in ("URL", "DATE_TIME"):
                        spans.append((NAMES.get(hit.entity_type, hit.entity_type), hit.start, hit.end))
            results.append(spans)
        return results

    return analyze


def overlap(span, start, end):
    return span[1] < end and span[2] > start


def counts(rows, results, types):
    """True positives, misses and false hits of `types`, and how many spans are covered by any type."""
    hits, misses, false, covered = 0, 0, 0, 0
    for row, spans in zip(rows, results, strict=True):
        wanted = [span for span in row["spans"] if span[0] in types]
        for kind, start, end in wanted:
            over = [span for span in spans if overlap(span, start, end)]
            covered += bool(over) and min(span[1] for span in over) <= start and max(span[2] for span in over) >= end
            found = any(span[0] == kind for span in over)
            hits, misses = hits + found, misses + (not found)
        known = row["spans"]
        false += sum(span[0] in types and not any(span[0] == one[0] and overlap(span, one[1], one[2]) for one in known) for span in spans)
    return hits, misses, false, covered


def f1(hits, misses, false):
    return 2 * hits / max(1, 2 * hits + misses + false)


def tables(corpora):
    research = [
        {"text": row["text"], "spans": [(NAMES[span["type"]], span["start"], span["end"]) for span in row["label"] if span["type"] in NAMES]}
        for row in rows_of(corpora / "pii/presidio_research_v2.jsonl")
    ]
    made, look_alikes = made_pii.positives(11, 40), made_pii.look_alikes(12, 25)
    ordinary = [row["text"] for path in sorted(corpora.glob("benign/*.jsonl")) for row in rows_of(path)]
    megabytes = sum(len(text.encode()) for text in ordinary) / 1e6
    engines = {"pii-detector": ours, "Presidio's patterns": presidio()}
    all_types = {kind.strip() for kind in made_pii.CASES}
    print("\n### Personal data\n")
    print("F1 by type and place; a span is covered when all of it is replaced, under whatever name. The made texts come from `tools/eval/made_pii.py`.\n")
    print("| engine | F1, presidio-research | F1, nine core types, made | spans covered, all types, made | look-alikes with a hit | hits per MB of ordinary text and code |")
    print("|---|---|---|---|---|---|")
    for name, find in engines.items():
        if find is None:
            print(f"| {name} | not installed | | | | |")
            continue
        first = counts(research, find([row["text"] for row in research]), set(NAMES.values()))
        results = find([row["text"] for row in made])
        core, everything = counts(made, results, set(made_pii.CORE)), counts(made, results, all_types)
        fooled = sum(bool(spans) for spans in find([row["text"] for row in look_alikes]))
        hits = sum(len(spans) for spans in find(ordinary))
        print(
            f"| {name} | {f1(*first[:3]):.3f} | {f1(*core[:3]):.3f} | {share(everything[3], len(made))} | {share(fooled, len(look_alikes))} | {hits / megabytes:.1f} |"
        )
    by_type(research)


def by_type(research):
    print("\n| type in presidio-research | spans | found | false hits |\n|---|---|---|---|")
    results = ours([row["text"] for row in research])
    for kind in sorted(set(NAMES.values())):
        hits, misses, false, _ = counts(research, results, {kind})
        if hits + misses:
            print(f"| {kind} | {hits + misses} | {share(hits, hits + misses)} | {false} |")


def detect_secrets():
    """Whether a text holds a secret, by detect-secrets with all its plugins; nothing where it is not installed."""
    try:
        from detect_secrets.core.scan import scan_line
        from detect_secrets.settings import default_settings
    except ImportError:
        return None

    def find(texts):
        with default_settings():
            return [any(True for line in text.splitlines() for _ in scan_line(line)) for text in texts]

    return find


def secrets(corpora):
    print("\n### Keys and tokens\n\n| engine | vectors | secrets found | negatives flagged |\n|---|---|---|---|")
    engines = {"API_KEY": lambda texts: [any(span[0] in SECRETS for span in spans) for spans in ours(texts)], "detect-secrets": detect_secrets()}
    for source in ("gitleaks_vectors", "detect_secrets_vectors"):
        rows = [row for row in rows_of(corpora / f"pii/{source}.jsonl") if row["entity"] != "ip_public"]
        for name, find in engines.items():
            if find is None:
                print(f"| {name} | {source} | not installed | |")
                continue
            flagged = collections.Counter()
            total = collections.Counter(bool(row["label"]) for row in rows)
            for row, hit in zip(rows, find([row["text"] for row in rows]), strict=True):
                flagged[bool(row["label"])] += hit
            print(f"| {name} | {source} | {share(flagged[True], total[True])} of {total[True]} | {share(flagged[False], total[False])} of {total[False]} |")
