"""The first table of the page: the numbers that decide, each with a sentence for who inspects parts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from anomdet.metric_catalogue import METRIC, METRICS, Group, Metric, of_key
from anomdet.report.cells import DASH, Cell, Column, Row, Table, decimal, interval_of, ratio, share


def headline(metrics: Mapping[str, Any]) -> list[Table]:
    """Up to three tables: boxes at any score, boxes at the operating point, whole parts."""
    tables = [
        _table("Boxes, at any score", metrics, [*_headline("boxes"), *_more_overlaps(metrics)]),
        _table("Boxes, at the operating point", metrics, _headline("point")),
        _table(f"Whole {unit(metrics)}s", metrics, _headline("parts")),
    ]
    return [table for table in tables if table.rows]


def _headline(group: Group) -> list[Metric]:
    return [metric for metric in METRICS if metric.group == group and metric.headline]


def unit(metrics: Mapping[str, Any]) -> str:
    """What is called good or defective: ``part``, or ``image`` where each image is a part of its own."""
    return "part" if (metrics.get("part_level") or {}).get("unit") == "part" else "image"


def without_suspected(metrics: Mapping[str, Any]) -> Table | None:
    """The headline's numbers as they are, and without the images of likely label errors."""
    other = (metrics.get("suspected_labels") or {}).get("without")
    if not other:
        return None
    level, rows = metrics.get("part_level") or {}, []
    for metric in (metric.worded(unit(metrics)) for metric in METRICS if metric.headline):
        ours, theirs = (level, other["part_level"]) if metric.group == "parts" else (metrics, other)
        if metric.key in ours and metric.key in theirs:
            rows.append(Row(metric.label, [_cell(metric, ours, None), _cell(metric, theirs, None)]))
    columns = [Column("Measure", numeric=False), Column("Official"), Column("Without suspected labels")]
    return Table("Without the images of suspected label errors", columns, rows) if rows else None


def more_coco(metrics: Mapping[str, Any]) -> Table | None:
    """COCO's numbers that the headline has not: by size, and average recall."""
    table = _table("More of COCO's numbers", metrics, [metric for metric in METRICS if metric.group == "more"])
    return table if table.rows else None


def _more_overlaps(metrics: Mapping[str, Any]) -> list[Metric]:
    found = [of_key(key) for key in metrics if key not in METRIC]
    return [metric for metric in found if metric is not None]


def _table(caption: str, metrics: Mapping[str, Any], shown: Iterable[Metric]) -> Table:
    """Those of the numbers that are there, each with what it means."""
    intervals, level, noun = metrics.get("intervals"), metrics.get("part_level") or {}, unit(metrics)
    rows = []
    for metric in (metric.worded(noun) for metric in shown):
        values = level if metric.group == "parts" else metrics
        if metric.key in values:
            why_none = ((intervals or {}).get("null_reasons") or {}).get(metric.interval, "")
            rows.append(
                Row(metric.label, _cells(_cell(metric, values, intervals), intervals, why_none), metric.meaning)
            )
    return Table(caption, _columns(intervals), rows)


def _cell(metric: Metric, values: Mapping[str, Any], intervals: Any) -> Cell:
    value, interval = values[metric.key], interval_of(intervals, metric.interval)
    if metric.format == "share":
        return share(value, values.get(metric.share_of), metric.null_reason, interval)
    if metric.format == "decimal":
        return decimal(value, metric.null_reason, interval, 3)
    return ratio(value, metric.null_reason, interval)


def _columns(intervals: Any) -> list[Column]:
    columns = [Column("Measure", numeric=False), Column("Value")]
    if intervals:
        columns.append(Column(interval_name(intervals)))
    return columns


def interval_name(intervals: Mapping[str, Any]) -> str:
    """``95 % interval``."""
    return f"{100 * (intervals.get('confidence') or 0.95):g} % interval"


def _cells(cell: Cell, intervals: Any, why_none: str) -> list[Cell]:
    """The value and, where intervals were asked for, its interval in a column of its own."""
    if not intervals:
        return [cell]
    value = Cell(cell.text, cell.hint, cell.sort)
    if cell.interval:
        return [value, Cell(cell.interval, bar=cell.bar)]
    return [value, Cell(DASH, cell.hint or why_none or "no interval was computed for this number")]
