"""Brightness and contrast of a sample of the images, from a decode at reduced scale."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from anomdet.errors import UserError
from anomdet.images.decode import imdecode, read_image
from anomdet.images.headers import BadImageError, Header
from anomdet.layout import IMAGES_DIR, SPLITS
from anomdet.quality.check.table import Floats, Ints
from anomdet.quality.health.numbers import quantiles
from anomdet.quality.health.table import NORMAL, Table

SAMPLE = 500  # images, evenly over the order of names
SUSPECTS = 40  # more, those with the fewest bytes a pixel: an empty picture compresses best
BLANK = 2.0  # grey levels of contrast below which nothing is to be seen
SPREADS = 6.0  # robust standard deviations, and at least
LEVELS = 25.0  # grey levels, from which on an image is unlike the others
MAX_PIXELS = 100_000_000
MAX_OUTLIERS = 24
_REDUCED = {8: cv2.IMREAD_REDUCED_GRAYSCALE_8, 4: cv2.IMREAD_REDUCED_GRAYSCALE_4, 2: cv2.IMREAD_REDUCED_GRAYSCALE_2}
_LEAST_SIDE = 128


class Grey(NamedTuple):
    """Mean and standard deviation of an image, in grey levels from 0 to 255."""

    mean: float
    contrast: float


def pixels(data_dir: Path, table: Table, bit_depth: int = 16) -> dict[str, Any]:
    """How bright the images are, and which are unlike the others.

    Args:
        data_dir: holds images/.
        table: of the images.
        bit_depth: bits that images of 16 bit use.
    """
    usable = np.flatnonzero([_readable(header) for header in table.headers])
    sample = usable[np.unique(np.linspace(0, len(usable) - 1, min(SAMPLE, len(usable))).astype(np.int64))]
    extra = np.setdiff1d(_suspects(table, usable), sample)
    places = np.concatenate([sample, extra])
    jobs = [(os.fspath(data_dir / IMAGES_DIR / table.files[at].name), table.headers[at]) for at in places.tolist()]
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        read = list(pool.map(lambda job: _grey(job[0], job[1], bit_depth), jobs))
    done = np.array([grey is not None for grey in read], dtype=bool)
    values = np.array([grey for grey in read if grey is not None], dtype=np.float64).reshape(-1, 2)
    even = done[: len(sample)].sum()
    return {
        "read": int(even),
        "suspects": int(done[len(sample) :].sum()),
        "unread": int((~done).sum()) + len(table.files) - len(usable),
        "mean": quantiles(values[:even, 0]),
        "contrast": quantiles(values[:even, 1]),
        "splits": _of_splits(table.splits[places[done]][:even], values[:even, 0]),
        "points": _points(table, places[done][:even], values[:even]),
        "outliers": _outliers(table, places[done], values, int(even)),
    }


def _readable(header: Header | None) -> bool:
    return header is not None and header.height * header.width <= MAX_PIXELS


def _suspects(table: Table, usable: Ints) -> Ints:
    if not len(usable):
        return usable
    size = np.array([table.files[at].size for at in usable.tolist()], dtype=np.float64)
    order = np.argsort(size / table.size_hw[usable].prod(axis=1), kind="stable")
    return usable[order[:SUSPECTS]]


def _grey(path: str, header: Header, bit_depth: int) -> Grey | None:
    """None where the file cannot be decoded; ``check --decode`` says why."""
    try:
        if header.kind == "tiff" or header.bit_depth > 8:  # as training sees them
            image = cv2.cvtColor(read_image(path, max_megapixels=None, bit_depth=bit_depth), cv2.COLOR_BGR2GRAY)
        else:
            image = imdecode(np.fromfile(path, dtype=np.uint8), header.kind, _flags(header))
    except (OSError, UserError, BadImageError, cv2.error):
        return None
    if image is None:
        return None
    mean, spread = cv2.meanStdDev(image)
    return Grey(float(mean[0, 0]), float(spread[0, 0]))


def _flags(header: Header) -> int:
    """Reduced, where that leaves enough."""
    factor = next((factor for factor in _REDUCED if min(header.height, header.width) >= factor * _LEAST_SIDE), 0)
    return int(_REDUCED.get(factor, cv2.IMREAD_GRAYSCALE)) | cv2.IMREAD_IGNORE_ORIENTATION


def _of_splits(splits: Ints, means: Floats) -> dict[str, Any]:
    found = {name: quantiles(means[splits == at]) for at, name in enumerate(SPLITS)}
    return {name: values for name, values in found.items() if values is not None}


def _points(table: Table, places: Ints, values: Floats) -> list[dict[str, Any]]:
    return [
        {
            "file_name": table.files[at].name,
            "mean": round(mean, 1),
            "contrast": round(contrast, 1),
            "normal": bool(table.states[at] == NORMAL),
        }
        for at, (mean, contrast) in zip(places.tolist(), values.tolist(), strict=True)
    ]


def _outliers(table: Table, places: Ints, values: Floats, even: int) -> list[dict[str, Any]]:
    """Images without contrast, and those much darker or brighter than the even sample; the farthest first."""
    if not even:
        return []
    middle = float(np.median(values[:even, 0]))
    spread = 1.4826 * float(np.median(np.abs(values[:even, 0] - middle)))
    limit = max(SPREADS * spread, LEVELS)
    blank, off = values[:, 1] < BLANK, values[:, 0] - middle
    odd = np.flatnonzero(blank | (np.abs(off) > limit))
    odd = odd[np.lexsort((-np.abs(off[odd]), ~blank[odd]))]
    return [
        {
            "file_name": table.files[places[at]].name,
            "kind": "blank" if blank[at] else "dark" if off[at] < 0 else "bright",
            "mean": round(float(values[at, 0]), 1),
            "contrast": round(float(values[at, 1]), 1),
        }
        for at in odd[:MAX_OUTLIERS].tolist()
    ]
