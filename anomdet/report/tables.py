"""The smaller tables: operating point, kinds of error, sizes, splits, and the confusion matrix."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from anomdet.report.cells import DASH, Cell, Column, Row, Table, count, decimal, ratio, words

ERROR_KINDS = {
    "classification": ("Wrong class", "the place is right, the class is not"),
    "localisation": ("Poor box", "the class is right, the box overlaps too little"),
    "both": ("Wrong class and poor box", "the box overlaps too little and has another class"),
    "duplicate": ("Duplicate", "a second box on a defect that is found already"),
    "background": ("False alarm", "a box where there is no defect"),
    "missed": ("Missed", "a defect without any box"),
}
CHOSEN_BY = {
    "max_f1": "Chosen for the highest F1-score",
    "min_recall": "Chosen for the required recall",
    "max_false_alarms": "Chosen for the allowed rate of false alarms",
    "costs": "Chosen for the least cost of escapes and overkill",
    "fixed": "Fixed",
}
CHOSEN_ON = {"val": "on the validation split", "settings": "in the settings"}


def operating_point(metrics: Mapping[str, Any]) -> str:
    """How the score threshold came about, in a few sentences; empty without an operating point."""
    point = metrics.get("operating_point")
    if not point:
        return ""
    threshold, by, chosen_on = (point.get(key) for key in ("score_threshold", "by", "chosen_on"))
    if threshold is None:
        counted = "Each class has its own score threshold (see the table of the classes)."
    else:
        counted = f"A box counts from a score of {threshold:.3g} on."
    chosen = "" if chosen_on == "default" else f"{CHOSEN_BY.get(by, by)} {CHOSEN_ON.get(chosen_on, chosen_on)}"
    chosen += f"{_weights(point.get('criterion') or {}) if by == 'costs' else ''}." if chosen else ""
    iou = metrics.get("matching_iou_threshold")
    right = (
        "" if iou is None else f"It is right if its class is right and it overlaps the defect by IoU {iou:g} or more."
    )
    return " ".join(part for part in (counted, right, chosen) if part)


def _weights(criterion: Mapping[str, Any]) -> str:
    """What the costs were, where the threshold was chosen by them."""
    if "escape_cost" not in criterion:
        return ""
    share = " of a line on which one part in 20 is defective" if criterion.get("by") == "auto" else ""
    return f"{share}, where an escape weighs {criterion['escape_cost']:g} and overkill {criterion['overkill_cost']:g}"


def error_tables(metrics: Mapping[str, Any]) -> list[Table]:
    """How many errors of each kind there are from the threshold on; apart from it, what each costs over all scores.

    The bar is the share of the largest cost.
    """
    errors = metrics.get("errors")
    if not errors:
        return []
    costs = [values.get("mAP_cost") for values in errors.values()]
    largest = max((cost for cost in costs if cost), default=0.0)
    counts, lost = [], []
    for kind, values in errors.items():
        label, meaning = ERROR_KINDS.get(kind, (kind, ""))
        cost = decimal(values.get("mAP_cost"), "the mAP is not measured", digits=3)
        filled = cost.sort / largest if cost.sort and largest else 0.0
        bar = (0.0, max(filled, 0.0), max(filled, 0.0)) if cost.sort is not None else None
        counts.append(Row(label, [count(values.get("count"))], meaning))
        lost.append(Row(label, [cost, Cell("", bar=bar)], meaning))
    kind_column = Column("Kind", numeric=False)
    gained = "what the mAP at the matching overlap would gain if these errors alone were corrected"
    return [
        Table("Errors at the operating point", [kind_column, Column("Count")], counts),
        Table("What errors cost, over all scores", [kind_column, Column("mAP lost", gained), Column("Share")], lost),
    ]


def size_table(metrics: Mapping[str, Any]) -> Table | None:
    """Recall and precision by the size of the objects."""
    sizes = metrics.get("sizes")
    if not sizes:
        return None
    rows = [
        Row(
            name,
            [
                words(_range(values.get("range_px"))),
                count(values.get("num_gt")),
                ratio(values.get("recall"), "no objects of this size"),
                count(values.get("num_predictions")),
                ratio(values.get("precision"), "no boxes of this size"),
            ],
        )
        for name, values in sizes.items()
    ]
    labels = ("Objects", "Recall", "Boxes", "Precision")
    columns = [
        Column("Size", numeric=False),
        Column("Side", "square root of the area", numeric=False),
        *map(Column, labels),
    ]
    return Table("Results by size of the object", columns, rows)


def _range(range_px: Sequence[float | None] | None) -> str:
    low, high = range_px or (None, None)
    if low is None:
        return DASH
    return f"{low:g} px and more" if high is None else f"{low:g}{DASH}{high:g} px"


def split_table(about: Mapping[str, Any]) -> Table | None:
    """Images and objects of each split."""
    splits = about.get("splits")
    if not splits:
        return None
    names = list(dict.fromkeys(name for values in splits.values() for name in values.get("num_gt") or {}))
    rows = []
    for split, values in splits.items():
        objects = values.get("num_gt") or {}
        digest = str(values.get("hash") or "")
        numbers = [count(values.get("num_images")), count(values.get("num_normal"))]
        cells = [*numbers, *(count(objects.get(name, 0)) for name in names)]
        rows.append(Row(split, [*cells, Cell(digest[:12] or DASH, digest or "not recorded", numeric=False)]))
    columns = [
        Column("Split", numeric=False),
        Column("Images"),
        Column("Without defect"),
        *(Column(name) for name in names),
        Column("Hash", "of the list of files", numeric=False),
    ]
    return Table("Images and objects of each class in the splits", columns, rows)


@dataclass(frozen=True)
class ConfusionCell:
    """A count of the matrix, how dark it is (0 to 1), whether it is right, and a sentence."""

    count: int
    shade: float
    right: bool
    hint: str


@dataclass(frozen=True)
class Confusion:
    """The matrix: heads of the columns, and rows of a head and its cells; None for the corner."""

    columns: list[str]
    rows: list[tuple[str, list[ConfusionCell | None]]]


def confusion(metrics: Mapping[str, Any]) -> Confusion | None:
    """Rows are the truth, columns what was reported; the last of each is the background."""
    matrix = metrics.get("confusion_matrix")
    if not matrix:
        return None
    names, counts = matrix["classes"], matrix["counts"]
    last = len(names) - 1
    rows: list[tuple[str, list[ConfusionCell | None]]] = []
    for i, numbers in enumerate(counts):
        cells: list[ConfusionCell | None] = []
        for j, number in enumerate(numbers):
            part = number / sum(numbers) if sum(numbers) else 0.0
            hint = f"{number} of {sum(numbers)} {_sentence(names, i, j)}"
            cells.append(None if i == j == last else ConfusionCell(number, math.sqrt(part), i == j, hint))
        rows.append(("false alarm" if i == last else names[i], cells))
    return Confusion([*names[:last], "missed"], rows)


def _sentence(names: Sequence[str], truth: int, reported: int) -> str:
    last = len(names) - 1
    if truth == last:
        return f"false alarms are reported as {names[reported]}"
    return f"{names[truth]} are missed" if reported == last else f"{names[truth]} are reported as {names[reported]}"
