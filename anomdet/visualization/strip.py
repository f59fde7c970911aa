"""The same images at several epochs, side by side: a row an image, a column an epoch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from anomdet.visualization.color import Color
from anomdet.visualization.draw import Image
from anomdet.visualization.sheets import GROUND, text_line

T = TypeVar("T")
CELL_PX, MAX_COLUMNS = 180, 8
_GAP_PX, _FONT_PX = 4, 14


def thumbnail(image_bgr: Image, bboxes_xyxy: NDArray[np.floating], colors: Sequence[Color]) -> Image:
    """A small image whose boxes still show: lines of one width, no names.

    >>> thumbnail(np.zeros((90, 360, 3), np.uint8), np.array([[0, 0, 8, 8]]), [(0, 0, 255)]).shape
    (45, 180, 3)
    """
    factor = CELL_PX / max(image_bgr.shape[:2])
    size_wh = (max(1, round(image_bgr.shape[1] * factor)), max(1, round(image_bgr.shape[0] * factor)))
    small = np.asarray(cv2.resize(image_bgr, size_wh, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    # A network that has learned little may report boxes of any size.
    bboxes_xyxy = np.clip(bboxes_xyxy * factor, -CELL_PX, 2 * CELL_PX).round().astype(int)
    for (x1, y1, x2, y2), color in zip(bboxes_xyxy.tolist(), colors, strict=True):
        cv2.rectangle(small, (x1, y1), (x2, y2), color, 2)
    return small


def strip_column(images: Sequence[Image], caption: str) -> Image:
    """Small images one below the other, each in the middle of a square, under a caption.

    Args:
        images: of at most ``CELL_PX`` (:func:`thumbnail`).
        caption: over them.
    """
    cells = [text_line(caption, CELL_PX + _GAP_PX, _FONT_PX)]
    for small in images:
        cell = np.full((CELL_PX + _GAP_PX, CELL_PX + _GAP_PX, 3), GROUND, dtype=np.uint8)
        y, x = (CELL_PX - small.shape[0]) // 2, (CELL_PX - small.shape[1]) // 2
        cell[y : y + small.shape[0], x : x + small.shape[1]] = small
        cells.append(cell)
    return np.vstack(cells)


def spread(items: Sequence[T], number: int = MAX_COLUMNS) -> list[T]:
    """At most ``number`` of the items, evenly spread, the first and the last among them.

    >>> spread(range(1, 21), 5)
    [1, 6, 11, 15, 20]
    """
    places = np.linspace(0, len(items) - 1, min(number, len(items))).round().astype(int)
    return [items[place] for place in places]
