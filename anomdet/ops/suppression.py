"""Non-maximum suppression within each class, which stops as soon as enough boxes are kept.

mmcv's ``batched_nms`` looks at all candidates, some 10,000 of an image at RTMDet's floor of 0.001, and keeps classes
apart by shifting their boxes by a multiple of the largest coordinate: in float32, which rounds a box to 1/4,000 px, by
an amount that depends on the other boxes. Here a box's fate depends on the better boxes of its class alone, so that a
higher score floor, another batch or another runtime keeps the same ones.
"""

from __future__ import annotations

import torch
import torchvision
from torch import Tensor

_SHIFT_PX = 2.0**17  # in float64 adding it to a float32 coordinate loses nothing from 1/1,000 px up
_FIRST_LOOK = 10  # times as many candidates as are to be kept; mostly enough
_NEXT_LOOK = 4


def suppress(
    bboxes_xyxy: Tensor, scores: Tensor, labels: Tensor, *, iou_threshold: float, max_kept: int | None = None
) -> Tensor:
    """Indices (int64) of the kept boxes, best score first; of equal scores by label, then from left to right.

    Not in the order in which they come: MMDetection's sorting is not stable, and a saturated network gives many boxes
    the score 1.

    Args:
        bboxes_xyxy: ``(N, 4)``, pixels.
        scores: ``(N,)``.
        labels: ``(N,)``; boxes of different labels do not touch each other.
        iou_threshold: a box that overlaps a better one by more than this is dropped.
        max_kept: the best so many; None: all.

    >>> boxes = torch.tensor([[0.0, 0, 10, 10], [1, 0, 10, 10], [1, 0, 10, 10]])
    >>> suppress(boxes, torch.tensor([0.9, 0.8, 0.7]), torch.tensor([0, 0, 1]), iou_threshold=0.5).tolist()
    [0, 2]
    """
    count = len(scores)
    look = count if max_kept is None else min(_FIRST_LOOK * max_kept, count)
    while True:
        rows = _best(scores, look)
        rows = rows[_order(bboxes_xyxy[rows], scores[rows], labels[rows])]
        inside = bboxes_xyxy[rows].double().clamp(-_SHIFT_PX / 2, _SHIFT_PX / 2)
        apart = inside + (labels[rows].double() * _SHIFT_PX)[:, None]
        # torchvision sorts once more, stably.
        kept = torchvision.ops.nms(apart, scores[rows].double(), iou_threshold)
        if look == count or (max_kept is not None and len(kept) >= max_kept):
            return rows[kept[:max_kept]]
        look = min(_NEXT_LOOK * look, count)


def _best(scores: Tensor, count: int) -> Tensor:
    """Indices of the ``count`` best scores, and of all that equal the last of them, in ascending order."""
    if count == len(scores):
        return torch.arange(count, device=scores.device)
    least = scores.topk(count, sorted=False).values.min()
    return (scores >= least).nonzero().squeeze(1)


def _order(bboxes_xyxy: Tensor, scores: Tensor, labels: Tensor) -> Tensor:
    """By falling score; ties by label, x1, y1, x2 and y2, whatever the order in which they come."""
    order = scores.argsort(descending=True, stable=True)
    falling = scores[order]
    if not bool((falling[1:] == falling[:-1]).any()):
        return order
    order = torch.arange(len(scores), device=scores.device)
    for key in (*bboxes_xyxy.unbind(1)[::-1], labels):
        order = order[key[order].argsort(stable=True)]
    return order[scores[order].argsort(descending=True, stable=True)]
