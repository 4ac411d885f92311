"""`docs/scoreboard.json`: what the models find on sources that the measured fit did not see, with intervals.

A test (`tests/scoreboard.rs`) fails when the committed weights are worse than this file by more than its intervals; `make eval` writes it again.
"""

import json
import math

from models import figures
from replay import ROOT, interval


def auc_interval(auc, positives, negatives):
    """Hanley and McNeil, "The meaning and use of the area under a receiver operating characteristic curve", 1982."""
    if not positives or not negatives:
        return [0, 1]
    q1, q2 = auc / (2 - auc), 2 * auc * auc / (1 + auc)
    square = auc * (1 - auc) + (positives - 1) * (q1 - auc * auc) + (negatives - 1) * (q2 - auc * auc)
    error = 1.96 * math.sqrt(max(square, 0) / (positives * negatives))
    return [round(max(auc - error, 0), 4), round(min(auc + error, 1), 4)]


def row(source, negatives):
    total = source["texts"]
    hits = round(source["share"] * total)
    figure = {
        "source": source["source"],
        "texts": total,
        "hits": hits,
        "false_alarms" if not source["positive"] else "recall": source["share"],
        "interval": [round(bound, 4) for bound in interval(hits, total)],
    }
    if "auc" in source:
        figure |= {"auc": source["auc"], "auc_interval": auc_interval(source["auc"], total, negatives)}
    return figure


def write():
    board = {}
    for model in figures():
        sources = model["shares_above_threshold"]
        negatives = sum(source["texts"] for source in sources if not source["positive"])
        board[model["model"]] = [row(source, negatives) for source in sources]
    (ROOT / "docs" / "scoreboard.json").write_text(json.dumps(board, indent=1) + "\n")
