"""The same images at several epochs, side by side: a row an image, a column an epoch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import cv2
import numpy as np

from anomdet.visualization.draw import Image
from anomdet.visualization.sheets import GROUND, text_line

T = TypeVar("T")
CELL_PX, MAX_COLUMNS = 180, 8
_GAP_PX, _FONT_PX = 4, 14


def strip_column(images: Sequence[Image], caption: str) -> Image:
    """Images one below the other, each fitted into a square, under a caption.

    >>> strip_column([np.zeros((40, 60, 3), np.uint8)] * 2, "epoch 1").shape
    (392, 184, 3)
    """
    cells = [text_line(caption, CELL_PX + _GAP_PX, _FONT_PX)]
    for image in images:
        cell = np.full((CELL_PX + _GAP_PX, CELL_PX + _GAP_PX, 3), GROUND, dtype=np.uint8)
        factor = CELL_PX / max(image.shape[:2])
        size_wh = (max(1, round(image.shape[1] * factor)), max(1, round(image.shape[0] * factor)))
        small = cv2.resize(image, size_wh, interpolation=cv2.INTER_AREA)
        y, x = (CELL_PX - small.shape[0]) // 2, (CELL_PX - small.shape[1]) // 2
        cell[y : y + small.shape[0], x : x + small.shape[1]] = small
        cells.append(cell)
    return np.vstack(cells)


def spread(items: Sequence[T], number: int = MAX_COLUMNS) -> list[T]:
    """At most ``number`` of the items, evenly spread, the first and the last among them.

    >>> spread(range(1, 21), 5)
    [1, 6, 10, 15, 20]
    """
    places = np.linspace(0, len(items) - 1, min(number, len(items))).round().astype(int)
    return [items[place] for place in places]
