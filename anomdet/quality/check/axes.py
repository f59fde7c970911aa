"""Whether x and y were exchanged, from the pixels: in square images the boxes alone cannot show it.

A square can be laid over itself in eight ways. Where boxes mark something, the pixels under them differ from those
under the same boxes laid the other ways. So the way that is right stands out from the ways that mirror it: if that is
the way as written, x and y are right; if it is the one that exchanges the two, they are not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from anomdet.data.index.files import FoundFile
from anomdet.layout import IMAGES_DIR
from anomdet.quality.check.convention import Convention
from anomdet.quality.check.readings import AS_EXPECTED, CORNERS, READINGS, SWAPPED, SWAPPED_CORNERS, read_as
from anomdet.quality.check.table import Boxes, Floats

_MAX_IMAGES = 100
_MIN_BOXES = 30
_MIN_SIGMA = 6.0
_RATIO = 2.5
_EXCHANGED = {AS_EXPECTED: SWAPPED, CORNERS: SWAPPED_CORNERS}


def judge_axes(
    data_dir: Path, images: Sequence[FoundFile | None], boxes: Boxes, convention: Convention, bit_depth: int = 16
) -> Convention:
    """The convention, with the question of x and y answered where pixels can.

    Args:
        data_dir: holds images/.
        images: of ``boxes.files``.
        boxes: of all images.
        convention: as the boxes alone show it.
        bit_depth: bits that images of 16 bit use.
    """
    square = (boxes.size_wh[:, 0] == boxes.size_wh[:, 1]) | np.isnan(boxes.size_wh[:, 0])
    exchanged_reading = _EXCHANGED.get(convention.reading)
    if not len(boxes) or not square.all() or exchanged_reading is None or convention.scaled.any():
        return convention
    measured = _measure(data_dir, images, boxes, convention.reading, bit_depth)
    open_questions = tuple(told for told in convention.open_questions if not told.startswith("x before y"))
    if len(measured) < _MIN_BOXES:
        told = "x before y or y before x: all images are square, and too few boxes can be compared with their pixels"
        return replace(convention, open_questions=(*open_questions, told))
    written, exchanged = _stands_out(measured[:, :4]), _stands_out(measured[:, 4:])
    told = (
        f"the pixels under {len(measured)} boxes differ by {exchanged:.1f} standard errors from those under their "
        f"mirror images when x and y are exchanged, by {written:.1f} as written"
    )
    if exchanged >= _MIN_SIGMA and exchanged >= _RATIO * written:
        return Convention(exchanged_reading, convention.scaled, "boxes-swapped", told)
    if written >= _MIN_SIGMA and written >= _RATIO * exchanged:
        return replace(convention, evidence=f"{convention.evidence}; {told}", open_questions=open_questions)
    return replace(convention, open_questions=(*open_questions, f"x before y or y before x: {told}"))


def _stands_out(measured: Floats) -> float:
    """Standard errors between the first way and the mean of its three mirror images, of the feature that shows most."""
    difference = measured[:, 0] - measured[:, 1:].mean(axis=1)
    error = difference.std(axis=0, ddof=1) / np.sqrt(len(difference))
    sigma = np.abs(difference.mean(axis=0)) / np.maximum(error, 1e-12)
    return float(sigma.max())


def _measure(data_dir: Path, images: Sequence[FoundFile | None], boxes: Boxes, reading: str, bit_depth: int) -> Floats:
    """Features ``(N, 8, F)`` under the boxes of a sample of images; the first four ways keep the axes."""
    from anomdet.errors import UserError
    from anomdet.images.decode import read_image

    is_known = np.isfinite(boxes.size_wh).all(axis=1)  # of others the image is bad, or too large to be decoded
    usable = is_known & ~read_as(reading, boxes.values, boxes.size_wh).wrong
    with_boxes = np.unique(boxes.file_at[usable])
    step = max(1, len(with_boxes) // _MAX_IMAGES)
    rows: list[Floats] = []
    for file_at in with_boxes[::step].tolist():
        image = images[file_at]
        assert image is not None
        try:
            path = data_dir / IMAGES_DIR / image.name
            pixels = read_image(path, max_megapixels=None, bit_depth=bit_depth)  # the check has its limit
        except UserError:
            continue
        chosen = np.flatnonzero((boxes.file_at == file_at) & usable)
        rows.extend(_features(pixels, READINGS[reading](boxes.values[chosen])))
    return np.array(rows)


def _features(pixels: np.ndarray, bboxes_xywh: Floats) -> list[Floats]:
    """``(8, F)`` of each box: brightness, spread, edges, and brightness against the surroundings."""
    import cv2

    grey = cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY).astype(np.float32)
    edges = np.abs(cv2.Laplacian(grey, cv2.CV_32F))
    side_px = grey.shape[0]
    return [
        np.array([_look(grey, edges, *way) for way in _eight_ways(bbox, side_px)])
        for bbox in np.rint(bboxes_xywh).astype(int).tolist()
    ]


def _eight_ways(bbox_xywh: Sequence[int], side_px: int) -> list[tuple[int, int, int, int]]:
    """The box as written and mirrored (left and right, top and bottom, both), and all four with x and y exchanged."""
    x, y, width, height = bbox_xywh
    mirrored_x, mirrored_y = side_px - x - width, side_px - y - height
    as_written = [(left, top, width, height) for left in (x, mirrored_x) for top in (y, mirrored_y)]
    return as_written + [(top, left, high, wide) for left, top, wide, high in as_written]


def _look(grey: np.ndarray, edges: np.ndarray, x: int, y: int, width: int, height: int) -> list[float]:
    x, y = min(max(x, 0), grey.shape[1] - 1), min(max(y, 0), grey.shape[0] - 1)
    rows, columns = slice(y, y + max(height, 1)), slice(x, x + max(width, 1))
    inside = grey[rows, columns]
    around = grey[max(y - height // 2, 0) : y + height * 3 // 2 + 1, max(x - width // 2, 0) : x + width * 3 // 2 + 1]
    brightness = float(inside.mean())
    return [brightness, float(inside.std()), float(edges[rows, columns].mean()), abs(brightness - float(around.mean()))]
