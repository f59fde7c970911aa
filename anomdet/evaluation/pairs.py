"""Which predictions overlap which objects: computed once, used by all that follows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from anomdet.evaluation.results import Bools, Floats, GroundTruth, Ints, Results, by_image, make_predictions

_CHUNK = 2_000_000  # pairs at a time: 16 MB a column


@dataclass(frozen=True)
class Pairs:
    """Overlapping pairs of one image each, by rising prediction, then by falling IoU.

    Attributes:
        pred: ``(M,)`` row of the predictions.
        gt: ``(M,)`` row of the ground truth; of equal IoU the later row comes first, as COCO takes them.
        iou: ``(M,)`` COCO's: to a crowd the share of the prediction that lies in it.
        same_class: ``(M,)``.
    """

    pred: Ints
    gt: Ints
    iou: Floats
    same_class: Bools

    def where(self, chosen: Bools | Ints) -> Pairs:
        """Only the pairs that ``chosen`` marks ``(M,)`` or names."""
        return Pairs(self.pred[chosen], self.gt[chosen], self.iou[chosen], self.same_class[chosen])


def overlapping_pairs(results: Results, min_iou: float) -> Pairs:
    """All pairs of a prediction and an object of one image with at least ``min_iou`` > 0."""
    first_gt = by_image(results.gt, results.num_images)
    num_gt = np.diff(first_gt)[results.pred.image]  # candidates of each prediction
    ends = np.cumsum(num_gt)
    total = int(ends[-1]) if len(ends) else 0
    # Cut between predictions, after about a chunk of pairs each.
    cuts = np.unique(np.searchsorted(ends, np.arange(_CHUNK, total + _CHUNK, _CHUNK), side="left") + 1)
    found, start = [], 0
    for stop in np.minimum(cuts, len(ends)).tolist():
        found.append(_pairs_of(results, start, stop, num_gt, first_gt, min_iou))
        start = stop
    columns = [np.concatenate(column) for column in zip(*found, strict=True)] if found else [np.zeros(0)] * 3
    pred, gt, iou = columns[0].astype(np.int64), columns[1].astype(np.int64), columns[2]
    order = np.lexsort((-gt, -iou, pred))
    pred, gt, iou = pred[order], gt[order], iou[order]
    return Pairs(pred, gt, iou, results.pred.label[pred] == results.gt.label[gt])


def _pairs_of(
    results: Results, start: int, stop: int, num_gt: Ints, first_gt: Ints, min_iou: float
) -> tuple[Ints, Ints, Floats]:
    """The pairs of the predictions from ``start`` up to ``stop``."""
    counts = num_gt[start:stop]
    pred = np.repeat(np.arange(start, stop), counts)
    within = np.arange(len(pred)) - np.repeat(np.cumsum(counts) - counts, counts)
    gt = first_gt[results.pred.image[pred]] + within
    # In the order of COCO's own code, so that the last digit agrees.
    a, b = results.pred.bboxes_xywh, results.gt.bboxes_xywh
    overlap_w = np.minimum((a[:, 0] + a[:, 2])[pred], (b[:, 0] + b[:, 2])[gt]) - np.maximum(a[pred, 0], b[gt, 0])
    near = overlap_w > 0
    pred, gt, overlap_w = pred[near], gt[near], overlap_w[near]
    overlap_h = np.minimum((a[:, 1] + a[:, 3])[pred], (b[:, 1] + b[:, 3])[gt]) - np.maximum(a[pred, 1], b[gt, 1])
    near = overlap_h > 0
    pred, gt = pred[near], gt[near]
    intersection = overlap_w[near] * overlap_h[near]
    pred_area = results.pred.area[pred]
    union = np.where(results.gt.crowd[gt], pred_area, pred_area + results.gt.area[gt] - intersection)
    iou = intersection / union
    enough = iou >= min_iou
    return pred[enough], gt[enough], iou[enough]


def pairs_of_boxes(image: Ints, label: Ints, bboxes_xywh: Floats, gt: GroundTruth, min_iou: float = 0.5) -> Pairs:
    """The overlapping pairs of boxes, in any order, and objects; a row of ``pred`` is that of the given box.

    Args:
        image, label, bboxes_xywh: of the boxes; a label may be -1, for none.
        gt: objects.
        min_iou: least IoU of a pair.
    """
    order = np.argsort(image, kind="stable")
    pred = make_predictions(image[order], label[order], bboxes_xywh[order], np.zeros(len(image)))
    num_images = 1 + max(int(image.max(initial=-1)), int(gt.image.max(initial=-1)))
    nothing, sizes_hw = np.zeros(0, dtype=np.int64), np.zeros((num_images, 2), dtype=np.int64)
    results = Results(np.arange(num_images), [""] * num_images, sizes_hw, nothing, [], gt, pred)
    pairs = overlapping_pairs(results, min_iou)
    return Pairs(order[pairs.pred], pairs.gt, pairs.iou, pairs.same_class)


def boxes_on_objects(image: Ints, label: Ints, bboxes_xywh: Floats, gt: GroundTruth) -> tuple[int, int]:
    """How many boxes lie on an object of their class, and how many on any; see :func:`pairs_of_boxes`."""
    pairs = pairs_of_boxes(image, label, bboxes_xywh, gt)
    return len(np.unique(pairs.pred[pairs.same_class])), len(np.unique(pairs.pred))
