"""Boxes that were drawn on images without their EXIF orientation, as labelling tools that do not apply it show them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from anomdet.quality.check.convention import Convention, find_convention, is_better
from anomdet.quality.check.readings import AS_EXPECTED, SWAPPED, Fit, read_as
from anomdet.quality.check.table import Boxes, Floats

_QUARTER_TURNS = 5  # orientations from here on exchange width and height
CODE = "boxes-unturned"


def find_unturned(boxes: Boxes, orientations: NDArray[np.int64]) -> Convention | None:
    """The convention, if the boxes of turned images leave them as shown and fit them as stored; None: not shown.

    A turn by 90 degrees and an exchange of x and y leave the same boxes outside: where images that are not turned show
    the exchange, too, it is that.

    Args:
        boxes: of all images.
        orientations: ``(N,)`` EXIF's, of the image of each box.
    """
    known = np.isfinite(boxes.size_wh).all(axis=1)
    turned = known & (orientations >= _QUARTER_TURNS)
    if not is_better(_fit(boxes, turned, AS_EXPECTED), _fit(boxes, turned, AS_EXPECTED, stored=True)):
        return None
    others = known & (orientations < _QUARTER_TURNS)
    if is_better(_fit(boxes, others, AS_EXPECTED), _fit(boxes, others, SWAPPED)):
        return None
    upright = Boxes(
        boxes.files, boxes.file_at, boxes.line_nums, boxes.class_nums, to_upright(boxes, orientations), boxes.size_wh
    )
    found = find_convention(upright)
    if found.reading != AS_EXPECTED or found.scaled.any():
        return None
    shown, stored = _fit(boxes, turned, AS_EXPECTED), _fit(boxes, turned, AS_EXPECTED, stored=True)
    evidence = (
        f"{shown.percent} of the {int(turned.sum())} boxes in images that are turned by 90 degrees reach outside of "
        f"the image as viewers show it, {stored.percent} outside of it as its file stores it"
    )
    return Convention(AS_EXPECTED, found.scaled, CODE, evidence, upright=upright.values)


def _fit(boxes: Boxes, chosen: NDArray[np.bool_], reading: str, *, stored: bool = False) -> Fit:
    size_wh = boxes.size_wh[chosen]
    return read_as(reading, boxes.values[chosen], size_wh[:, ::-1] if stored else size_wh)


def to_upright(boxes: Boxes, orientations: NDArray[np.int64]) -> Floats:
    """Corner and size ``(N, 4)`` in the image as viewers show it, from those in the image as stored."""
    x, y, width, height = boxes.values.T
    quarter = orientations >= _QUARTER_TURNS
    # The stored axes become those of the upright image, then each is counted from the other end where it is mirrored.
    left, top = np.where(quarter, y, x), np.where(quarter, x, y)
    width, height = np.where(quarter, height, width), np.where(quarter, width, height)
    mirrored_x, mirrored_y = np.isin(orientations, (2, 3, 6, 7)), np.isin(orientations, (3, 4, 7, 8))
    left = np.where(mirrored_x, boxes.size_wh[:, 0] - left - width, left)
    top = np.where(mirrored_y, boxes.size_wh[:, 1] - top - height, top)
    return np.stack([left, top, width, height], axis=1)
