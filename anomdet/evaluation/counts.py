"""Right and wrong predictions at one IoU threshold, and how many of them from a score on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from anomdet.evaluation.matching import assign, least_iou, match
from anomdet.evaluation.pairs import Pairs
from anomdet.evaluation.results import Bools, Floats, Ints, Numbers, Results


@dataclass(frozen=True)
class Matches:
    """The one matching that every count, curve and table is read from.

    Attributes:
        iou_thr: least IoU of a right prediction.
        found: ``(P,)`` row of the object that each prediction found; -1 for none.
        iou: ``(P,)`` IoU with it; 0 for none.
        counted: ``(P,)`` False for predictions of a crowd, which are neither right nor wrong.
    """

    iou_thr: float
    found: Ints
    iou: Floats
    counted: Bools

    @property
    def hit(self) -> Bools:
        """``(P,)`` the right ones (true positives)."""
        return self.found >= 0


def find_matches(results: Results, pairs: Pairs, iou_thr: float) -> Matches:
    """Match predictions and objects of one class, greedy by score."""
    crowd = results.gt.crowd
    found = match(pairs, len(results.pred), len(results.gt), iou_thr=iou_thr, crowd=crowd)
    iou = np.zeros(len(found))
    chosen = pairs.gt == found[pairs.pred]
    iou[pairs.pred[chosen]] = pairs.iou[chosen]
    in_crowd = np.append(crowd, False)[found]
    return Matches(iou_thr, np.where(in_crowd, -1, found), np.where(in_crowd, 0.0, iou), ~in_crowd)


@dataclass(frozen=True)
class Counts:
    """Counts of many groups at once (classes, images, or one group of all); arrays ``(N,)`` of the same shape.

    Attributes:
        num_matched: predictions that found an object (true positives).
        num_predictions: predictions from their score threshold on.
        num_gt: objects.
        iou_sum: sum of the IoU of the matched pairs.
    """

    num_matched: Numbers
    num_predictions: Numbers
    num_gt: Numbers
    iou_sum: Numbers

    def total(self) -> Counts:
        """One group of all."""
        return Counts(*(np.atleast_1d(column.sum()) for column in self.columns()))

    def columns(self) -> tuple[Numbers, Numbers, Numbers, Numbers]:
        """The four arrays, as the class names them."""
        return self.num_matched, self.num_predictions, self.num_gt, self.iou_sum

    @property
    def precision(self) -> Floats:
        """Share of the predictions that are right; NaN without predictions."""
        return ratio(self.num_matched, self.num_predictions)

    @property
    def recall(self) -> Floats:
        """Share of the objects that were found; NaN without objects."""
        return ratio(self.num_matched, self.num_gt)

    @property
    def f1_score(self) -> Floats:
        """Harmonic mean of precision and recall, as ``2 TP / (2 TP + FP + FN)``; NaN without both."""
        return ratio(2 * self.num_matched, self.num_predictions + self.num_gt)

    @property
    def mean_iou(self) -> Floats:
        """Mean IoU of the matched pairs; NaN without any."""
        # Rounding of the sum must not lift a mean of ones above one.
        return np.minimum(ratio(self.iou_sum, self.num_matched), 1.0)


def ratio(numerator: Numbers, denominator: Numbers) -> Floats:
    """NaN where there is nothing to divide by."""
    numerator, denominator = np.asarray(numerator, dtype=np.float64), np.asarray(denominator, dtype=np.float64)
    out = np.full(np.broadcast_shapes(numerator.shape, denominator.shape), np.nan)
    result: Floats = np.divide(numerator, denominator, out=out, where=denominator > 0)
    return result


def kept(results: Results, matches: Matches, score_thrs: Floats) -> Bools:
    """``(P,)`` the counted predictions from the score threshold of their class on.

    Args:
        score_thrs: ``(K,)``.
    """
    return matches.counted & (results.pred.score >= score_thrs[results.pred.label])


def count(results: Results, matches: Matches, score_thrs: Floats) -> tuple[Counts, Counts]:
    """Counts of each image ``(I,)`` and of each class ``(K,)``."""
    shown = kept(results, matches, score_thrs)
    hit, objects = shown & matches.hit, ~results.gt.crowd

    def grouped(of_pred: Ints, of_gt: Ints, number: int) -> Counts:
        return Counts(
            np.bincount(of_pred[hit], minlength=number).astype(np.float64),
            np.bincount(of_pred[shown], minlength=number).astype(np.float64),
            np.bincount(of_gt[objects], minlength=number).astype(np.float64),
            np.bincount(of_pred[hit], weights=matches.iou[hit], minlength=number),
        )

    pred, gt = results.pred, results.gt
    return grouped(pred.image, gt.image, results.num_images), grouped(pred.label, gt.label, results.num_classes)


def confusion_matrix(results: Results, pairs: Pairs, matches: Matches, score_thrs: Floats) -> Ints:
    """Truth in rows, predicted class in columns ``(K + 1, K + 1)``; the last of each is the background.

    The diagonal holds the right predictions. Of what they leave over, a prediction and an object of another class that
    overlap enough are a confusion, greedy by score; the rest are false alarms (last row) and missed (last column).
    So each row sums to the objects of a class, each column to its predictions.
    """
    shown = kept(results, matches, score_thrs)
    hit = shown & matches.hit
    free_pred, free_gt = shown & ~hit, ~results.gt.crowd
    free_gt[matches.found[hit]] = False
    confused = confuse(results, pairs, free_pred, free_gt, matches.iou_thr)
    num = results.num_classes
    table = np.zeros((num + 1, num + 1), dtype=np.int64)
    label = results.pred.label
    np.add.at(table, (label[hit], label[hit]), 1)
    wrong = np.flatnonzero(confused >= 0)
    np.add.at(table, (results.gt.label[confused[wrong]], label[wrong]), 1)
    free_pred[wrong] = False
    free_gt[confused[wrong]] = False
    table[num, :num] = np.bincount(label[free_pred], minlength=num)
    table[:num, num] = np.bincount(results.gt.label[free_gt], minlength=num)
    return table


def confuse(results: Results, pairs: Pairs, free_pred: Bools, free_gt: Bools, iou_thr: float) -> Ints:
    """``(P,)`` row of the object of another class that each free prediction took for its own; -1 for none."""
    allowed = ~pairs.same_class & free_pred[pairs.pred] & free_gt[pairs.gt] & (pairs.iou >= least_iou(iou_thr))
    return assign(pairs.where(allowed), len(results.pred), len(results.gt))
