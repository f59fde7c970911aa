"""The table of the classes, which can be sorted, with a line for all of them below."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from anomdet.report.cells import Cell, Column, Row, Table, count, interval_of, ratio, words

NO_OBJECTS = "no objects of this class in the split"
Make = Callable[[Any, Sequence[float] | None], Cell]


def _ratio(why_none: str) -> Make:
    return lambda value, interval: ratio(value, why_none, interval)


def _count(why_none: str) -> Make:
    return lambda value, _: count(value, why_none)


# Key in per_class, key of the whole in metrics.json, label, meaning, how the value is shown.
COLUMNS: tuple[tuple[str, str, str, str, Make], ...] = (
    ("class_num", "", "No.", "the number of the class in the label files", _count("has none")),
    ("num_gt", "num_gt", "Objects", "true objects of the split", _count("not counted")),
    ("AP", "mAP", "AP", "mean over overlaps (IoU) from 0.50 to 0.95", _ratio(NO_OBJECTS)),
    ("AP_50", "mAP_50", "AP_50", "at an overlap (IoU) of 0.50", _ratio(NO_OBJECTS)),
    (
        "precision",
        "precision",
        "Precision",
        "of the reported boxes, the share that is right",
        _ratio("nothing is reported at this threshold"),
    ),
    ("recall", "recall", "Recall", "of the objects, the share that is found", _ratio(NO_OBJECTS)),
    ("f1_score", "f1_score", "F1", "balance of precision and recall", _ratio(NO_OBJECTS)),
    ("mean_iou", "mean_iou", "Mean IoU", "overlap of the right boxes with their objects", _ratio("no box is right")),
    (
        "num_defective",
        "part_level.num_defective",
        "Defective",
        "images or parts with an object of the class",
        _count("not counted"),
    ),
    (
        "auroc",
        "part_level.auroc",
        "AUROC",
        "good parts against those with this class, by their highest score",
        _ratio("needs parts with and without this class"),
    ),
    (
        "average_precision",
        "part_level.average_precision",
        "Avg. precision",
        "the same parts, sorted by score",
        _ratio("needs parts with and without this class"),
    ),
    (
        "escapes",
        "part_level.escapes",
        "Escapes",
        "parts with this class that pass as good",
        _count("no parts with this class"),
    ),
    (
        "score_threshold",
        "score_threshold",
        "Threshold",
        "a box counts from this score on",
        lambda value, _: ratio(value, "each class has its own"),
    ),
)


def class_table(metrics: Mapping[str, Any]) -> Table | None:
    """One line a class, ``all`` below; columns that no class has are left out. None without classes."""
    per_class = metrics.get("per_class")
    if not per_class:
        return None
    specs = [spec for spec in COLUMNS if any(spec[0] in values for values in per_class.values())]
    intervals = metrics.get("intervals") or {}
    of_classes = intervals.get("per_class") or {}
    rows = [
        Row(name, [make(values.get(key), interval_of(of_classes.get(name), key)) for key, _, _, _, make in specs])
        for name, values in per_class.items()
    ]
    foot = Row("all", [_whole(metrics, intervals, key, make) for _, key, _, _, make in specs])
    columns = [Column("Class", numeric=False), *(Column(label, hint) for _, _, label, hint, _ in specs)]
    return Table("Results of each class", columns, rows, [foot], sortable=True)


def _whole(metrics: Mapping[str, Any], intervals: Mapping[str, Any], key: str, make: Make) -> Cell:
    room, _, name = key.rpartition(".")
    values = metrics.get(room) or {} if room else metrics
    if name not in values:
        return words("")
    return make(values[name], interval_of(intervals, name))
