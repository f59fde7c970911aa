"""Box arithmetic in numpy. Coordinates are pixels; a box covers ``[x1, x2) x [y1, y2)``, so width is ``x2 - x1``."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.floating]
_LEAST_OF_CORNERS = 20  # boxes
_TOGETHER, _NEAR = 0.25, 0.5  # the correlation of two corners; the share of the second that the first is


def xywh_to_xyxy(bboxes_xywh: Array) -> Array:
    """Top-left corner and size ``(N, 4)`` to two corners ``(N, 4)``; the dtype is kept."""
    bboxes_xyxy = bboxes_xywh.copy()
    bboxes_xyxy[:, 2:] += bboxes_xywh[:, :2]
    return bboxes_xyxy


def xyxy_to_xywh(bboxes_xyxy: Array) -> Array:
    """Two corners ``(N, 4)`` to top-left corner and size ``(N, 4)``; the dtype is kept."""
    bboxes_xywh = bboxes_xyxy.copy()
    bboxes_xywh[:, 2:] -= bboxes_xyxy[:, :2]
    return bboxes_xywh


def clip_xyxy(bboxes_xyxy: Array, height: int, width: int) -> Array:
    """Boxes ``(N, 4)`` cut to the image; one fully outside gets no area."""
    limits = np.array([width, height, width, height], dtype=bboxes_xyxy.dtype)
    return np.clip(bboxes_xyxy, 0, limits)


def with_sides(bboxes_xyxy: Array, height: int, width: int) -> Array:
    """Boxes ``(N, 4)`` as labels: a side without length becomes the pixel of the image that it touches.

    >>> with_sides(np.array([[200.0, 5, 200, 9]]), 100, 200).tolist()
    [[199.0, 5.0, 200.0, 9.0]]
    """
    first, last = bboxes_xyxy[:, :2], bboxes_xyxy[:, 2:]
    pixel = np.clip(np.floor(first), 0, np.array([width, height]) - 1)
    is_flat = last <= first
    sides = np.where(is_flat, pixel, first), np.where(is_flat, pixel + 1, last)
    sized: Array = np.concatenate(sides, axis=1).astype(bboxes_xyxy.dtype)
    return sized


def area_xyxy(bboxes_xyxy: Array) -> Array:
    """Areas ``(N,)`` in square pixels; 0 where a box is turned inside out."""
    size_wh = np.maximum(bboxes_xyxy[:, 2:] - bboxes_xyxy[:, :2], 0)
    result: Array = size_wh[:, 0] * size_wh[:, 1]
    return result


def pairwise_iou(a_xyxy: Array, b_xyxy: Array) -> Array:
    """Intersection over union ``(A, B)`` of boxes ``(A, 4)`` and ``(B, 4)``; 0 where both areas are 0."""
    top_left = np.maximum(a_xyxy[:, None, :2], b_xyxy[None, :, :2])
    bottom_right = np.minimum(a_xyxy[:, None, 2:], b_xyxy[None, :, 2:])
    size_wh = np.maximum(bottom_right - top_left, 0)
    intersection = size_wh[..., 0] * size_wh[..., 1]
    union = area_xyxy(a_xyxy)[:, None] + area_xyxy(b_xyxy)[None, :] - intersection
    iou = np.zeros(union.shape, dtype=np.result_type(union, np.float32))
    result: Array = np.divide(intersection, union, out=iou, where=union > 0)
    return result


def looks_like_two_corners(bboxes_xywh: Array, sizes_wh: NDArray[Any]) -> NDArray[np.bool_] | None:
    """Which boxes ``(N,)`` leave their image, where that shows that all are two corners; else None.

    At least three, and a fifth of all, or all of two leave it when read as a corner and a size; hardly one does when
    read as two corners, of which the second is always beyond the first.

    Args:
        bboxes_xywh: ``(N, 4)`` pixels, as they are read.
        sizes_wh: ``(N, 2)`` width and height of each one's image.

    >>> boxes, sizes = np.array([[50, 40, 90, 70.0]] * 3), np.array([[100, 80.0]] * 3)
    >>> int(looks_like_two_corners(boxes, sizes).sum()), looks_like_two_corners(boxes / 2, sizes)
    (3, None)
    """
    first, second = bboxes_xywh[:, :2], bboxes_xywh[:, 2:]
    leaves: NDArray[np.bool_] = np.any(first + second > sizes_wh + 1, axis=1)
    fits = (second > first).all(axis=1) & (second <= sizes_wh + 1).all(axis=1)
    many = (leaves.sum() >= 3 and leaves.mean() >= 0.2) or (len(leaves) == 2 and leaves.all())
    return leaves if many and fits.mean() >= 0.99 else None


def grow_as_corners(bboxes_xywh: Array) -> bool:
    """Whether boxes ``(N, 4)`` of images whose sizes nobody knows are two corners, by their numbers alone.

    Of twenty boxes and more all have a second point beyond the first, near to it, and the two grow together, which
    places and sizes do not: the larger x is, the less room is left. Images of many sizes, filled by one object each,
    grow so too, but the first is small then.

    >>> first = np.arange(40.0).reshape(20, 2)
    >>> grow_as_corners(np.hstack([first, first + 9])), grow_as_corners(np.hstack([first, 99 - first]))
    (True, False)
    """
    first, second = bboxes_xywh[:, :2], bboxes_xywh[:, 2:]
    if len(first) < _LEAST_OF_CORNERS or not (second > first).all() or not (first.std(axis=0) > 0).all():
        return False
    together = [np.corrcoef(first[:, axis], second[:, axis])[0, 1] for axis in (0, 1)]
    return bool(min(together) > _TOGETHER and (np.median(first / second, axis=0) > _NEAR).all())
