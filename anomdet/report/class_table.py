"""The table of the classes, which can be sorted, with a line for all of them below."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from anomdet.metric_catalogue import METRICS, Metric, OfClass
from anomdet.report.cells import Cell, Column, Row, Table, count, interval_of, ratio, words
from anomdet.report.headline import unit


def class_table(metrics: Mapping[str, Any]) -> Table | None:
    """One line a class, ``all`` below; columns that no class has are left out. None without classes."""
    per_class = metrics.get("per_class")
    if not per_class:
        return None
    worded = [metric.worded(unit(metrics)) for metric in METRICS]
    found = [(metric, metric.of_class) for metric in worded if metric.of_class]
    columns = [(metric, own) for metric, own in found if any(own.key in values for values in per_class.values())]
    intervals = metrics.get("intervals") or {}
    bounds = intervals.get("per_class") or {}
    rows = [
        Row(name, [_of_class(metric, own, values, bounds.get(name)) for metric, own in columns])
        for name, values in per_class.items()
    ]
    foot = Row("all", [_whole(metrics, intervals, metric) for metric, _ in columns])
    heads = [Column("Class", numeric=False), *(Column(own.label, own.meaning) for _, own in columns)]
    return Table("Results of each class", heads, rows, [foot], sortable=True)


def _of_class(metric: Metric, own: OfClass, values: Mapping[str, Any], bounds: Mapping[str, Any] | None) -> Cell:
    return _cell(metric, values.get(own.key), own.null_reason, interval_of(bounds, own.key))


def _whole(metrics: Mapping[str, Any], intervals: Mapping[str, Any], metric: Metric) -> Cell:
    """Of all classes; the number of a class has no whole."""
    level = metrics.get("part_level") or {}
    values = level if metric.key in level else metrics
    if metric.key not in values:
        return words("")
    return _cell(metric, values[metric.key], metric.null_reason, interval_of(intervals, metric.interval))


def _cell(metric: Metric, value: Any, null_reason: str, interval: Sequence[float] | None) -> Cell:
    """A share stands as its count: each class has another whole."""
    return ratio(value, null_reason, interval) if metric.format == "ratio" else count(value, null_reason)
