"""The first table of the page: the numbers that decide, each with a sentence for who inspects parts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from anomdet.report.cells import DASH, Cell, Column, Row, Table, decimal, interval_of, percent, ratio, share

NO_OBJECTS = "the split has no objects to measure it on"
# Key, label, meaning, and why it is null.
ALL_SCORES = (
    (
        "mAP",
        "mAP",
        "Quality of the boxes over all scores, as the mean over classes and over overlaps (IoU) from 0.50 to 0.95.",
        NO_OBJECTS,
    ),
    ("mAP_50", "mAP_50", "The same where half an overlap (IoU 0.50) is enough: are defects found?", NO_OBJECTS),
    ("mAP_75", "mAP_75", "The same with an overlap of 0.75: are the boxes tight?", NO_OBJECTS),
)
AT_THRESHOLD = (
    (
        "precision",
        "Precision",
        "Of the reported boxes, the share that is a real defect of that class.",
        "nothing is reported at this threshold",
    ),
    ("recall", "Recall", "Of the real defects, the share that is reported with the right class.", NO_OBJECTS),
    ("f1_score", "F1-score", "Balance of precision and recall: high only if both are.", NO_OBJECTS),
    ("mean_iou", "Mean IoU", "How well the right boxes fit their defects; 1 is exact.", "no box is right"),
)
PART_MEANINGS = {
    "auroc": ("AUROC", "Chance that a defective {} scores higher than a good one; 0.5 is guessing."),
    "average_precision": (
        "Average precision",
        "How many of the {}s with the highest scores are defective, over all thresholds.",
    ),
    "escapes": ("Escapes", "Defective {}s that pass as good."),
    "overkill": ("Overkill", "Good {}s that are rejected."),
    "false_alarms_per_good": ("False alarms per good {}", "False boxes on an average good {}."),
    "froc_mean_recall": (
        "FROC mean recall",
        "Share of the defects found, as the mean over several allowed rates of false boxes.",
    ),
}
SIZE_NAMES = {"small": "objects below 32 px", "medium": "objects of 32 to 96 px", "large": "objects from 96 px on"}


def headline(metrics: Mapping[str, Any]) -> list[Table]:
    """Up to three tables: boxes at any score, boxes at the operating point, whole parts."""
    intervals = metrics.get("intervals")
    tables = [
        _group("Boxes, at any score", _box_rows(metrics, [*ALL_SCORES, *_more_overlaps(metrics)]), intervals),
        _group("Boxes, at the operating point", _box_rows(metrics, AT_THRESHOLD), intervals),
    ]
    part_level = metrics.get("part_level")
    if part_level:
        noun = unit(metrics)
        tables.append(_group(f"Whole {noun}s", _part_rows(part_level, intervals, noun), intervals))
    return [table for table in tables if table.rows]


def unit(metrics: Mapping[str, Any]) -> str:
    """What is called good or defective: ``part``, or ``image`` where each image is a part of its own."""
    return "part" if (metrics.get("part_level") or {}).get("unit") == "part" else "image"


def verdict(metrics: Mapping[str, Any]) -> str:
    """The result in one sentence; empty without good or defective parts to count."""
    level, noun = metrics.get("part_level") or {}, unit(metrics)
    told = []
    if level.get("num_defective") and level.get("escapes") is not None:
        rate = percent(level["escapes"] / level["num_defective"])
        told.append(f"{level['escapes']} of {level['num_defective']} defective {noun}s pass as good ({rate})")
    if level.get("num_good") and level.get("overkill") is not None:
        rate = percent(level["overkill"] / level["num_good"])
        told.append(f"{level['overkill']} of {level['num_good']} good {noun}s are rejected ({rate})")
    return f"At the operating point, {' and '.join(told)}." if told else ""


def more_coco(metrics: Mapping[str, Any]) -> Table | None:
    """COCO's numbers that the headline has not: by size, and average recall."""
    found = re.compile(r"(mAP|AR)_(small|medium|large)|AR_(\d+)")
    intervals = metrics.get("intervals")
    rows = []
    for key, value in metrics.items():
        match = found.fullmatch(key)
        if match:
            pair = interval_of(intervals, key)
            rows.append(
                Row(key, _cells(ratio(value, "no such objects in the split", pair), intervals), _meaning(match))
            )
    return Table("More of COCO's numbers", _columns(intervals), rows) if rows else None


def _meaning(match: re.Match[str]) -> str:
    if match[3]:
        boxes = "1 box" if match[3] == "1" else f"{match[3]} boxes"
        return f"Share of defects found with up to {boxes} an image, mean over overlaps and classes."
    start = "mAP" if match[1] == "mAP" else "Share found with up to 100 boxes an image,"
    return f"{start} of {SIZE_NAMES[match[2]]}."


def _more_overlaps(metrics: Mapping[str, Any]) -> list[tuple[str, str, str, str]]:
    known = {key for key, *_ in ALL_SCORES}
    keys = [key for key in metrics if re.fullmatch(r"mAP_\d+(\.\d+)?", key) and key not in known]
    return [(key, key, f"The same with an overlap of {float(key[4:]) / 100:.2f}.", NO_OBJECTS) for key in keys]


def _box_rows(metrics: Mapping[str, Any], specs: Any) -> list[Row]:
    intervals = metrics.get("intervals")
    return [
        Row(label, _cells(ratio(metrics[key], why, interval_of(intervals, key)), intervals), meaning)
        for key, label, meaning, why in specs
        if key in metrics
    ]


def _part_rows(level: Mapping[str, Any], intervals: Any, noun: str) -> list[Row]:
    rows = []
    for key, (label, meaning) in PART_MEANINGS.items():
        if key in level:
            cell = _part_cell(key, level, intervals, noun)
            rows.append(Row(label.format(noun), _cells(cell, intervals), meaning.format(noun)))
    return rows


def _part_cell(key: str, level: Mapping[str, Any], intervals: Any, noun: str) -> Cell:
    no_good, no_defective = f"the split has no good {noun}s", f"the split has no defective {noun}s"
    if key == "escapes":
        return share(level[key], level.get("num_defective"), no_defective, interval_of(intervals, "escape_rate"))
    if key == "overkill":
        return share(level[key], level.get("num_good"), no_good, interval_of(intervals, "overkill_rate"))
    interval = interval_of(intervals, key)
    if key == "false_alarms_per_good":
        return decimal(level[key], no_good, interval, 3)
    why_none = NO_OBJECTS if key == "froc_mean_recall" else f"needs both good and defective {noun}s"
    return ratio(level[key], why_none, interval)


def _group(caption: str, rows: list[Row], intervals: Any) -> Table:
    return Table(caption, _columns(intervals), rows)


def _columns(intervals: Any) -> list[Column]:
    columns = [Column("Measure", numeric=False), Column("Value")]
    if intervals:
        columns.append(Column(interval_name(intervals)))
    return columns


def interval_name(intervals: Mapping[str, Any]) -> str:
    """``95 % interval``."""
    return f"{100 * (intervals.get('confidence') or 0.95):g} % interval"


def _cells(cell: Cell, intervals: Any) -> list[Cell]:
    """The value and, where intervals were asked for, its interval in a column of its own."""
    if not intervals:
        return [cell]
    value = Cell(cell.text, cell.hint, cell.sort)
    if cell.interval:
        return [value, Cell(cell.interval, bar=cell.bar)]
    return [value, Cell(DASH, cell.hint or "no interval was computed for this number")]
