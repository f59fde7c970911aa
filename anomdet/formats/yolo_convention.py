"""Numbers of YOLO's labels that are no centre and size: two corners, or the top-left corner and the size."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from anomdet.formats.dataset import Findings, Picture

_MIN_LEAVING, _MIN_SHARE, _MIN_FITTING = 3, 0.2, 0.99
_FATE = "kept as a centre and a size; if it is not, correct the labels"


def note_convention(pictures: list[Picture], findings: Findings) -> None:
    """Report boxes that leave their images as a centre and a size, where nearly all fit in another way.

    Args:
        pictures: as read, with their sizes.
        findings: takes the notes.
    """
    owners = [picture for picture in pictures if picture.width for _ in picture.boxes]
    if len(owners) < _MIN_LEAVING:
        return
    boxes = np.array([box[1:5] for picture in pictures if picture.width for box in picture.boxes], dtype=float)
    sizes_wh = np.array([(picture.width, picture.height) for picture in owners], dtype=float)
    found = other_convention(boxes, sizes_wh)
    if found is None:
        return
    what = f"box that leaves its image as a centre and a size, and fits as {found[0]}"
    for picture, leaves in zip(owners, found[1].tolist(), strict=True):
        findings.note(what, _FATE, picture.where, int(leaves))


def other_convention(
    bboxes_xywh: NDArray[np.float64], sizes_wh: NDArray[np.float64]
) -> tuple[str, NDArray[np.bool_]] | None:
    """What the numbers seem to be, and which boxes ``(N,)`` show it; None where nothing does.

    At least three, and a fifth of all, leave their image; hardly one does when read in the other way.

    Args:
        bboxes_xywh: ``(N, 4)`` pixels, as they were read from a centre and a size.
        sizes_wh: ``(N, 2)`` width and height of each one's image.

    >>> sizes = np.full((3, 2), 100.0)
    >>> other_convention(np.array([[-20, -20, 60, 60.0]] * 3), sizes)[0]
    'two corners'
    >>> other_convention(np.array([[10, 10, 60, 60.0]] * 3), sizes) is None
    True
    """
    sizes = bboxes_xywh[:, 2:]
    centers = bboxes_xywh[:, :2] + sizes / 2
    first, second = bboxes_xywh[:, :2], bboxes_xywh[:, :2] + sizes
    leaves: NDArray[np.bool_] = np.any((first < -1) | (second > sizes_wh + 1), axis=1)
    if leaves.sum() < _MIN_LEAVING or leaves.mean() < _MIN_SHARE:
        return None
    inside = (centers >= -1).all(axis=1)
    are_corners = inside & (sizes > centers).all(axis=1) & (sizes <= sizes_wh + 1).all(axis=1)
    are_corner_and_size = inside & (centers + sizes <= sizes_wh + 1).all(axis=1)
    for name, fits in (("two corners", are_corners), ("a top-left corner and a size", are_corner_and_size)):
        if fits.mean() >= _MIN_FITTING:
            return name, leaves
    return None
