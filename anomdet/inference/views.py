"""Test-time augmentation at work: an image in each of its views, and the boxes of all views as those of the image."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from anomdet.boxes import pairwise_iou
from anomdet.inference.backends import Backend
from anomdet.inference.backends.backend import run_all
from anomdet.inference.postprocess import Detections, is_valid, joined
from anomdet.inference.preprocess import Prepared
from anomdet.inference.tiling import AGREEING_IOU, COMPARABLE
from anomdet.views import View, Views


def run_views(
    backend: Backend,
    prepared: Sequence[Prepared],
    multiple: int,
    *,
    most: int,
    floor: float,
    views: Views | None,
) -> list[tuple[Detections, float]]:
    """As :func:`anomdet.inference.backends.backend.run_all`, one view after the other, and merged.

    The images of one view go through the network together, so that a batch is as large as without views.
    """
    if views is None:
        return run_all(backend, prepared, multiple, most=most, floor=floor)
    plan = views.plan
    found = [
        run_all(backend, [shown(one, view, views) for one in prepared], multiple, most=most, floor=floor)
        for view in plan
    ]
    return [
        (
            merge_views([rows for rows, _ in of_image], plan, image.original_hw),
            sum(seconds for _, seconds in of_image),
        )
        for image, of_image in zip(prepared, zip(*found, strict=True), strict=True)
    ]


def shown(prepared: Prepared, view: View, views: Views) -> Prepared:
    """An image as a view shows it."""
    pixels = prepared.pixels if view.scale == 1 else prepared.scaled[views.scales.index(view.scale)]
    return replace(prepared, pixels=view.mirrored(pixels))


def merge_views(found: Sequence[Detections], plan: Sequence[View], size_hw: tuple[int, int]) -> Detections:
    """The boxes of an image from those of its views; docs/evaluation.md has the rule in words.

    Boxes of one class that overlap by half or more show one object. Its score is the mean of the best box of each view;
    where a view shows it with less than half of the best score, or not at all, half of the best score counts. Its box
    is the mean of theirs, weighted by how far they lie above that half. So what lies below half of a threshold decides
    nothing, and a score that crosses it moves nothing at once.

    Args:
        found: of each view, in pixels of the mirrored image.
        plan: the views.
        size_hw: of the image.

    Returns:
        In pixels of the image, best first. A row that is not finite stays as it is, for whoever counts such rows.

    >>> left = Detections(np.float32([[10, 5, 30, 9]]), np.float32([0.5]), np.array([0]))
    >>> right = Detections(np.float32([[70, 5, 94, 9]]), np.float32([0.5]), np.array([0]))
    >>> merged = merge_views([left, right], Views(("horizontal",)).plan, (50, 100))
    >>> merged.bboxes_xyxy.tolist(), merged.scores.tolist()
    ([[8.0, 5.0, 30.0, 9.0]], [0.5])
    """
    rows = joined([turned_back(of_view, view.flip, size_hw) for of_view, view in zip(found, plan, strict=True)])
    view_of = np.repeat(np.arange(len(found)), [len(of_view) for of_view in found])
    good = is_valid(rows)
    order = np.lexsort((view_of, *rows.bboxes_xyxy.T[::-1], rows.labels, -rows.scores))
    objects = [
        (label, *one)
        for label in np.unique(rows.labels[good]).tolist()
        for one in _objects(rows, view_of, order[good[order] & (rows.labels[order] == label)], len(plan))
    ]
    labels, boxes, scores = zip(*objects, strict=True) if objects else ((), (), ())
    merged = Detections(
        np.array(boxes, dtype=np.float32).reshape(-1, 4),
        np.array(scores, dtype=np.float32),
        np.array(labels, dtype=np.int64),
    )
    return joined([merged.rows(np.argsort(-merged.scores, kind="stable")), rows.rows(~good)])


def _objects(
    rows: Detections, view_of: NDArray[np.int64], of_class: NDArray[np.int64], num_views: int
) -> Iterator[tuple[NDArray[np.float64], float]]:
    """Box and score of each object of one class, from its rows, best first."""
    boxes, scores = rows.bboxes_xyxy.astype(np.float64), rows.scores.astype(np.float64)
    while len(of_class):
        best = scores[of_class[0]]
        is_same = pairwise_iou(boxes[of_class[:1]], boxes[of_class])[0] >= AGREEING_IOU
        is_same[0] = True  # of a box without area, too
        same, of_class = of_class[is_same], of_class[~is_same]
        same = same[scores[same] >= COMPARABLE * best]
        members = same[np.unique(view_of[same], return_index=True)[1]]  # the first, the best, of each view
        weights = np.maximum(scores[members] - COMPARABLE * best, np.finfo(np.float32).tiny)[:, None]
        unseen = (num_views - len(members)) * COMPARABLE * best
        yield (weights * boxes[members]).sum(axis=0) / weights.sum(), float(scores[members].sum() + unseen) / num_views


def turned_back(found: Detections, flip: str | None, size_hw: tuple[int, int]) -> Detections:
    """Boxes of a mirrored image as boxes of the image."""
    boxes, (height, width) = found.bboxes_xyxy.copy(), size_hw
    if flip in ("horizontal", "both"):
        boxes[:, [0, 2]] = np.float32(width) - boxes[:, [2, 0]]
    if flip in ("vertical", "both"):
        boxes[:, [1, 3]] = np.float32(height) - boxes[:, [3, 1]]
    return Detections(boxes, found.scores, found.labels)
