"""The columns as JSON: one small index of all images, and their boxes and findings in parts of a few hundred."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from anomdet.quality.browse.columns import Columns
from anomdet.quality.browse.thumbnails import Pictures
from anomdet.quality.check.findings import CODES, Finding

PART_SIZE = 256  # a part of images with five boxes each is 30 kB
MAX_GENERAL = 200


def to_index(columns: Columns) -> dict[str, Any]:
    """What all images can be filtered and sorted by.

    A column has a value or a character for each image; ``names`` are joined by NUL, which no file name holds.
    ``sizes`` and ``class_sets`` are tables, ``size_of`` and ``class_set_of`` the row of each image. ``smallest`` is -1
    where there is no box of known size. ``images`` of a finding are positions, each as its distance to the one before.
    """
    sizes, size_of = _table([tuple(size) for size in columns.size_wh.tolist()])
    class_sets, class_set_of = _table(_class_sets(columns))
    smallest = np.where(np.isnan(columns.smallest_px), -1, np.round(columns.smallest_px, 1))
    return {
        "part_size": PART_SIZE,
        "names": "\0".join(columns.names),
        "split_names": columns.split_names,
        "splits": "".join("-" if at < 0 else str(at) for at in columns.splits.tolist()),
        "states": "".join(map(str, columns.states.tolist())),
        "sizes": sizes,
        "size_of": size_of,
        "num_boxes": np.diff(columns.box_starts).tolist(),
        "smallest": [_short(value) for value in smallest.tolist()],
        "class_sets": class_sets,
        "class_set_of": class_set_of,
        "classes": _classes(columns),
        "findings": _finding_kinds(columns),
        "general": [_told(found) for found in columns.general[:MAX_GENERAL]],
        "num_general": len(columns.general),
    }


def num_parts(columns: Columns) -> int:
    """How many parts :func:`to_part` can be asked for."""
    return -(-len(columns) // PART_SIZE)


def to_part(columns: Columns, pictures: Pictures, number: int) -> dict[str, Any]:
    """What is drawn of ``PART_SIZE`` images.

    ``boxes`` holds for each image ``x, y, width, height, position of the class`` of one box after the other, ``thumbs``
    and ``previews`` the file's name or an empty text, ``direct`` whether a browser can show the image itself (1, 0);
    ``findings`` the place in this part to ``[code, severity, where, message]``.
    """
    images = range(number * PART_SIZE, min((number + 1) * PART_SIZE, len(columns)))
    first, end = columns.box_starts[images.start], columns.box_starts[images.stop]
    rows = np.round(columns.bboxes_xywh[first:end], 1).tolist()
    flat = [
        [_short(value) for value in row] + [label]
        for row, label in zip(rows, columns.labels[first:end].tolist(), strict=True)
    ]
    bounds = (columns.box_starts[images.start : images.stop + 1] - first).tolist()
    return {
        "boxes": [[value for row in flat[start:stop] for value in row] for start, stop in pairwise(bounds)],
        "thumbs": [pictures.thumbs[at] for at in images],
        "previews": [pictures.previews[at] for at in images],
        "direct": "".join(str(int(pictures.direct[at])) for at in images),
        "findings": {
            at - images.start: [_told(found) for found in columns.findings[at]]
            for at in images
            if at in columns.findings
        },
    }


def _short(value: float) -> float | int | None:
    """Whole numbers without their point; null for nan, which JSON does not know."""
    if value != value:
        return None
    return int(value) if value == int(value) else value


def _table(values: Sequence[Hashable]) -> tuple[list[Any], list[int]]:
    """The distinct values, and the place of each value among them."""
    place: dict[Hashable, int] = {}
    of = [place.setdefault(value, len(place)) for value in values]
    return list(place), of


def _class_sets(columns: Columns) -> list[tuple[int, ...]]:
    labels, starts = columns.labels.tolist(), columns.box_starts.tolist()
    return [tuple(sorted(set(labels[start:stop]))) for start, stop in pairwise(starts)]


def _classes(columns: Columns) -> list[dict[str, Any]]:
    num_classes = len(columns.class_nums)
    rows = np.repeat(np.arange(len(columns)), np.diff(columns.box_starts))
    pairs = np.unique(rows * max(num_classes, 1) + columns.labels)
    num_images = np.bincount(pairs % max(num_classes, 1), minlength=num_classes).tolist()
    num_boxes = np.bincount(columns.labels, minlength=num_classes).tolist()
    return [
        {"num": num, "name": name, "num_boxes": num_boxes[at], "num_images": num_images[at]}
        for at, (num, name) in enumerate(zip(columns.class_nums, columns.class_names, strict=True))
    ]


def _finding_kinds(columns: Columns) -> list[dict[str, Any]]:
    """Code and severity, worst first, with the images that it is found in."""
    images: dict[tuple[str, str], dict[int, None]] = {}
    for at in sorted(columns.findings):
        for found in columns.findings[at]:
            images.setdefault((found.code, found.severity), {})[at] = None
    order = {code: rank for rank, code in enumerate(CODES)}
    return [
        {
            "code": code,
            "severity": severity,
            "what": CODES[code][1],
            "images": np.diff(np.array(list(found)), prepend=0).tolist(),
        }
        for (code, severity), found in sorted(images.items(), key=lambda item: order[item[0][0]])
    ]


def _told(found: Finding) -> tuple[str, str, str, str]:
    return found.code, found.severity, found.where, found.message
