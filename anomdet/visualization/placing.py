"""Where the labels go: beside their boxes, inside the image, off the other boxes and labels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FAR = (1.3, 2.6, 4.0)  # heights of a label that it may be moved away from its box


def candidates(
    bbox_xyxy: NDArray[np.float64], chip_wh: tuple[int, int], size_hw: tuple[int, int]
) -> NDArray[np.float64]:
    """Top-left corners ``(C, 2)`` for a label of ``chip_wh``, best first, all inside the image."""
    x1, y1, x2, y2 = bbox_xyxy
    w, h = chip_wh
    above, below = y1 - h, y2
    places = [(x1, above), (x1, below), (x2 - w, above), (x2 - w, below), (x2, y1), (x1 - w, y1)]
    places += [(x2, y2 - h), (x1 - w, y2 - h), (x1, y1)]
    for far in FAR:
        places += [(x1, above - far * h), (x1, below + far * h), (x2 + far * h, above), (x1 - w - far * h, above)]
        places += [(x2 + far * h, below), (x1 - w - far * h, below)]
    height, width = size_hw
    return np.clip(np.array(places), 0, [max(width - w, 0), max(height - h, 0)])


def place(
    bboxes_xyxy: NDArray[np.float64],
    index: int,
    taken_xyxy: NDArray[np.float64],
    chip_wh: tuple[int, int],
    size_hw: tuple[int, int],
) -> tuple[tuple[int, int], float]:
    """The best place of one label.

    Args:
        bboxes_xyxy: ``(N, 4)`` all boxes of the image.
        index: whose label it is.
        taken_xyxy: ``(M, 4)`` labels that are placed already.
        chip_wh: width and height of the label.
        size_hw: height and width of the image.

    Returns:
        Its top-left corner, and how bad the place is: 1 for a box or a label that it would hide as a whole.
    """
    corners = candidates(bboxes_xyxy[index], chip_wh, size_hw)
    chips = np.concatenate([corners, corners + chip_wh], axis=1)
    chip_area = chip_wh[0] * chip_wh[1]
    boxes, taken = _near(bboxes_xyxy, chips), _near(taken_xyxy, chips)
    box_area = np.maximum((boxes[:, 2:] - boxes[:, :2]).prod(axis=1), 1.0)
    # A large box loses little by a label inside it, a small one disappears.
    hidden = (_shared_area(chips, boxes) / np.minimum(box_area, 12 * chip_area)).sum(axis=1)
    crossed = 2 * (_shared_area(chips, taken) / chip_area).sum(axis=1)
    center = (bboxes_xyxy[index, :2] + bboxes_xyxy[index, 2:]) / 2
    reach = np.abs(corners + np.array(chip_wh) / 2 - center) - (bboxes_xyxy[index, 2:] - bboxes_xyxy[index, :2]) / 2
    distance = np.maximum(reach - np.array(chip_wh) / 2, 0).sum(axis=1) / chip_wh[1]
    cost = hidden + crossed + 0.06 * distance + 0.004 * np.arange(len(corners))
    best = int(cost.argmin())
    return (round(corners[best, 0]), round(corners[best, 1])), float(hidden[best] + crossed[best])


def _near(boxes_xyxy: NDArray[np.float64], chips_xyxy: NDArray[np.float64]) -> NDArray[np.float64]:
    """The boxes that can share area with any of the chips: a throng has thousands of others."""
    low, high = chips_xyxy[:, :2].min(axis=0), chips_xyxy[:, 2:].max(axis=0)
    near: NDArray[np.float64] = boxes_xyxy[((boxes_xyxy[:, :2] < high) & (boxes_xyxy[:, 2:] > low)).all(axis=1)]
    return near


def _shared_area(a_xyxy: NDArray[np.float64], b_xyxy: NDArray[np.float64]) -> NDArray[np.float64]:
    top_left = np.maximum(a_xyxy[:, None, :2], b_xyxy[None, :, :2])
    bottom_right = np.minimum(a_xyxy[:, None, 2:], b_xyxy[None, :, 2:])
    return np.asarray(np.maximum(bottom_right - top_left, 0).prod(axis=-1))
