"""The ways to read four numbers as a box, and which boxes do not fit their image when read that way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anomdet.quality.check.geometry import beyond
from anomdet.quality.check.table import Floats

TOLERANCE_PX = 1.5  # rounding, and counting from 1, are not what these tests look for


def _centre(values: Floats) -> Floats:
    return np.concatenate([values[:, :2] - values[:, 2:] / 2, values[:, 2:]], axis=1)


def _corners(values: Floats) -> Floats:
    return np.concatenate([values[:, :2], values[:, 2:] - values[:, :2]], axis=1)


# Name: numbers as written, in pixels -> corner and size, x before y.
READINGS: dict[str, Callable[[Floats], Floats]] = {
    "corner and size": lambda values: values,
    "two corners": _corners,
    "centre and size": _centre,
    "corner and size, y before x": lambda values: values[:, [1, 0, 3, 2]],
    "two corners, y before x": lambda values: _corners(values[:, [1, 0, 3, 2]]),
}
AS_EXPECTED, CORNERS, CENTRE, SWAPPED, SWAPPED_CORNERS = READINGS


@dataclass(frozen=True)
class Fit:
    """How boxes fit their images under one reading.

    Args:
        wrong: ``(N,)`` turned inside out, or reaching beyond the image.
        bboxes_xywh: ``(W, 4)`` corner and size of the wrong ones; those of all in every reading would take much memory.
        beyond_px: ``(W, 4)`` of theirs beyond left, top, right, bottom; negative inside.
    """

    wrong: NDArray[np.bool_]
    bboxes_xywh: Floats
    beyond_px: Floats

    @property
    def num_wrong(self) -> int:
        return int(self.wrong.sum())

    @property
    def percent(self) -> str:
        """Of wrong boxes; 'none' and 'all' are exact."""
        if not self.num_wrong:
            return "none"
        if self.wrong.all():
            return "all"
        share = 100 * self.num_wrong / len(self.wrong)
        return f"{share:.0f} %" if 1 <= share <= 99 else f"{share:.2g} %" if share < 1 else f"{share:.4g} %"


def read_as(reading: str, values: Floats, size_wh: Floats) -> Fit:
    """Boxes under a reading.

    Args:
        reading: a key of :data:`READINGS`.
        values: ``(N, 4)`` as written, in pixels.
        size_wh: ``(N, 2)`` of the images, pixels.
    """
    bboxes_xywh = READINGS[reading](values)
    beyond_px = beyond(bboxes_xywh, size_wh)
    wrong: NDArray[np.bool_] = np.asarray(
        (bboxes_xywh[:, 2:] <= 0).any(axis=1) | (beyond_px > TOLERANCE_PX).any(axis=1)
    )
    return Fit(wrong, bboxes_xywh[wrong], beyond_px[wrong])
