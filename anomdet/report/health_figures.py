"""The charts of the data's health. All binning was done before: these only draw ``health.json``."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

from anomdet.palette import CURVE_COLORS
from anomdet.report.cells import percent
from anomdet.report.figures import DASHES
from anomdet.report.traces import ALL_STYLE, Chart, plain, rounded

Health = Mapping[str, Any]
SHOWN = 6  # classes at first; more are a tangle
MAP_SELECT = "map-class"


def styles(health: Health) -> list[dict[str, Any]]:
    """How each drawn class is drawn; see :func:`anomdet.report.figures.class_styles`."""
    return [
        {
            **{"index": i, "name": entry["name"], "color": CURVE_COLORS[i % len(CURVE_COLORS)]},
            "dash": DASHES[i // len(CURVE_COLORS) % len(DASHES)],
            **{"drawn": True, "shown": i < SHOWN},
        }
        for i, entry in enumerate(health["drawn"])
    ]


def box_charts(health: Health) -> list[Chart]:
    """Sizes and shapes of the boxes; empty without boxes."""
    if not health["boxes"]["num"]:
        return []
    return [_sides(health), _ratios(health)]


def _sides(health: Health) -> Chart:
    boxes = health["boxes"]
    side = boxes["short_side_px"]
    height, width = health["image_size_hw"]
    summary = f"Shorter side of the boxes in an image fitted into {width} × {height} px: half of them have "
    summary += f"{side['p50']:.1f} px or more, 90 % {side['p5']:.1f} to {side['p95']:.1f} px; "
    summary += f"{percent(boxes['under_8_px'])} are under 8 px (dashed line)."
    ticks = [2**power for power in range(12)]
    layout: dict[str, Any] = {
        "xaxis": {"tickvals": [math.log2(tick) for tick in ticks], "ticktext": [str(tick) for tick in ticks]},
        "yaxis": {"rangemode": "tozero", "ticksuffix": " %"},
        "bargap": 0,
        "shapes": [_line(3.0, "--text", "dash")],
    }
    traces = _curves(health, boxes["side_edges_px"], boxes["sides"], "shorter side {} to {} px")
    _zoom(layout["xaxis"], boxes["side_edges_px"], boxes["sides"]["all"], least=(2.0, 5.0))
    return Chart("sides", "Size as the network sees it", summary, traces, "Shorter side, px", "Share of boxes", layout)


def _ratios(health: Health) -> Chart:
    boxes = health["boxes"]
    long = boxes["elongation"]
    summary = (
        f"Width to height of the boxes. Half of them are at most {long['p50']:.1f} times as long as wide, 95 % at most "
    )
    summary += f"{long['p95']:.1f} times; {percent(boxes['elongated'])} at least 4 times (dotted lines)."
    names = {
        -5: "1:32",
        -4: "1:16",
        -3: "1:8",
        -2: "1:4",
        -1: "1:2",
        0: "1:1",
        1: "2:1",
        2: "4:1",
        3: "8:1",
        4: "16:1",
        5: "32:1",
    }
    layout: dict[str, Any] = {
        "xaxis": {"tickvals": list(names), "ticktext": list(names.values())},
        "yaxis": {"rangemode": "tozero", "ticksuffix": " %"},
        "bargap": 0,
        "shapes": [_line(-2.0, "--muted", "dot"), _line(2.0, "--muted", "dot")],
    }
    traces = _curves(health, boxes["ratio_edges"], boxes["ratios"], "width : height {} to {}")
    _zoom(layout["xaxis"], boxes["ratio_edges"], boxes["ratios"]["all"], least=(-2.5, 2.5))
    return Chart("ratios", "Shape", summary, traces, "Width : height", "Share of boxes", layout)


def _curves(health: Health, edges: Sequence[float], counts: Mapping[str, Any], hover: str) -> list[dict[str, Any]]:
    """All classes as bars, each class as a step line over the same bins, in percent of its own boxes."""
    logs = [math.log2(edge) for edge in edges]
    centres = [(low + high) / 2 for low, high in itertools.pairwise(logs)]
    names = [hover.format(f"{low:.3g}", f"{high:.3g}") for low, high in itertools.pairwise(edges)]
    traces: list[dict[str, Any]] = [
        {
            **{"type": "bar", "x": rounded(centres), "y": _percents(counts["all"]), "width": logs[1] - logs[0]},
            **{"name": ALL_STYLE["name"], "meta": -1, "customdata": names, "opacity": 0.35},
            "marker": {"color": "--accent"},
            "hovertemplate": "%{customdata}<br>%{y:.1f} % of all boxes<extra></extra>",
        }
    ]
    for style, values in zip(styles(health), counts["per_class"], strict=True):
        line = {"color": style["color"], "dash": style["dash"], "width": 1.6, "shape": "hvh"}
        traces.append(
            {
                **{"type": "scatter", "mode": "lines", "x": rounded(centres), "y": _percents(values), "line": line},
                **{"name": plain(style["name"]), "meta": style["index"], "customdata": names},
                "hovertemplate": "%{customdata}<br>%{y:.1f} % of its boxes",
            }
        )
    return traces


def map_chart(health: Health) -> Chart | None:
    """Where the centres of the boxes are, of all or of the class that the select of the page names."""
    places = health["positions"]
    if not health["boxes"]["num"]:
        return None
    rows, columns = len(places["all"]), len(places["all"][0])
    grids = {"": places["all"], **{str(i): grid for i, grid in enumerate(places["per_class"])}}
    traces = [
        {
            **{"type": "heatmap", "z": grid, "meta": f"{MAP_SELECT}:{value}", "xgap": 1, "ygap": 1},
            **{"x0": 50 / columns, "dx": 100 / columns, "y0": 50 / rows, "dy": 100 / rows},
            **{"colorscale": [[0, "--ground"], [1, "--accent"]], "zmin": 0, "visible": not value},
            "colorbar": {
                **{"orientation": "h", "thickness": 10, "len": 0.9, "y": -0.12, "yanchor": "top"},
                **{"outlinewidth": 0, "tickformat": ",d", "title": {"text": "boxes in a cell", "side": "bottom"}},
            },
            "hovertemplate": "%{z:,} box centres<br>%{x:.0f} % from the left, %{y:.0f} % from the top<extra></extra>",
        }
        for value, grid in grids.items()
    ]
    axis = {"range": [0, 100], "constrain": "domain", "showgrid": False, "zeroline": False, "ticksuffix": " %"}
    layout = {
        "xaxis": axis,
        "yaxis": {**axis, "range": [100, 0], "scaleanchor": "x", "scaleratio": places["height_by_width"]},
    }
    summary = f"Centres of {_summed(places['all']):,} boxes in {columns} × {rows} cells, in percent of the width and "
    summary += "height of their image. "
    summary += _spread(places["all"])
    return Chart("map", "Where defects lie", summary, traces, "", "", layout)


def per_image_chart(health: Health) -> Chart | None:
    """How many images have so many boxes."""
    per_image = health["per_image"]
    counts, width = per_image["histogram"], per_image["bin_width"]
    if not counts:
        return None
    first = [at * width for at in range(len(counts))]
    names = [f"{low}" if width == 1 else f"{low} to {low + width - 1}" for low in first]
    trace = {
        **{"type": "bar", "x": [low + (width - 1) / 2 for low in first], "y": counts, "width": 0.9 * width},
        **{"name": "images", "meta": None, "customdata": names, "marker": {"color": "--accent"}},
        "hovertemplate": "%{y:,} images with %{customdata} objects<extra></extra>",
    }
    summary = f"{health['counts']['normal']:,} of {health['counts']['images']:,} images are normal, without an object."
    if per_image["fullest"]:
        full = per_image["fullest"][0]
        summary += (
            f" The others have {per_image['mean_of_defective']:.1f} objects on average; {full['file_name']} has most, "
        )
        summary += f"{full['objects']:,}."
    elif health["counts"]["defective"]:
        summary += f" The {health['counts']['defective']:,} that have labels have no box that can be used."
    layout = {"yaxis": {"rangemode": "tozero"}, "xaxis": {"dtick": 1} if len(counts) * width <= 20 else {}}
    return Chart("per-image", "Objects per image", summary, [trace], "Objects", "Images", layout)


def grey_chart(health: Health) -> Chart | None:
    """Mean grey against contrast of the images that were read."""
    pixels = health["pixels"]
    if not pixels["points"]:
        return None
    traces = [
        {
            **{"type": "scatter", "mode": "markers", "name": name, "meta": None},
            "x": [point["mean"] for point in points],
            "y": [point["contrast"] for point in points],
            "customdata": [plain(point["file_name"]) for point in points],
            "marker": {"color": color, "size": 6, "opacity": 0.6, "symbol": symbol},
            "hovertemplate": "%{customdata}<br>mean %{x:.0f}, contrast %{y:.0f}",
        }
        for name, normal, color, symbol in (
            ("with objects", False, "--bad", "circle"),
            ("normal or unlabelled" if health["counts"]["unlabelled"] else "normal", True, "--good", "diamond"),
        )
        if (points := [point for point in pixels["points"] if point["normal"] == normal])
    ]
    mean, contrast = pixels["mean"], pixels["contrast"]
    summary = (
        f"{pixels['read']:,} of {health['counts']['images']:,} images were read, evenly over the names, at reduced "
    )
    summary += f"scale. The median of the mean grey is {mean['p50']:.0f} (90 % lie between {mean['p5']:.0f} and "
    summary += f"{mean['p95']:.0f}), of the contrast {contrast['p50']:.0f} grey levels. Circles have objects, diamonds "
    summary += "have none."
    layout = {"xaxis": {"range": [-3, 258]}, "yaxis": {"rangemode": "tozero"}}
    return Chart(
        "grey", "Brightness and contrast", summary, traces, "Mean grey, 0 to 255", "Standard deviation", layout
    )


def _percents(counts: Sequence[int]) -> list[float | None]:
    total = sum(counts)
    return [round(100 * value / total, 3) if total else 0.0 for value in counts]


def _zoom(axis: dict[str, Any], edges: Sequence[float], counts: Sequence[int], least: tuple[float, float]) -> None:
    """The range of the axis that holds all counts, and at least ``least``, in powers of two."""
    filled = [at for at, value in enumerate(counts) if value]
    low, high = math.log2(edges[filled[0]]), math.log2(edges[filled[-1] + 1])
    axis["range"] = [min(low, least[0]) - 0.2, max(high, least[1]) + 0.2]


def _line(x: float, color: str, dash: str) -> dict[str, Any]:
    line = {"color": color, "width": 1, "dash": dash}
    return {"type": "line", "x0": x, "x1": x, "y0": 0, "y1": 1, "yref": "paper", "line": line}


def _summed(grid: Sequence[Sequence[int]]) -> int:
    return sum(map(sum, grid))


def _spread(grid: Sequence[Sequence[int]]) -> str:
    """How much of the image holds half of the boxes: 50 % if they are spread evenly, little if they crowd."""
    values, total, held = sorted((value for row in grid for value in row), reverse=True), _summed(grid), 0
    for number, value in enumerate(values, start=1):
        held += value
        if 2 * held >= total:
            empty = f"{values.count(0):,} of the cells have none"
            return f"Half of them lie on {percent(number / len(values), 0)} of the image, and {empty}."
    return ""
