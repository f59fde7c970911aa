"""How the run went, from its training.csv, and how long an image takes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from anomdet.palette import CURVE_COLORS
from anomdet.report.traces import Chart, plain, rounded

_OF_COCO = re.compile(r"(?:mAP|AR)_(?!50$).+")  # by overlap, by size, by number: too many lines for one chart
_LEGEND = {"orientation": "h", "yref": "container", "y": 0, "yanchor": "bottom"}


def training_charts(training: Mapping[str, Any] | None) -> list[Chart]:
    """Losses, metrics and learning rate by epoch; those that there is nothing for are left out."""
    if not training or not training["epoch"]:
        return []
    columns = training["columns"]
    losses = [name for name in columns if "loss" in name]
    rates = [name for name in columns if name == "lr"]
    metrics = [name for name in columns if name not in (*losses, *rates)]
    headline = [name for name in metrics if not _OF_COCO.fullmatch(name)] or metrics
    unit = {"yaxis": {"range": [0, 1.02]}}
    found = [
        _chart("loss", "Losses", training, losses, {"yaxis": {"rangemode": "tozero"}}),
        _chart("metrics", "Metrics of the validation split", training, headline, unit),
        _chart("lr", "Learning rate", training, rates, {"yaxis": {"rangemode": "tozero"}}),
    ]
    return [chart for chart in found if chart is not None]


def speed(measured: Mapping[str, Any] | None) -> str:
    """``12 ms (median), 15 ms (95 %), cpu, in batches of 16``; empty where it was not measured."""
    if not measured or measured.get("median_ms") is None or measured.get("p95_ms") is None:
        return ""
    middle, high = (f"{measured[key]:.3g} ms" for key in ("median_ms", "p95_ms"))
    return f"{middle} (median), {high} (95 %), {measured['device']}, in batches of {measured['batch_size']}"


def _chart(key: str, title: str, training: Mapping[str, Any], names: list[str], layout: dict[str, Any]) -> Chart | None:
    epochs = training["epoch"]
    drawn = [name for name in names if any(value is not None for value in training["columns"][name])]
    if not drawn:
        return None
    traces = [_trace(name, epochs, training["columns"][name], i) for i, name in enumerate(drawn)]
    last = [f"{name} {_last(training['columns'][name]):.4g}" for name in drawn]
    summary = f"{len(epochs)} epochs; at the end {', '.join(last)}."
    layout = {**layout, "showlegend": len(drawn) > 1, "legend": _LEGEND}
    return Chart(f"training-{key}", title, summary, traces, "Epoch", "", layout)


def _last(values: list[float | None]) -> float:
    return next(value for value in reversed(values) if value is not None)


def _trace(name: str, epochs: list[int], values: list[float | None], index: int) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "x": epochs,
        "y": values if name == "lr" else rounded(values),
        "name": plain(name),
        "line": {"color": CURVE_COLORS[index % len(CURVE_COLORS)], "width": 1.8},
        "marker": {"size": 4},
        "connectgaps": True,
        "hovertemplate": "epoch %{x}<br>%{y:.4g}",
        "meta": None,
    }
