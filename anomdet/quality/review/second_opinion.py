"""A second opinion on suspected labels: of a detector that learned from these very labels.

It repeats what it was taught where it can. If it still sees an object that nobody labelled, or not the label that it
was shown many times, a suspicion is more often right than another one of the same strength; a false one it has
unlearned. It says nothing of how probable an error is at all: no error that is planted later was ever learned.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy.special import expit, logit

from anomdet.evaluation.pairs import pairs_of_boxes
from anomdet.evaluation.results import Bools, Floats, Ints, Predictions, Results, make_ground_truth
from anomdet.quality.review.suspects import MISPLACED, MISSING, WRONG_CLASS, Suspects, is_resized

_KINDS = (MISSING, WRONG_CLASS, MISPLACED)  # that name what should be there
_SAME_IOU = 0.4
_LIKE = 30  # suspicions of a kind and of the nearest probabilities, among which the opinion ranks one
_WEIGHT = 2.0  # the odds of the first of them are multiplied by e, those of the last divided by it


@dataclass(frozen=True)
class SecondOpinion:
    """What detectors see on images from which they learned.

    Args:
        pred: in the order of the images, and of the classes, of the first opinion.
        asked: ``(I,)`` images that they looked at; of the others there is no second opinion.
    """

    pred: Predictions
    asked: Bools


def weigh(results: Results, suspects: Suspects, probability: Floats, second: SecondOpinion) -> Floats:
    """``(S,)`` probabilities: of alike suspicions those rise that the second opinion shares, the others fall.

    Args:
        results: labels and predictions of the first opinion.
        suspects: found in them.
        probability: ``(S,)`` of these; nan stays nan.
        second: the other opinion.
    """
    resized = is_resized(results, suspects)
    agrees = _agrees(results, suspects, second.pred)
    weighed = probability.copy()
    for kind in _KINDS:
        for way in (False, True):
            mine = (suspects.kind == kind) & (resized == way) & second.asked[suspects.image] & (probability > 0)
            rows = np.flatnonzero(mine)
            rows = rows[np.lexsort((-suspects.raw[rows], -probability[rows]))]
            odds = logit(probability[rows]) + _WEIGHT * (_rank(agrees[rows]) - 0.5)
            weighed[rows] = np.minimum(expit(odds), probability[rows].max(initial=0))
    return weighed


def _rank(values: Floats) -> Floats:
    """``(N,)`` the share of smaller ones among those next to each, ties by half."""
    width = min(_LIKE, len(values))
    if not width:
        return np.zeros(0)
    windows = sliding_window_view(values, width)
    first = np.clip(np.arange(len(values)) - width // 2, 0, len(values) - width)
    near, own = windows[first], values[:, None]
    return np.asarray((near < own).mean(axis=1) + 0.5 * (near == own).mean(axis=1))


def _agrees(results: Results, suspects: Suspects, pred: Predictions) -> Floats:
    """``(S,)`` how much it sees of what should be there, less how much of the label as it is."""
    rows = np.flatnonzero(np.isin(suspects.kind, _KINDS))
    one = suspects.where(rows)
    of_label = one.kind != MISSING
    image, label = one.image, results.pred.label[one.pred]
    boxes = results.pred.bboxes_xywh[one.pred]
    stays = one.kind == WRONG_CLASS
    boxes[stays] = results.gt.bboxes_xywh[one.label[stays]]
    agrees: Floats = np.zeros(len(suspects))
    agrees[rows] = _seen(pred, image, label, boxes)
    taken = one.label[of_label]
    agrees[rows[of_label]] -= _seen(pred, image[of_label], results.gt.label[taken], results.gt.bboxes_xywh[taken])
    return agrees


def _seen(pred: Predictions, image: Ints, label: Ints, bboxes_xywh: Floats) -> Floats:
    """``(N,)`` of each box the best score times IoU of its class."""
    pairs = pairs_of_boxes(
        image, label, bboxes_xywh, make_ground_truth(pred.image, pred.label, pred.bboxes_xywh), _SAME_IOU
    )
    pairs = pairs.where(pairs.same_class)
    seen: Floats = np.zeros(len(image))
    np.maximum.at(seen, pairs.pred, pred.score[pairs.gt] * pairs.iou)
    return seen
