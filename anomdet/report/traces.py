"""The pieces of a chart, as Plotly's plain JSON (https://plotly.com/javascript/reference/).

A colour that begins with two dashes is a CSS variable of the page; charts.js puts in what it is in the scheme at hand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

HOVER = "%{xaxis.title.text} %{x:.3f}<br>%{yaxis.title.text} %{y:.3f}"
ALL_STYLE: Mapping[str, Any] = {"name": "all classes", "color": "--text", "dash": "solid"}


@dataclass(frozen=True)
class Chart:
    """One chart.

    Attributes:
        key: part of its id in the page.
        summary: what it shows, in a sentence with numbers, for those who do not see it.
        traces: Plotly's; ``meta`` is the index of the class, -1 for all of them, None for what is always shown.
        x, y: titles of the axes.
        layout: more of Plotly's layout.
    """

    key: str
    title: str
    summary: str
    traces: list[dict[str, Any]]
    x: str
    y: str
    layout: dict[str, Any] = field(default_factory=dict)

    def spec(self) -> dict[str, Any]:
        """What ``Plotly.react`` takes."""
        layout = {
            "xaxis": {**axis(self.x), **self.layout.get("xaxis", {})},
            "yaxis": {**axis(self.y), **self.layout.get("yaxis", {})},
            "margin": {"l": 56, "r": 16, "t": 32, "b": 48},
            "paper_bgcolor": "--panel",
            "plot_bgcolor": "--panel",
            "font": {"color": "--text", "size": 12, "family": "system-ui, sans-serif"},
            "hoverlabel": {
                "bgcolor": "--ground",
                "bordercolor": "--line",
                "font": {"color": "--text"},
                "namelength": -1,
            },
            "modebar": {"bgcolor": "transparent", "color": "--muted", "activecolor": "--text"},
            "showlegend": False,
            "hovermode": "closest",
            **{key: value for key, value in self.layout.items() if key not in ("xaxis", "yaxis")},
        }
        return {"key": self.key, "data": self.traces, "layout": layout}


def line_trace(
    x: Sequence[float],
    y: Sequence[float],
    scores: Sequence[float | None],
    index: int | None = None,
    style: Mapping[str, Any] = ALL_STYLE,
) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "lines",
        "x": rounded(x),
        "y": rounded(y),
        "customdata": rounded(scores),
        "name": plain(style["name"]),
        "line": {
            "color": style["color"],
            "dash": style["dash"],
            "width": 1.6 if index is not None and index >= 0 else 2.4,
        },
        "hovertemplate": f"{HOVER}<br>score %{{customdata:.3f}}",
        "meta": index,
    }


def point_trace(x: float, y: float, index: int | None = None, style: Mapping[str, Any] = ALL_STYLE) -> dict[str, Any]:
    """The operating point on a curve."""
    return {
        "type": "scatter",
        "mode": "markers",
        "x": [round(x, 4)],
        "y": [round(y, 4)],
        "name": plain(f"{style['name']}, operating point"),
        "marker": {"color": style["color"], "size": 10, "symbol": "circle", "line": {"color": "--panel", "width": 2}},
        "hovertemplate": HOVER,
        "cliponaxis": False,
        "meta": index,
    }


def chance_line() -> dict[str, Any]:
    line = {"color": "--muted", "dash": "dot", "width": 1}
    return {
        "type": "scatter",
        "mode": "lines",
        "x": [0, 1],
        "y": [0, 1],
        "line": line,
        "hoverinfo": "skip",
        "meta": None,
    }


def bar_trace(name: str, x: np.ndarray, width: float, counts: np.ndarray, style: Mapping[str, str]) -> dict[str, Any]:
    return {
        "type": "bar",
        "x": rounded(x.tolist()),
        "y": counts.tolist(),
        "width": width * 0.92,
        "name": name,
        "marker": {"color": style["color"]},
        "yaxis": style["yaxis"],
        "hovertemplate": "%{y} at score %{x:.3f}",
        "meta": None,
    }


def threshold_line(metrics: Mapping[str, Any]) -> dict[str, Any]:
    threshold = metrics.get("score_threshold")
    if threshold is None:
        return {}
    line = {"color": "--text", "width": 1, "dash": "dash"}
    return {
        "shapes": [{"type": "line", "x0": threshold, "x1": threshold, "y0": 0, "y1": 1, "yref": "paper", "line": line}],
        "annotations": [
            {
                **{"x": threshold, "y": 1, "yref": "paper", "yanchor": "top", "xanchor": "left", "showarrow": False},
                **{"text": f" threshold {threshold:.3g}", "font": {"color": "--muted", "size": 11}},
            }
        ],
    }


def axis(title: str) -> dict[str, Any]:
    return {
        "title": {"text": title},
        "gridcolor": "--line",
        "zerolinecolor": "--line",
        "linecolor": "--line",
        "automargin": True,
    }


def rounded(values: Sequence[float | None]) -> list[float | None]:
    return [None if value is None else round(value, 4) for value in values]


def plain(text: str) -> str:
    """Plotly reads some HTML in its texts; a class name is to be shown as it is."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
