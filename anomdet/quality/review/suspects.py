"""Every label and prediction that may show a wrong label, scored by kind.

The kinds and the idea to score each of them from out-of-sample predictions follow ObjectLab (Tkachenko, Thyagarajan,
Mueller: Automated Detection of Mislabeled Images in Object Detection, 2023); the scores are our own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np

from anomdet.boxes import pairwise_iou, xywh_to_xyxy
from anomdet.documents.review_kinds import Kind
from anomdet.evaluation.pairs import overlapping_pairs
from anomdet.evaluation.results import Bools, Floats, Ints, Results, make_ground_truth, make_predictions
from anomdet.quality.review.support import Support

MISSING, WRONG_CLASS, MISPLACED, UNSUPPORTED, DOUBLE, MERGED = range(6)
KINDS: tuple[Kind, ...] = get_args(Kind)
"""Their names in files, by number."""

_LEAST_RAW = 0.02  # whatever is below is no suspicion
_LEAST_CLASS_IOU, _LEAST_BOX_IOU, _LEAST_DOUBLE_IOU = 0.3, 0.1, 0.4
_SAME_OBJECT_IOU = 0.5
_INSIDE, _PART_OF_LABEL, _APART_IOU, _MOST_PARTS = 0.8, 0.7, 0.2, 10
_OWN_CLASS = 2.0  # agreement of the label's own class, where another one's counts 1
_TYPICAL = 3.0  # an offset of so many standard deviations of its class is half a suspicion
_SEVERE_IOU = 1 / 3  # of label and object, as of a shift by half the size; a misplaced label then counts in full
_BIGGER = 1.4  # ratio of areas from which a misplaced label is too big or too small, not shifted
_FEW, _LEAST_SPREAD = 10, 0.02  # labels for a spread of their own; share of the side


@dataclass(frozen=True)
class Suspects:
    """S suspicions, in no order.

    Args:
        kind: int64 ``(S,)``, position in ``KINDS``.
        image: int64 ``(S,)``.
        label: int64 ``(S,)``, row of the label that may be wrong; -1: it is the label that is missing.
        pred: int64 ``(S,)``, row of the prediction behind it; -1: there is none.
        other: int64 ``(S,)``, of DOUBLE the label that stays, of MERGED the second prediction; else -1.
        raw: float64 ``(S,)``, above 0 to 1; comparable within a kind only.
    """

    kind: Ints
    image: Ints
    label: Ints
    pred: Ints
    other: Ints
    raw: Floats

    def __len__(self) -> int:
        return len(self.kind)

    def where(self, chosen: Bools | Ints) -> Suspects:
        """Only the rows that a mask marks or positions name."""
        kind, image, label = self.kind[chosen], self.image[chosen], self.label[chosen]
        return Suspects(kind, image, label, self.pred[chosen], self.other[chosen], self.raw[chosen])


def find_suspects(support: Support) -> Suspects:
    """All suspicions of all kinds; one fault may appear under several."""
    inside = list(_inside(support))
    parts = [
        _missing(support),
        _wrong_class(support),
        _misplaced(support, inside),
        _unsupported(support),
        _double(support),
        _merged(support, inside),
    ]
    suspects = Suspects(*(np.concatenate(column) for column in zip(*parts, strict=True)))
    return suspects.where(suspects.raw > _LEAST_RAW)


def area_ratio(results: Results, suspects: Suspects) -> Floats:
    """``(S,)`` of the label to that of the prediction, for labels that are misplaced; else 1."""
    ratio: Floats = np.ones(len(suspects))
    rows = np.flatnonzero(suspects.kind == MISPLACED)
    ratio[rows] = results.gt.area[suspects.label[rows]] / np.maximum(results.pred.area[suspects.pred[rows]], 1e-9)
    return ratio


def is_resized(results: Results, suspects: Suspects) -> Bools:
    """``(S,)`` whether a misplaced label seems to be too big or too small, rather than shifted."""
    ratio = area_ratio(results, suspects)
    return np.asarray((ratio >= _BIGGER) | (ratio <= 1 / _BIGGER))


_Part = tuple[Ints, Ints, Ints, Ints, Ints, Floats]
_Inside = tuple[int, Ints]  # a label, and predictions in it


def _part(kind: int, image: Ints, raw: Floats, *, label: Ints | None, pred: Ints | None, other: Ints | None) -> _Part:
    none: Ints = np.full(len(image), -1, dtype=np.int64)
    rows = [none if rows is None else rows for rows in (label, pred, other)]
    return np.full(len(image), kind, dtype=np.int64), image, rows[0], rows[1], rows[2], raw


def _missing(support: Support) -> _Part:
    """A trusted prediction where no label is; of several on one place the most trusted."""
    pred, pairs = support.results.pred, support.pairs
    cover: Floats = np.zeros(len(pred))
    np.maximum.at(cover, pairs.pred, np.maximum(pairs.iou, np.maximum(*support.covers)))
    raw = support.trust * (1 - np.minimum(cover, 1))
    rows = np.flatnonzero(raw > _LEAST_RAW)
    rows = rows[~_repeats(support.results, rows, support.trust)]
    return _part(MISSING, pred.image[rows], raw[rows], label=None, pred=rows, other=None)


def _repeats(results: Results, rows: Ints, trust: Floats) -> Bools:
    """``(len(rows),)`` predictions on an object that a more trusted one has found already."""
    pred = results.pred
    image, label, boxes = pred.image[rows], pred.label[rows], pred.bboxes_xywh[rows]
    place = np.arange(len(rows))
    as_objects = make_ground_truth(image, label, boxes)
    as_predictions = make_predictions(image, label, boxes, -place.astype(np.float64))  # keeps the order
    itself = Results(
        results.image_ids,
        results.file_names,
        results.sizes_hw,
        results.class_nums,
        results.class_names,
        as_objects,
        as_predictions,
    )
    pairs = overlapping_pairs(itself, _SAME_OBJECT_IOU)
    first, second = trust[rows][pairs.pred], trust[rows][pairs.gt]
    weaker = (second > first) | ((second == first) & (pairs.gt < pairs.pred))
    repeated: Bools = np.zeros(len(rows), dtype=bool)
    repeated[pairs.pred[weaker]] = True
    return repeated


def _wrong_class(support: Support) -> _Part:
    """A trusted prediction of another class on the label, and none of its own.

    Most labels are right: agreement with the label counts more than agreement with another class.
    """
    gt, pairs = support.results.gt, support.pairs
    other, pred = support.best(~pairs.same_class & (pairs.iou >= _LEAST_CLASS_IOU), support.agreement)
    own, _ = support.best(pairs.same_class, support.agreement)
    raw = other - _OWN_CLASS * own
    rows = np.flatnonzero(raw > 0)
    return _part(WRONG_CLASS, gt.image[rows], raw[rows], label=rows, pred=pred[rows], other=None)


def _misplaced(support: Support, inside: Sequence[_Inside]) -> _Part:
    """The most trusted prediction about a label lies elsewhere than usual for the class, and no others agree with it.

    Others that agree are one on the label, or several inside it that reach from end to end: it is of a group.
    """
    gt, pairs = support.results.gt, support.pairs
    of_class = pairs.same_class & (pairs.iou >= _LEAST_BOX_IOU)
    trust, pred = support.best(of_class & support.is_nearest, support.trust[pairs.pred])
    agreeing, _ = support.best(of_class & (pairs.iou >= _SAME_OBJECT_IOU), support.trust[pairs.pred])
    agreeing = np.maximum(agreeing, _agreeing_together(support, inside))
    rows = np.flatnonzero(pred >= 0)
    unusual = _unusual(_offsets(support.results, rows, pred[rows]), gt.label[rows])
    severe = np.minimum((1 - _overlap(support, rows, pred[rows])) / (1 - _SEVERE_IOU), 1)
    apart = severe * (1 - _mean_overlap(support)[rows])
    raw = np.maximum(trust - agreeing, 0)[rows] * apart * unusual / (unusual + _TYPICAL)
    return _part(MISPLACED, gt.image[rows], raw, label=rows, pred=pred[rows], other=None)


def _agreeing_together(support: Support, inside: Sequence[_Inside]) -> Floats:
    """``(G,)`` trust of the weakest prediction that it takes for those inside a label to span it; 0: they do not."""
    trust: Floats = np.zeros(len(support.results.gt))
    for label, preds in inside:
        boxes = xywh_to_xyxy(support.results.pred.bboxes_xywh[preds])
        first, last = np.minimum.accumulate(boxes[:, :2]), np.maximum.accumulate(boxes[:, 2:])
        own = xywh_to_xyxy(support.results.gt.bboxes_xywh[[label]])
        spanning = pairwise_iou(np.concatenate([first, last], axis=1), own)[:, 0] >= _SAME_OBJECT_IOU
        if spanning.any():
            trust[label] = support.trust[preds[spanning.argmax()]]
    return trust


def _mean_overlap(support: Support) -> Floats:
    """``(G,)`` IoU of each label with the predictions of its class on it, weighted by their trust."""
    pairs, num = support.pairs.where(support.pairs.same_class), len(support.results.gt)
    trust = support.trust[pairs.pred]
    weights = np.bincount(pairs.gt, trust, minlength=num)
    return np.asarray(np.bincount(pairs.gt, trust * pairs.iou, minlength=num) / np.maximum(weights, 1e-9))


def _overlap(support: Support, rows: Ints, preds: Ints) -> Floats:
    """``(N,)`` IoU of labels with predictions that overlap them."""
    pairs, num_preds = support.pairs, len(support.results.pred)
    keys = pairs.gt * num_preds + pairs.pred
    order = np.argsort(keys)
    return np.asarray(pairs.iou[order[np.searchsorted(keys[order], rows * num_preds + preds)]])


def _offsets(results: Results, rows: Ints, preds: Ints) -> Floats:
    """``(N, 4)`` from label to prediction: of the centre in mean sides, and the logarithm of the ratio of the sides."""
    label, pred = results.gt.bboxes_xywh[rows], results.pred.bboxes_xywh[preds]
    label_wh, pred_wh = np.maximum(label[:, 2:], 1e-3), np.maximum(pred[:, 2:], 1e-3)
    moved = pred[:, :2] + pred_wh / 2 - label[:, :2] - label_wh / 2
    return np.concatenate([2 * moved / (label_wh + pred_wh), np.log(pred_wh / label_wh)], axis=1)


def _unusual(offsets: Floats, labels: Ints) -> Floats:
    """``(N,)`` the largest of the four offsets, in robust standard deviations of the class."""
    unusual: Floats = np.zeros(len(offsets))
    for label in np.unique(labels).tolist():
        mine = labels == label
        own = offsets[mine] if mine.sum() >= _FEW else offsets
        centre = np.median(own, axis=0)
        spread = np.maximum(1.4826 * np.median(np.abs(own - centre), axis=0), _LEAST_SPREAD)
        unusual[mine] = (np.abs(offsets[mine] - centre) / spread).max(axis=1)
    return unusual


def _unsupported(support: Support) -> _Part:
    """No prediction of any class near the label, though labels of its class and size are mostly found."""
    gt, pairs = support.results.gt, support.pairs
    found, _ = support.best(np.ones(len(pairs.pred), dtype=bool), support.trust[pairs.pred] * np.sqrt(pairs.iou))
    raw = (1 - found) * _usually_found(support.results, found)
    return _part(UNSUPPORTED, gt.image, raw, label=np.arange(len(gt)), pred=None, other=None)


def _usually_found(results: Results, found: Floats) -> Floats:
    """``(G,)`` mean support of the label's class, times how much better or worse its size is found."""
    gt = results.gt
    overall = float(found.mean()) if len(found) else 0.0
    if not overall:
        return np.zeros(len(gt))
    sizes = np.searchsorted(np.quantile(gt.area, [0.2, 0.4, 0.6, 0.8]), gt.area)
    by_class, by_size = (_means(groups, found, overall) for groups in (gt.label, sizes))
    return np.minimum(by_class * by_size / overall, 1.0)


