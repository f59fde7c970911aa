"""Boxes at the border of a tile: cut, kept while enough of them is visible, else set aside."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from anomdet.boxes import area_xyxy

LEAST_SEEN_PX = 4.0  # of a box's shorter side in the whole image, as the network sees it: below it shows nothing


class CutBoxes(NamedTuple):
    """The boxes of an image that reach into a window.

    Args:
        rows: ``(K,)`` which of the image's boxes.
        bboxes_xyxy: ``(K, 4)`` float32, cut to the window, in its own pixels.
        is_kept: ``(K,)`` enough of the box is visible; what is not kept is no background either.
    """

    rows: NDArray[np.int64]
    bboxes_xyxy: NDArray[np.float32]
    is_kept: NDArray[np.bool_]


def visible_shares(bboxes_xyxy: NDArray[np.floating], windows: NDArray[np.integer]) -> NDArray[np.float64]:
    """``(boxes, windows)`` share of each box's area that lies in each window.

    >>> visible_shares(np.array([[0.0, 0, 10, 10]]), np.array([[5, 0, 50, 50], [0, 0, 50, 50]])).tolist()
    [[0.5, 1.0]]
    """
    boxes, limits = bboxes_xyxy.astype(np.float64)[:, None], windows.astype(np.float64)[None]
    size_wh = np.minimum(boxes[..., 2:], limits[..., 2:]) - np.maximum(boxes[..., :2], limits[..., :2])
    shares: NDArray[np.float64] = np.maximum(size_wh, 0).prod(axis=2) / np.maximum(
        area_xyxy(boxes[:, 0])[:, None], 1e-9
    )
    return shares


def cut_boxes(bboxes_xyxy: NDArray[np.floating], window: NDArray[np.integer], min_visible: float) -> CutBoxes:
    """The boxes ``(N, 4)`` of an image as a window ``(4,)`` shows them.

    >>> cut = cut_boxes(np.array([[0.0, 0, 10, 10], [90, 90, 95, 95]]), np.array([8, 0, 58, 50]), 0.3)
    >>> cut.bboxes_xyxy.tolist(), cut.is_kept.tolist()
    ([[0.0, 0.0, 2.0, 10.0]], [False])
    """
    shares = visible_shares(bboxes_xyxy, window[None])[:, 0]
    rows = np.flatnonzero(shares > 0)
    low, high = np.tile(window[:2], 2), np.tile(window[2:], 2)
    boxes = (np.clip(bboxes_xyxy[rows], low, high) - low).astype(np.float32)
    return CutBoxes(rows, boxes, shares[rows] >= min_visible)


def too_small_to_see(
    bboxes_xyxy: NDArray[np.floating], size_hw: tuple[int, int], seen_hw: tuple[int, int]
) -> NDArray[np.bool_]:
    """Boxes ``(N, 4)`` of which nothing is left where the network sees an image of ``size_hw`` within ``seen_hw``."""
    factor = min(seen_hw[0] / size_hw[0], seen_hw[1] / size_hw[1])
    sides = (bboxes_xyxy[:, 2:] - bboxes_xyxy[:, :2]).min(axis=1, initial=np.inf)
    small: NDArray[np.bool_] = sides * factor < LEAST_SEEN_PX
    return small
