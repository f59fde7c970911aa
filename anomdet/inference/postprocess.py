"""From a network's rows to the detections of an image, in its own pixels; numpy alone, the same for every backend."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anomdet.boxes import area_xyxy, clip_xyxy
from anomdet.errors import Problem, UserError
from anomdet.inference.thresholds import Threshold

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Detections:
    """The rows of one image.

    Args:
        bboxes_xyxy: ``(N, 4)`` float32, in pixels of the image itself.
        scores: ``(N,)`` float32.
        labels: ``(N,)`` int64, positions in the network's order of classes.
    """

    bboxes_xyxy: Floats
    scores: Floats
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.scores)

    def rows(self, chosen: NDArray[np.bool_] | NDArray[np.int64]) -> Detections:
        """The chosen rows, by mask or position."""
        return Detections(self.bboxes_xyxy[chosen], self.scores[chosen], self.labels[chosen])


def joined(parts: Sequence[Detections]) -> Detections:
    """The rows of several, one behind the other."""
    return Detections(
        np.concatenate([part.bboxes_xyxy for part in parts]),
        np.concatenate([part.scores for part in parts]),
        np.concatenate([part.labels for part in parts]),
    )


def is_valid(detections: Detections) -> NDArray[np.bool_]:
    """``(N,)`` which rows have finite coordinates and a score from 0 to 1."""
    scores = detections.scores
    good: NDArray[np.bool_] = np.isfinite(detections.bboxes_xyxy).all(axis=1) & (scores >= 0) & (scores <= 1)
    return good


def to_original(bboxes_xyxy: Floats, scale_wh: NDArray[np.float64]) -> Floats:
    """Boxes ``(N, 4)`` in pixels of the network to pixels of the image, rounded as MMDetection's ``scale_boxes`` does.

    >>> to_original(np.float32([[8, 16, 24, 32]]), np.array([0.5, 0.25]))
    array([[ 16.,  64.,  48., 128.]], dtype=float32)
    """
    back = (1 / np.asarray(scale_wh, dtype=np.float64)).astype(np.float32)
    return bboxes_xyxy * np.tile(back, 2)


def suppress(detections: Detections, *, iou_threshold: float, max_kept: int) -> Detections:
    """Greedy non-maximum suppression within each class, best score first; of equal scores by label, left to right.

    For backends whose graph ends before it. Gives the rows that :func:`anomdet.ops.suppression.suppress` gives.

    Args:
        detections: any order.
        iou_threshold: a box that overlaps a better one of its class by more than this is dropped.
        max_kept: the best so many over all classes.
    """
    order = np.lexsort((*detections.bboxes_xyxy.T[::-1], detections.labels, -detections.scores))
    kept: list[int] = []
    for label in np.unique(detections.labels):
        rows = order[detections.labels[order] == label]
        kept += _greedy(detections.bboxes_xyxy, rows, iou_threshold, max_kept)
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    return detections.rows(np.array(sorted(kept, key=place.__getitem__)[:max_kept], dtype=np.int64))


def _greedy(bboxes_xyxy: Floats, rows: NDArray[np.int64], iou_threshold: float, max_kept: int) -> list[int]:
    """The rows that are kept of those of one class, which come best first."""
    kept: list[int] = []
    boxes = bboxes_xyxy.astype(np.float64)
    areas = area_xyxy(boxes)
    while len(rows) and len(kept) < max_kept:
        best, rows = rows[0], rows[1:]
        kept.append(int(best))
        top_left = np.maximum(boxes[best, :2], boxes[rows, :2])
        bottom_right = np.minimum(boxes[best, 2:], boxes[rows, 2:])
        intersection = np.maximum(bottom_right - top_left, 0).prod(axis=1)
        rows = rows[intersection <= iou_threshold * (areas[best] + areas[rows] - intersection)]
    return kept


def clipped(detections: Detections, size_hw: tuple[int, int]) -> Detections:
    """The boxes cut to an image of a height and a width."""
    boxes = clip_xyxy(detections.bboxes_xyxy, *size_hw).astype(np.float32, copy=False)
    return Detections(boxes, detections.scores, detections.labels)


def valid(detections: Detections, num_classes: int, where: str) -> tuple[Detections, int]:
    """The rows with finite coordinates and a score from 0 to 1, by falling score, and how many others there were.

    A box turned inside out gets no size, as in the evaluation.

    Raises:
        UserError: the network has more classes than are known.
    """
    if (most := int(detections.labels.max(initial=-1))) >= num_classes:
        hint = "the network and what is written about it do not belong together; export again"
        got = f"a detection of class {most + 1}"
        raise UserError(Problem(where or "the detector", f"a network of {num_classes} classes", got, hint))
    good = is_valid(detections)
    if not good.all():
        detections = detections.rows(good)
    order = np.argsort(-detections.scores, kind="stable")
    if (order[1:] < order[:-1]).any():
        detections = detections.rows(order)
    boxes = detections.bboxes_xyxy
    upright = np.concatenate([boxes[:, :2], np.maximum(boxes[:, :2], boxes[:, 2:])], axis=1)
    return Detections(upright, detections.scores, detections.labels), int(len(good) - good.sum())


def at_or_above(scores: Floats, class_nums: NDArray[np.int64], threshold: Threshold) -> NDArray[np.bool_]:
    """``(N,)`` which detections reach the threshold of their class; compared in float64, as the evaluation does.

    >>> at_or_above(np.float32([0.5, 0.5]), np.array([1, 2]), {1: 0.5, 2: 0.6})
    array([ True, False])
    """
    if not isinstance(threshold, Mapping):
        return scores.astype(np.float64) >= threshold
    return scores.astype(np.float64) >= np.array([threshold[num] for num in class_nums.tolist()], dtype=np.float64)


def lowest(threshold: Threshold) -> float:
    """The lowest of all classes.

    >>> lowest({1: 0.5, 2: 0.25})
    0.25
    """
    return min(threshold.values()) if isinstance(threshold, Mapping) else float(threshold)