def _means(groups: Ints, values: Floats, overall: float) -> Floats:
    """Of each row's group, drawn to the overall mean as by ten more rows of it."""
    counts = np.bincount(groups)
    return np.asarray(((np.bincount(groups, values) + 10 * overall) / (counts + 10))[groups])


def _double(support: Support) -> _Part:
    """Two labels on one object: they overlap, and no two predictions distinguish them."""
    results, pairs = support.results, support.pairs
    gt = results.gt
    own, _ = support.best(support.is_nearest, support.agreement)
    total, _ = support.best(pairs.same_class, support.agreement)
    firsts, seconds, ious = _overlapping_labels(results)
    raw = ious * (1 - np.minimum(own[firsts], own[seconds]))
    swap = total[firsts] < total[seconds]
    gone, stays = np.where(swap, firsts, seconds), np.where(swap, seconds, firsts)
    return _part(DOUBLE, gt.image[firsts], raw, label=gone, pred=None, other=stays)


def _overlapping_labels(results: Results) -> tuple[Ints, Ints, Floats]:
    gt = results.gt
    in_order = make_predictions(gt.image, gt.label, gt.bboxes_xywh, -np.arange(len(gt), dtype=np.float64))
    itself = Results(
        results.image_ids, results.file_names, results.sizes_hw, results.class_nums, results.class_names, gt, in_order
    )
    pairs = overlapping_pairs(itself, _LEAST_DOUBLE_IOU)
    once = pairs.pred < pairs.gt
    return pairs.pred[once], pairs.gt[once], pairs.iou[once]


