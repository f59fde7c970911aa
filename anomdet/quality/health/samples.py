"""Which objects and which good parts the page shows: always the same ones for the same data."""

from __future__ import annotations

from typing import Any

import numpy as np

from anomdet.quality.health.table import NORMAL, Table

MAX_CLASSES = 40
NUM_NORMAL = 6
MAX_NEIGHBOURS = 60


def samples(table: Table, names: dict[int, str]) -> list[dict[str, Any]]:
    """Of each class, the rarest first, its smallest, median, largest and most elongated object; and normal images.

    Returns:
        ``{kind, class, file_name, size_hw, bbox_xywh, seen_wh, truth}`` each; ``truth`` are the boxes of the image,
        those next to it first; ``class`` is None and the box the image for a normal one.
    """
    starts = np.searchsorted(table.image_at, np.arange(len(table.files) + 1))
    nums, counted = np.unique(table.class_nums, return_counts=True)
    found: list[dict[str, Any]] = []
    for num in nums[np.argsort(counted, kind="stable")][:MAX_CLASSES].tolist():
        for kind, at in _of_class(table, num).items():
            found.append(_sample(table, names, kind, at, starts))
    return found + _normal(table)


def _of_class(table: Table, num: int) -> dict[str, int]:
    """Kind to position of the box; each box once."""
    mine = np.flatnonzero(table.class_nums == num)
    seen = table.seen_wh[mine]
    by_area = mine[np.argsort(seen.prod(axis=1), kind="stable")]
    longest = mine[np.argmax(seen.max(axis=1) / np.maximum(seen.min(axis=1), 1e-9))]
    chosen = {
        "smallest": int(by_area[0]),
        "median": int(by_area[len(by_area) // 2]),
        "largest": int(by_area[-1]),
        "longest": int(longest),
    }
    places: dict[int, str] = {}
    for kind, at in chosen.items():
        places.setdefault(at, kind)
    return {kind: at for at, kind in places.items()}


def _sample(table: Table, names: dict[int, str], kind: str, at: int, starts: Any) -> dict[str, Any]:
    image = int(table.image_at[at])
    others = np.arange(starts[image], starts[image + 1])
    centres = table.bboxes_xywh[others, :2] + table.bboxes_xywh[others, 2:] / 2
    distance = np.abs(centres - centres[at - starts[image]]).max(axis=1)
    others = others[np.argsort(distance, kind="stable")[:MAX_NEIGHBOURS]]
    return {
        "kind": kind,
        "class": names[int(table.class_nums[at])],
        "file_name": table.files[image].name,
        "size_hw": table.size_hw[image].astype(int).tolist(),
        "bbox_xywh": _rounded(table.bboxes_xywh[at]),
        "seen_wh": _rounded(table.seen_wh[at]),
        "truth": [
            {"class": names[int(table.class_nums[other])], "bbox_xywh": _rounded(table.bboxes_xywh[other])}
            for other in others.tolist()
        ],
    }


def _normal(table: Table) -> list[dict[str, Any]]:
    """Evenly over the order of names."""
    places = np.flatnonzero((table.states == NORMAL) & np.isfinite(table.size_hw).all(axis=1))
    if not len(places):
        return []
    chosen = places[np.unique(np.linspace(0, len(places) - 1, NUM_NORMAL).astype(np.int64))]
    found = []
    for at in chosen.tolist():
        height, width = table.size_hw[at].astype(int).tolist()
        entry = {"kind": "normal", "class": None, "file_name": table.files[at].name, "size_hw": [height, width]}
        found.append({**entry, "bbox_xywh": [0, 0, width, height], "seen_wh": None, "truth": []})
    return found


def _rounded(values: Any) -> list[float]:
    return [round(float(value), 2) for value in values]
