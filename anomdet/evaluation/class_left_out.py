"""How many parts with a class that was not in the training are rejected: one row for each class, and all together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from anomdet.evaluation.intervals import wilson_interval
from anomdet.evaluation.unseen import AT_EQUAL_OVERKILL, WAYS

COUNTED = (*WAYS, AT_EQUAL_OVERKILL)
HEADS = {
    "detector": "detector",
    "normal_only": "normal-only",
    "fused": "fused",
    AT_EQUAL_OVERKILL: "detector lowered",
}
LOWERED = "detector lowered: with thresholds so low that it rejects as many good {unit}s as the fused verdict, at most"
_WIDTH = 21


def row_of(metrics: Mapping[str, Any], name: str, confidence: float) -> dict[str, Any]:
    """What an evaluation says about a class that its model was not trained on.

    Args:
        metrics: content of metrics.json, with ``unseen``.
        name: of the class.
        confidence: of the intervals.

    Returns:
        ``num_parts`` that show this class and no other; ``num_with_others``, parts that show others too, which a known
        defect may reject and which are not counted; ``rejected`` and ``overkill`` by each way to judge: ``count``,
        ``of``, ``share`` (null of nothing) and ``interval``.
    """
    unseen, level = metrics["unseen"], metrics["part_level"]
    counts = unseen["rejected_per_class"][name]
    return {
        "class": name,
        "class_num": metrics["per_class"][name]["class_num"],
        "num_parts": counts["num_parts"],
        "num_with_others": counts["num_with_others"],
        "num_good": level["num_good"],
        "rejected": {way: _share(counts[way], counts["num_parts"], confidence) for way in COUNTED},
        "overkill": {way: _share(unseen[way]["overkill"], level["num_good"], confidence) for way in WAYS},
    }


def total_of(rows: Sequence[Mapping[str, Any]], confidence: float) -> dict[str, Any]:
    """All classes together: each part is counted once, by the model that was not trained on its class.

    The same good parts are judged by each of the models: their overkill is the mean, and its interval that of one
    model, since the models' mistakes on a part go together.
    """
    num_parts, num_good = sum(row["num_parts"] for row in rows), rows[0]["num_good"]
    counts = {way: sum(row["rejected"][way]["count"] for row in rows) for way in COUNTED}
    means = {way: sum(row["overkill"][way]["count"] for row in rows) / len(rows) for way in WAYS}
    return {
        "num_parts": num_parts,
        "num_with_others": sum(row["num_with_others"] for row in rows),
        "num_good": num_good,
        "rejected": {way: _share(count, num_parts, confidence) for way, count in counts.items()},
        "overkill": {way: _share(mean, num_good, confidence) for way, mean in means.items()},
    }


def _share(count: float, total: int, confidence: float) -> dict[str, Any]:
    share = count / total if total else None
    return {"count": count, "of": total, "share": share, "interval": wilson_interval(count, total, confidence)}


def left_out_text(table: Mapping[str, Any]) -> str:
    """The table for the console, in percent with intervals."""
    unit, confidence = table["unit"], 100 * table["confidence"]
    rows = [(row["class"], row) for row in table["classes"]]
    if table["total"] is not None:
        rows.append(("all", table["total"]))
    heads = [f"{HEADS[way]:>{_WIDTH}}" for way in COUNTED]
    start = "  {:<18}{:>8}"
    return "\n".join(
        [
            f"rejected {unit}s of a class that the model was not trained on, % ({confidence:g} % interval)",
            start.format("class", f"{unit}s") + "".join(heads),
            *(start.format(name, row["num_parts"]) + _cells(row["rejected"], COUNTED) for name, row in rows),
            f"  {LOWERED.format(unit=unit)}",
            "",
            f"rejected good {unit}s, %",
            start.format("trained without", f"{unit}s") + "".join(heads[: len(WAYS)]),
            *(start.format(name, row["num_good"]) + _cells(row["overkill"], WAYS) for name, row in rows),
        ]
    )


def _cells(shares: Mapping[str, Mapping[str, Any]], ways: Sequence[str]) -> str:
    return "".join(f"{percent_text(shares[way]):>{_WIDTH}}" for way in ways)


def percent_text(share: Mapping[str, Any]) -> str:
    """``91.2 (84.0 to 95.4)``; a dash of nothing."""
    if share["share"] is None:
        return "-"
    value, low, high = (f"{100 * number:.1f}" for number in (share["share"], *share["interval"]))
    return f"{value} ({low} to {high})"
