"""What a data set is made of, in numbers: counts, sizes, shapes and places. Plain dicts, ready for JSON."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from anomdet.layout import SPLITS
from anomdet.quality.check.table import Floats, Ints
from anomdet.quality.health.plan import Plan
from anomdet.quality.health.table import DEFECTIVE, NORMAL, UNLABELLED, Table, pieces_hw, seen_wh

SMALL_PX = 8.0  # the finest grid of most detectors has cells of 8 px
LONG = 4.0  # a longer side of so many shorter ones is elongated
SIDE_EDGES = 2.0 ** (np.arange(0, 34) / 3)  # 1 to 2048 px, three bins an octave
RATIO_EDGES = 2.0 ** (np.arange(-16.5, 17.5) / 3)  # 1:45 to 45:1
GRID = 24  # cells along the longer side of an image
LEAST_CELLS = 4
MAX_DRAWN = 20  # classes with curves and a map of their own
MAX_LISTED = 12
NUM_BARS = 40


def class_names(table: Table, plan: Plan) -> dict[int, str]:
    """Class number to name, of all classes that are named or seen, ascending."""
    names = dict(plan.classes or {})
    for num in np.unique(table.class_nums).tolist():
        names.setdefault(num, str(num) if plan.classes is None else f"{num} (not in data.classes)")
    return dict(sorted(names.items()))


def counts(table: Table) -> dict[str, int]:
    """Images by their state, and objects."""
    return {
        "images": len(table.files),
        "normal": int((table.states == NORMAL).sum()),
        "defective": int((table.states == DEFECTIVE).sum()),
        "unlabelled": int((table.states == UNLABELLED).sum()),
        "objects": len(table.class_nums),
        "left_out": table.num_left_out,
    }


def classes(table: Table, names: dict[int, str], split_known: bool) -> list[dict[str, Any]]:
    """One entry a class, those with the most objects first."""
    short, total = table.short_sides, len(table.class_nums)
    found = []
    for num, name in names.items():
        mine = table.class_nums == num
        images = np.unique(table.image_at[mine])
        entry: dict[str, Any] = {
            **{"class_num": num, "name": name, "objects": int(mine.sum()), "images": len(images)},
            "share": _share(int(mine.sum()), total),
            "short_side_px": quantiles(short[mine]),
            "under_8_px": _share(int((short[mine] < SMALL_PX).sum()), int(mine.sum())),
        }
        if split_known:
            of_objects = np.bincount(table.splits[table.image_at[mine]] + 1, minlength=4)[1:]
            of_images = np.bincount(table.splits[images] + 1, minlength=4)[1:]
            entry["splits"] = {
                split: {"objects": int(of_objects[at]), "images": int(of_images[at])} for at, split in enumerate(SPLITS)
            }
        found.append(entry)
    return sorted(found, key=lambda entry: (-entry["objects"], entry["class_num"]))


def splits(table: Table) -> dict[str, dict[str, Any]]:
    """Each split in numbers, and the images that are in none."""
    found = {}
    for at, name in enumerate((*SPLITS, "none")):
        images, boxes = table.rows_of(at if name != "none" else -1)
        if name == "none" and not images.any():
            continue
        short = table.short_sides[boxes]
        found[name] = {
            "images": int(images.sum()),
            "normal": int((table.states[images] == NORMAL).sum()),
            "objects": int(boxes.sum()),
            "short_side_px": quantiles(short),
            "under_8_px": _share(int((short < SMALL_PX).sum()), len(short)),
            "objects_per_defective": _share(int(boxes.sum()), int((table.states[images] == DEFECTIVE).sum())),
        }
    return found


def boxes(table: Table, plan: Plan, drawn: list[dict[str, Any]]) -> dict[str, Any]:
    """Sizes and shapes of the boxes as the network sees them; histograms of all and, in order, of the drawn classes."""
    short, native = table.short_sides, table.bboxes_xywh[:, 2:].min(axis=1)
    ratios = table.seen_wh[:, 0] / np.maximum(table.seen_wh[:, 1], 1e-9)
    longer = np.maximum(ratios, 1 / np.maximum(ratios, 1e-9))
    image_hw = table.size_hw[table.image_at]
    cover = table.bboxes_xywh[:, 2:].prod(axis=1) / image_hw.prod(axis=1)
    return {
        "num": len(short),
        "small_px": SMALL_PX,
        "short_side_px": quantiles(short),
        "native_short_side_px": quantiles(native),
        "under_8_px": _share(int((short < SMALL_PX).sum()), len(short)),
        "under_8_px_native": _share(int((native < SMALL_PX).sum()), len(short)),
        "under_32_px": _share(int((short < 32).sum()), len(short)),
        "tenth_px": tenth(short),
        "elongation": quantiles(longer),
        "elongated": _share(int((longer >= LONG).sum()), len(short)),
        "over_half_of_image": int((cover > 0.5).sum()),
        "over_80_percent_of_image": int((cover > 0.8).sum()),
        "side_edges_px": rounded(SIDE_EDGES),
        "ratio_edges": rounded(RATIO_EDGES, 6),
        "sides": _histograms(short, SIDE_EDGES, table.class_nums, drawn),
        "ratios": _histograms(ratios, RATIO_EDGES, table.class_nums, drawn),
    }


def positions(table: Table, drawn: list[dict[str, Any]]) -> dict[str, Any]:
    """Counts of box centres in a grid, rows from the top, of all boxes and of the drawn classes.

    The grid covers each image as a whole, whatever its size; its cells are square in an image of the median shape.
    """
    shapes = table.size_hw[np.isfinite(table.size_hw).all(axis=1)]
    shape = float(np.median(shapes[:, 0] / shapes[:, 1])) if len(shapes) else 1.0
    grid_hw = [max(LEAST_CELLS, round(GRID * min(1.0, side))) for side in (shape, 1 / shape)]
    size_wh = table.size_hw[table.image_at][:, ::-1]
    centres = (table.bboxes_xywh[:, :2] + table.bboxes_xywh[:, 2:] / 2) / size_wh
    column, row = np.minimum(centres * grid_hw[::-1], np.subtract(grid_hw[::-1], 1)).astype(np.int64).T
    flat = row * grid_hw[1] + column

    def grid(chosen: Any) -> list[list[int]]:
        counted = np.bincount(flat[chosen], minlength=grid_hw[0] * grid_hw[1]).reshape(grid_hw)
        return list(counted.tolist())

    of_classes = [grid(table.class_nums == entry["class_num"]) for entry in drawn]
    return {"height_by_width": round(shape, 4), "all": grid(slice(None)), "per_class": of_classes}


def per_image(table: Table) -> dict[str, Any]:
    """How many boxes images have: a histogram whose bins are whole numbers wide, and the fullest images."""
    num = table.boxes_of_images[table.states != UNLABELLED]
    most = int(num.max(initial=0))
    width = max(1, -(-(most + 1) // NUM_BARS))
    defective = table.boxes_of_images[table.states == DEFECTIVE]
    order = np.argsort(-table.boxes_of_images, kind="stable")[:5]
    fullest = [(table.files[at].name, int(table.boxes_of_images[at])) for at in order.tolist()]
    return {
        "bin_width": width,
        "histogram": np.bincount(num // width, minlength=1).tolist() if len(num) else [],
        "mean_of_defective": round(float(defective.mean()), 4) if len(defective) else None,
        "max": most,
        "fullest": [{"file_name": name, "objects": count} for name, count in fullest if count],
    }


def image_sizes(table: Table, plan: Plan) -> dict[str, Any]:
    """Sizes of the images, the commonest first; how large the network sees them, and how much of it is padding."""
    known = np.isfinite(table.size_hw).all(axis=1)
    sizes, num = np.unique(table.size_hw[known], axis=0, return_counts=True) if known.any() else (np.zeros((0, 2)), [])
    order = np.argsort(-np.asarray(num), kind="stable")
    pieces = pieces_hw(sizes, table.tile_hw)
    fitted = seen_wh(pieces, plan.size_hw) if len(sizes) else np.zeros((0, 2))
    padding = 1 - fitted.prod(axis=1) / np.prod(plan.size_hw)
    factors = fitted[:, 0] / pieces[:, 1]
    weights = np.asarray(num, dtype=np.float64)
    listed = [
        {
            "size_hw": sizes[at].astype(int).tolist(),
            "images": int(num[at]),
            "factor": round(float(factors[at]), 4),
            "padding": round(float(padding[at]), 4),
        }
        for at in order[:MAX_LISTED].tolist()
    ]
    spread = np.repeat(factors, np.asarray(num, dtype=np.int64)) if len(sizes) else np.zeros(0)
    usual = np.repeat(fitted, np.asarray(num, dtype=np.int64), axis=0) if len(sizes) else np.zeros((0, 2))
    return {
        "num_sizes": len(sizes),
        "listed": listed,
        "others": int(weights.sum()) - sum(entry["images"] for entry in listed),
        "unknown": int((~known).sum()),
        "padding": round(float((padding * weights).sum() / weights.sum()), 4) if len(sizes) else None,
        "factor": quantiles(spread),
        "largest_seen_hw": [int(usual[:, 1].max()), int(usual[:, 0].max())] if len(sizes) else None,
    }


def quantiles(values: Floats) -> dict[str, float] | None:
    """The 5th, 50th and 95th percentile, the least and the largest; None of nothing."""
    if not len(values):
        return None
    found = np.quantile(values, [0, 0.05, 0.5, 0.95, 1])
    return {name: round(float(value), 4) for name, value in zip(("min", "p5", "p50", "p95", "max"), found, strict=True)}


def rounded(values: Any, digits: int = 4) -> list[float]:
    return [round(float(value), digits) for value in values]


def tenth(values: Floats) -> float | None:
    """The largest value that at least 90 % of the values reach; rounded down, so that they do."""
    return math.floor(float(np.sort(values)[len(values) // 10]) * 1e4) / 1e4 if len(values) else None


def _histograms(values: Floats, edges: Floats, nums: Ints, drawn: list[dict[str, Any]]) -> dict[str, Any]:
    """Counts in the bins; what lies beyond is counted in the first and last."""
    at = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, len(edges) - 2)

    def count(chosen: Any) -> list[int]:
        counted: list[int] = np.bincount(at[chosen], minlength=len(edges) - 1).tolist()
        return counted

    return {"all": count(slice(None)), "per_class": [count(nums == entry["class_num"]) for entry in drawn]}


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 6) if whole else None
