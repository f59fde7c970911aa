"""What predictions say about labels: how far each prediction can be trusted, and which label it is about."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.optimize import isotonic_regression

from anomdet.evaluation.pairs import Pairs, overlapping_pairs
from anomdet.evaluation.results import Bools, Floats, Ints, Results

HIT_IOU = 0.4  # below the 0.5 of a metric: a misplaced label still shows that its object was found
_LEAST_OVERLAP = 1e-6
_FEW = 30  # predictions of a class; with fewer, those of all classes decide together
_PARTS = 5  # of the images: the trust of one part is measured on the others
_TIES = 0.05  # weight of the plain score, which orders predictions of one plateau


@dataclass(frozen=True)
class Support:
    """Labels and predictions side by side.

    Args:
        results: G labels and P predictions of the same images.
        pairs: every overlapping pair of the two.
        trust: ``(P,)`` from 0 to 1, how often a prediction of its class and score lies on a label of its class.
    """

    results: Results
    pairs: Pairs
    trust: Floats

    @cached_property
    def covers(self) -> tuple[Floats, Floats]:
        """``(M,)`` of each pair: the share of the prediction in the label, and of the label in the prediction."""
        pred, gt = self.results.pred.area[self.pairs.pred], self.results.gt.area[self.pairs.gt]
        intersection = self.pairs.iou * (pred + gt) / (1 + self.pairs.iou)
        return intersection / pred, intersection / gt

    @cached_property
    def is_nearest(self) -> Bools:
        """``(M,)`` whether the label of a pair is the one that the prediction overlaps most."""
        return np.asarray(np.diff(self.pairs.pred, prepend=-1) != 0)

    @cached_property
    def agreement(self) -> Floats:
        """``(M,)`` of each pair: trust times IoU."""
        return np.asarray(self.trust[self.pairs.pred] * self.pairs.iou)

    def best(self, chosen: Bools, value: Floats) -> tuple[Floats, Ints]:
        """``(G,)`` the largest value of each label's chosen pairs, 0 for none, and its prediction, -1 for none."""
        rows = np.flatnonzero(chosen)
        order = rows[np.argsort(value[rows], kind="stable")]
        best: Floats = np.zeros(len(self.results.gt))
        pred: Ints = np.full(len(self.results.gt), -1, dtype=np.int64)
        best[self.pairs.gt[order]] = value[order]  # the largest is written last
        pred[self.pairs.gt[order]] = self.pairs.pred[order]
        return best, pred


def find_support(results: Results, trust: Floats | None = None) -> Support:
    """Overlaps and trust; ``trust`` of the same predictions may be known already.

    Args:
        results: labels, and predictions of a detector that did not learn from these labels.
        trust: ``(P,)``; None: measured against these labels.
    """
    pairs = overlapping_pairs(results, _LEAST_OVERLAP)
    return Support(results, pairs, measure_trust(results, pairs) if trust is None else trust)


def measure_trust(results: Results, pairs: Pairs) -> Floats:
    """``(P,)`` precision as a function of score and class that never falls with the score (isotonic regression).

    Each prediction's is measured on the other images: a wrong label would else lower the trust of the very predictions
    that show it, which no error planted later does.
    """
    pred = results.pred
    hit: Floats = np.zeros(len(pred))
    hit[pairs.pred[pairs.same_class & (pairs.iou >= HIT_IOU)]] = 1
    part = pred.image % _PARTS
    trust: Floats = np.zeros(len(pred))
    for one in range(_PARTS):
        mine, others = part == one, part != one
        trust[mine] = _precision(pred.score[others], hit[others], pred.score[mine])
        for label in range(results.num_classes):
            rows, of_class = np.flatnonzero(mine & (pred.label == label)), others & (pred.label == label)
            if of_class.sum() >= _FEW:
                trust[rows] = _precision(pred.score[of_class], hit[of_class], pred.score[rows])
    return np.asarray((1 - _TIES) * trust + _TIES * np.clip(pred.score, 0, 1))


def _precision(score: Floats, hit: Floats, at: Floats) -> Floats:
    """``(N,)`` the share of hits at some scores, as others show it."""
    if not len(score):
        return np.zeros(len(at))
    steps, place, counts = np.unique(score, return_inverse=True, return_counts=True)
    means = np.bincount(place, hit) / counts
    return np.asarray(np.interp(at, steps, isotonic_regression(means, weights=counts).x))