def _merged(support: Support, inside: Sequence[_Inside]) -> _Part:
    """One label over two objects: two trusted predictions inside it, apart from each other, and none of the whole."""
    gt, pairs = support.results.gt, support.pairs
    whole, _ = support.best(pairs.iou >= _PART_OF_LABEL, support.agreement)
    found = [(label, *parts) for label, rows in inside if (parts := _two_apart(support, rows))]
    label, pred, other = (np.array([one[at] for one in found], dtype=np.int64) for at in range(3))
    raw = np.minimum(support.trust[pred], support.trust[other]) * (1 - whole[label])
    return _part(MERGED, gt.image[label], raw, label=label, pred=pred, other=other)


def _inside(support: Support) -> Iterator[_Inside]:
    """Labels that hold several smaller predictions, with the most trusted of these."""
    results, pairs = support.results, support.pairs
    smaller = results.pred.area[pairs.pred] <= _PART_OF_LABEL * results.gt.area[pairs.gt]
    trusted = support.trust[pairs.pred] > _LEAST_RAW
    rows = np.flatnonzero((support.covers[0] >= _INSIDE) & smaller & trusted)
    rows = rows[np.lexsort((-support.trust[pairs.pred[rows]], pairs.gt[rows]))]
    labels, starts = np.unique(pairs.gt[rows], return_index=True)
    for label, mine in zip(labels.tolist(), np.split(rows, starts[1:]), strict=False):
        if len(mine) > 1:
            yield label, pairs.pred[mine[:_MOST_PARTS]]


def _two_apart(support: Support, preds: Ints) -> tuple[int, int] | None:
    """Of predictions by falling trust, the two with the largest least trust that do not overlap."""
    boxes = xywh_to_xyxy(support.results.pred.bboxes_xywh[preds])
    apart = np.triu(pairwise_iou(boxes, boxes) < _APART_IOU, k=1)
    firsts, seconds = np.nonzero(apart)
    if not len(firsts):
        return None
    at = int(np.lexsort((firsts, seconds))[0])
    return int(preds[firsts[at]]), int(preds[seconds[at]])
