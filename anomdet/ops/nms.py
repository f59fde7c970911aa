"""Non-maximum suppression: hard, soft and with a record of who suppressed whom."""

from __future__ import annotations

import numpy as np
import torch
import torchvision
from numpy.typing import NDArray
from torch import Tensor

from anomdet.ops.precision import upcast

_NAIVE, _LINEAR, _GAUSSIAN = 0, 1, 2


def nms(boxes: Tensor, scores: Tensor, *, iou_threshold: float, offset: int) -> Tensor:
    """Indices (int64) of the kept boxes, best score first.

    Args:
        boxes: ``(N, 4)``, xyxy in pixels.
        scores: ``(N,)``.
        iou_threshold: a box that overlaps a better one by more than this is dropped.
        offset: added to each box's width and height: 0, or 1 where x2 and y2 name the last pixel.
    """
    boxes = upcast(boxes)
    if offset:
        boxes = boxes + boxes.new_tensor([0, 0, offset, offset])
    return torchvision.ops.nms(boxes, scores.to(boxes.dtype), iou_threshold)


def softnms(  # noqa: PLR0913  (the signature is mmcv's)
    boxes: Tensor,
    scores: Tensor,
    dets: Tensor,
    *,
    iou_threshold: float,
    sigma: float,
    min_score: float,
    method: int,
    offset: int,
) -> Tensor:
    """Soft-NMS (Bodla 2017): overlapped boxes lose score instead of being dropped.

    Writes boxes and decayed scores to the first rows of ``dets`` ``(N, 5)``, in order of selection, and returns the
    indices (int64) of those rows' boxes. ``method``: 0 naive, 1 linear, 2 gaussian.
    """
    boxes_np, scores_np = _to_numpy(boxes), _to_numpy(scores).copy()
    remaining = np.arange(len(boxes_np))
    kept: list[int] = []
    while len(remaining):
        best = remaining[scores_np[remaining].argmax()]
        kept.append(int(best))
        remaining = remaining[remaining != best]
        ious = _ious_with(boxes_np[best], boxes_np[remaining], offset)
        scores_np[remaining] *= _decay(ious, method=method, iou_threshold=iou_threshold, sigma=sigma)
        remaining = remaining[scores_np[remaining] >= min_score]
    inds = torch.tensor(kept, dtype=torch.long)
    dets[: len(kept), :4] = boxes[inds]
    dets[: len(kept), 4] = torch.from_numpy(scores_np[kept]).to(dets.dtype)
    return inds


def nms_match(dets: Tensor, *, iou_threshold: float) -> list[list[int]]:
    """Groups of indices into ``dets`` ``(N, 5)`` (xyxy, score): a kept box, then those it suppressed, best first."""
    dets_np = _to_numpy(dets)
    remaining = np.argsort(-dets_np[:, 4], kind="stable")
    groups = []
    while len(remaining):
        best, others = remaining[0], remaining[1:]
        suppressed = _ious_with(dets_np[best, :4], dets_np[others, :4], 0) >= iou_threshold
        groups.append([int(best), *others[suppressed].tolist()])
        remaining = others[~suppressed]
    return groups


def bbox_overlaps(bboxes1: Tensor, bboxes2: Tensor, ious: Tensor, *, mode: int, aligned: bool, offset: int) -> None:
    """Write intersection over union (mode 0) or over the first box (mode 1) to ``ious`` ``(M, N)`` or ``(M,)``."""
    first, second = upcast(bboxes1), upcast(bboxes2)
    areas1, areas2 = _areas(first, offset), _areas(second, offset)
    if not aligned:
        first, areas1 = first[:, None], areas1[:, None]
    top_left = torch.maximum(first[..., :2], second[..., :2])
    bottom_right = torch.minimum(first[..., 2:], second[..., 2:])
    overlaps = (bottom_right - top_left + offset).clamp(min=0).prod(-1)
    bases = areas1 if mode == 1 else areas1 + areas2 - overlaps
    # A box without area overlaps nothing; one square pixel keeps the quotient finite.
    ious.copy_(overlaps / torch.where(bases > 0, bases, torch.ones_like(bases)))


def _to_numpy(tensor: Tensor) -> NDArray[np.floating]:
    result: NDArray[np.floating] = upcast(tensor.detach()).cpu().numpy()
    return result


def _areas(bboxes_xyxy: Tensor, offset: int) -> Tensor:
    return (bboxes_xyxy[:, 2:] - bboxes_xyxy[:, :2] + offset).prod(-1)


def _ious_with(box_xyxy: NDArray[np.floating], others_xyxy: NDArray[np.floating], offset: int) -> NDArray[np.floating]:
    """IoU of one box ``(4,)`` with others ``(N, 4)``; 0 where the union has no area."""
    top_left = np.maximum(box_xyxy[:2], others_xyxy[:, :2])
    bottom_right = np.minimum(box_xyxy[2:], others_xyxy[:, 2:])
    overlaps = np.maximum(bottom_right - top_left + offset, 0).prod(axis=1)
    areas = (others_xyxy[:, 2:] - others_xyxy[:, :2] + offset).prod(axis=1)
    unions = (box_xyxy[2:] - box_xyxy[:2] + offset).prod() + areas - overlaps
    result: NDArray[np.floating] = np.divide(overlaps, unions, out=np.zeros_like(overlaps), where=unions > 0)
    return result


def _decay(ious: NDArray[np.floating], *, method: int, iou_threshold: float, sigma: float) -> NDArray[np.floating]:
    if method == _GAUSSIAN:
        result: NDArray[np.floating] = np.exp(-(ious**2) / sigma)
        return result
    assert method in (_NAIVE, _LINEAR), f"unknown soft-NMS method {method}"
    return np.where(ious >= iou_threshold, 0 if method == _NAIVE else 1 - ious, 1)
