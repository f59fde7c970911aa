"""Whether pixels are counted from 0 or from 1: only boxes that touch a border show it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from anomdet.quality.check.table import Floats

_MIN_OVER = 3
_MIN_PILE = 5
_PILE_RATIO = 3


@dataclass(frozen=True)
class Counted:
    """Whether pixels are counted from 1 (None: the boxes do not show it), and why."""

    answer: bool | None
    evidence: str


def from_one(values: Floats, size_wh: Floats) -> Counted:
    """Judge corners and sizes in pixels, ``(N, 4)``, in images of ``(N, 2)`` width and height.

    Boxes that are cut at the left or top border pile up at the first pixel's number; those that are cut at the right
    or bottom border end one pixel beyond the image when they count from 1.
    """
    corner, far = values[:, :2], values[:, :2] + values[:, 2:]
    if (values % 1 != 0).mean() > 0.1:
        return Counted(None, "counting from 0 or 1: the values are no whole pixels")
    num_zero = int((corner < 1).sum())
    if num_zero:
        return Counted(False, f"counted from 0 ({num_zero} values of x or y are 0)")
    num_one = int((corner == 1).sum())
    nearby = [int((corner == pixel).sum()) for pixel in range(2, 6)]
    over = far - size_wh
    num_over = int((over == 1).sum())
    if num_over >= _MIN_OVER and over.max() <= 1:
        return Counted(True, f"{num_over} boxes end one pixel beyond the image, none further, and no x or y is 0")
    if num_one >= _MIN_PILE and num_one >= _PILE_RATIO * max(float(np.mean(nearby)), 1.0):
        evidence = f"x or y is 1 {num_one} times and never 0, as if cut at the border; 2 to 5 come "
        return Counted(True, evidence + f"{', '.join(map(str, nearby))} times")
    return Counted(None, "counting from 0 or 1: too few boxes touch a border of their image")
