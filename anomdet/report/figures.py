"""Which charts the page has, and what they show."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from anomdet.palette import CURVE_COLORS
from anomdet.report.traces import (
    ALL_STYLE,
    Chart,
    axis,
    bar_trace,
    chance_line,
    line_trace,
    point_trace,
    threshold_line,
)

DASHES = ("solid", "dash", "dot", "dashdot")  # of the classes beyond the colours of the palette
NUM_BINS = 40
MAX_FALSE_BOXES = 8  # an image; FROC curves are usually read up to there
Point = Callable[[Mapping[str, Any], Mapping[str, Any]], tuple[float, float] | None]
MANY_CLASSES = 10  # beyond, only the curve of all classes is shown at first


def charts(metrics: Mapping[str, Any], details: Mapping[str, Any]) -> list[Chart]:
    """Precision-recall, F1-score, FROC and part-level ROC; those that there is nothing for are left out."""
    found = [
        _precision_recall(metrics, details.get("curves") or {}),
        _f1_score(metrics, details.get("curves") or {}),
        _froc(metrics, details.get("froc") or {}),
        _roc(metrics, details.get("roc") or {}),
    ]
    return [chart for chart in found if chart is not None]


def class_styles(metrics: Mapping[str, Any], curves: Mapping[str, Any]) -> list[dict[str, Any]]:
    """How each class is drawn, in their order; ``drawn``: it has a curve, ``shown``: at first, too."""
    names = list(metrics.get("per_class") or {})
    of_classes = curves.get("per_class") or {}
    return [
        {
            **{"index": i, "name": name, "color": CURVE_COLORS[i % len(CURVE_COLORS)]},
            "dash": DASHES[i // len(CURVE_COLORS) % len(DASHES)],
            "drawn": _measured(of_classes.get(name), "recall", "precision"),
            "shown": len(names) <= MANY_CLASSES,
        }
        for i, name in enumerate(names)
    ]


def _precision_recall(metrics: Mapping[str, Any], curves: Mapping[str, Any]) -> Chart | None:
    traces = _class_traces(metrics, curves, ("recall", "precision"), _recall_precision)
    if not traces:
        return None
    point = _recall_precision(metrics, metrics)
    summary = "Precision against recall as the score threshold falls."
    if point:
        summary += f" At the operating point precision is {point[1]:.3f} and recall {point[0]:.3f} (all classes)."
    unit = {"range": [0, 1.02]}
    return Chart("pr", "Precision and recall", summary, traces, "Recall", "Precision", {"xaxis": unit, "yaxis": unit})


def _f1_score(metrics: Mapping[str, Any], curves: Mapping[str, Any]) -> Chart | None:
    traces = _class_traces(metrics, curves, ("score", "f1_score"), _threshold_f1)
    if not traces:
        return None
    summary = "F1-score for each score threshold."
    whole = curves.get("all") or {}
    if _measured(whole, "f1_score"):
        best, score = max(
            (f1, score) for f1, score in zip(whole["f1_score"], whole["score"], strict=True) if f1 is not None
        )
        summary += f" All classes: the best is {best:.3f} at score {score:.3f}."
    layout = {"xaxis": {"range": [0, 1]}, "yaxis": {"range": [0, 1.02]}, **threshold_line(metrics)}
    return Chart("f1", "F1-score and threshold", summary, traces, "Score threshold", "F1-score", layout)


def _froc(metrics: Mapping[str, Any], froc: Mapping[str, Any]) -> Chart | None:
    x, y, scores = (froc.get(key) or [] for key in ("false_boxes_per_image", "recall", "score"))
    if not _measured(froc, "false_boxes_per_image", "recall"):
        return None
    traces = [line_trace(x, y, scores)]
    summary = "Share of the defects found against the number of false boxes an image."
    threshold = metrics.get("score_threshold")
    passed = [i for i, score in enumerate(scores) if threshold is not None and score is not None and score >= threshold]
    if passed:
        at = passed[-1]
        traces.append(point_trace(x[at], y[at]))
        summary += f" At the operating point {y[at]:.3f} are found with {x[at]:.3f} false boxes an image."
    layout = {
        "xaxis": {"range": [0, 1.02 * min(max(0.1, *(value or 0.0 for value in x)), MAX_FALSE_BOXES)]},
        "yaxis": {"range": [0, 1.02]},
    }
    return Chart("froc", "FROC", summary, traces, "False boxes per image", "Recall", layout)


def _roc(metrics: Mapping[str, Any], roc: Mapping[str, Any]) -> Chart | None:
    x, y = roc.get("overkill_rate") or [], roc.get("detection_rate") or []
    if not _measured(roc, "overkill_rate", "detection_rate"):
        return None
    traces = [chance_line(), line_trace(x, y, roc.get("score") or [])]
    level = metrics.get("part_level") or {}
    summary = "Share of the defective parts found against the share of good parts rejected."
    overkill, escape = level.get("overkill_rate"), level.get("escape_rate")
    if overkill is not None and escape is not None:
        traces.append(point_trace(overkill, 1 - escape))
        summary += f" At the operating point {1 - escape:.3f} are found and {overkill:.3f} of the good rejected."
    unit = {"range": [-0.01, 1.01]}
    title = "Escapes and overkill (ROC)"
    return Chart("roc", title, summary, traces, "Overkill rate", "1 − escape rate", {"xaxis": unit, "yaxis": unit})


def score_chart(metrics: Mapping[str, Any], details: Mapping[str, Any]) -> Chart | None:
    """How the scores of good and of defective parts are spread: good above the line, defective below it."""
    scores = details.get("anomaly_scores") or {}
    good, defective = (np.asarray(scores.get(key) or [], dtype=np.float64) for key in ("good", "defective"))
    if not good.size + defective.size:
        return None
    both = np.concatenate([good, defective])
    edges = np.linspace(min(0.0, both.min()), max(1.0, both.max()), NUM_BINS + 1)
    above, below = np.histogram(good, edges)[0], np.histogram(defective, edges)[0]
    centers, width = (edges[:-1] + edges[1:]) / 2, float(edges[1] - edges[0])
    traces = [
        bar_trace("good", centers, width, above, {"color": "--good", "yaxis": "y"}),
        bar_trace("defective", centers, width, below, {"color": "--bad", "yaxis": "y2"}),
    ]
    layout = {
        "yaxis": {"domain": [0.52, 1], "rangemode": "tozero"},
        "xaxis": {"anchor": "y2"},
        "yaxis2": {**axis("defective"), "domain": [0, 0.48], "autorange": "reversed", "rangemode": "tozero"},
        "bargap": 0.08,
        **threshold_line({"score_threshold": 0.5} if _is_fused(metrics) else metrics),
    }
    by = "verdict of boxes and normal-only score, 0.5 at the threshold" if _is_fused(metrics) else "highest score"
    summary = f"{good.size} good, above, and {defective.size} defective, below, by their {by}."
    summary += _medians(good, defective)
    return Chart("scores", "Scores of good and defective parts", summary, traces, "Score", "good", layout)


def _is_fused(metrics: Mapping[str, Any]) -> bool:
    return "part_level_of_boxes" in metrics


def _medians(good: np.ndarray, defective: np.ndarray) -> str:
    if not good.size or not defective.size:
        return ""
    return f" The median is {np.median(good):.3f} for the good and {np.median(defective):.3f} for the defective."


def _class_traces(
    metrics: Mapping[str, Any], curves: Mapping[str, Any], keys: tuple[str, str], point: Point
) -> list[dict[str, Any]]:
    """A curve for each class, then that of all classes on top, each with its operating point."""
    of_classes = curves.get("per_class") or {}
    entries: list[tuple[int, Mapping[str, Any], Any, Any]] = [
        (style["index"], style, metrics["per_class"][style["name"]], of_classes[style["name"]])
        for style in class_styles(metrics, curves)
        if style["drawn"]
    ]
    entries.append((-1, ALL_STYLE, metrics, curves.get("all")))
    traces = []
    for i, style, values, curve in entries:
        if not _measured(curve, *keys):
            continue
        traces.append(line_trace(curve[keys[0]], curve[keys[1]], curve["score"], i, style))
        place = point(values, metrics)
        if place:
            traces.append(point_trace(*place, i, style))
    return traces


def _measured(curve: Mapping[str, Any] | None, *keys: str) -> bool:
    """Whether there is something to draw: not only nulls."""
    return all(any(value is not None for value in (curve or {}).get(key) or []) for key in keys)


def _recall_precision(values: Mapping[str, Any], _: Mapping[str, Any]) -> tuple[float, float] | None:
    recall, precision = values.get("recall"), values.get("precision")
    return None if recall is None or precision is None else (recall, precision)


def _threshold_f1(values: Mapping[str, Any], metrics: Mapping[str, Any]) -> tuple[float, float] | None:
    threshold = values.get("score_threshold", metrics.get("score_threshold"))
    f1_score = values.get("f1_score")
    return None if threshold is None or f1_score is None else (threshold, f1_score)
