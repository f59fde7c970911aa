"""Boxes against their image: outside, reaching out, as large as the image, too small to see."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from anomdet.quality.check.findings import Finding
from anomdet.quality.check.table import Boxes, Floats

MIN_SIDE_PX = 2
_WHOLE_SHARE = 0.99  # of both sides
NOISE_PX = 0.01
_BORDERS = ("left", "top", "right", "bottom")


def check_geometry(boxes: Boxes, bboxes_xywh: Floats) -> Iterator[Finding]:
    """Boxes that no defect has.

    Args:
        boxes: where they stand, and the sizes of their images.
        bboxes_xywh: ``(N, 4)`` corner and size in pixels, whatever was written.
    """
    beyond_px = beyond(bboxes_xywh, boxes.size_wh)
    sides = bboxes_xywh[:, 2:]
    flipped = (sides <= 0).any(axis=1)
    for at in np.flatnonzero(flipped):
        width, height = sides[at]
        got = f"{width:g} x {height:g}, read as the other boxes"
        yield Finding("label-size-not-positive", *boxes.place(at), "a width and a height > 0", got)
    lost = outside(bboxes_xywh, boxes.size_wh) & ~flipped
    for at in np.flatnonzero(lost):
        x, y, width, height = bboxes_xywh[at]
        got = f"x {x:g} to {x + width:g}, y {y:g} to {y + height:g}"
        yield Finding("box-outside", *boxes.place(at), f"a box within the image of {_size(boxes, at)}", got)
    for at in np.flatnonzero((beyond_px > NOISE_PX).any(axis=1) & ~lost & ~flipped):
        got = " and ".join(_reach(border, beyond_px[at, k], sides[at, k % 2]) for k, border in enumerate(_BORDERS))
        got = " and ".join(part for part in got.split(" and ") if part)
        expected = f"a box within the image of {_size(boxes, at)}"
        yield Finding("box-reaches-out", *boxes.place(at), expected, got, "training cuts it")
    for at in np.flatnonzero((sides >= _WHOLE_SHARE * boxes.size_wh).all(axis=1)):
        width, height = sides[at]
        got = f"one of {width:g} x {height:g} px in an image of {_size(boxes, at)}"
        hint = "a normal image has an empty label file"
        yield Finding("box-whole-image", *boxes.place(at), "a box around a defect", got, hint)
    for at in np.flatnonzero((sides < MIN_SIDE_PX).any(axis=1) & ~flipped):
        width, height = sides[at]
        hint = "are these shares of the image?" if np.abs(boxes.values[at]).max() <= 1 else ""
        expected = f"a width and a height of at least {MIN_SIDE_PX} px"
        yield Finding("box-tiny", *boxes.place(at), expected, f"{width:g} x {height:g}", hint)


def beyond(bboxes_xywh: Floats, size_wh: Floats) -> Floats:
    """Pixels ``(N, 4)`` beyond the left, top, right and bottom border; negative inside, nan where not known."""
    corner, far = bboxes_xywh[:, :2], bboxes_xywh[:, :2] + bboxes_xywh[:, 2:]
    return np.concatenate([0 * size_wh - corner, far - size_wh], axis=1)


def outside(bboxes_xywh: Floats, size_wh: Floats) -> NDArray[np.bool_]:
    """Boxes ``(N,)`` of which training has nothing: beyond their image, or thinner than its numbers hold.

    Those of a side of 0 or less are among them; False where the size of the image is not known.
    """
    corner, far = bboxes_xywh[:, :2], bboxes_xywh[:, :2] + bboxes_xywh[:, 2:]
    left = np.minimum(far.astype(np.float32), size_wh.astype(np.float32)) - np.maximum(corner.astype(np.float32), 0)
    return np.asarray((left <= 0).any(axis=1))


def _reach(border: str, beyond_px: float, side_px: float) -> str:
    if not beyond_px > NOISE_PX:
        return ""
    side = "width" if border in ("left", "right") else "height"
    return f"{beyond_px:.4g} px ({100 * beyond_px / side_px:.2g} % of its {side}) beyond the {border} border"


def _size(boxes: Boxes, at: int) -> str:
    width, height = boxes.size_wh[at]
    return f"{width:g} x {height:g} px"
