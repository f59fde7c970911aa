"""The verdict on whole parts: a part is defective if any of its images holds an object."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from anomdet.evaluation.counts import Matches, kept, ratio
from anomdet.evaluation.curves import thin
from anomdet.evaluation.results import Bools, Floats, Ints, Numbers, Results


@dataclass(frozen=True)
class Parts:
    """What is known of each part ``(U,)``.

    Attributes:
        score: its anomaly score: the highest score of a box in any of its images; 0 without boxes.
        defective: whether it holds an object.
        class_score, class_defective: ``(U, K)`` the same of each class.
    """

    score: Floats
    defective: Bools
    class_score: Floats
    class_defective: Bools

    @property
    def good(self) -> Bools:
        """``(U,)`` parts without an object of any class."""
        return ~self.defective


def parts_of(results: Results, matches: Matches) -> Parts:
    """Scores and truth of the parts; boxes of a crowd count for neither."""
    num_parts, num_classes = results.num_parts, results.num_classes
    pred, gt = results.pred, results.gt
    class_score = np.zeros((num_parts, num_classes))
    rows = np.flatnonzero(matches.counted)
    np.maximum.at(class_score, (results.part_of_image[pred.image[rows]], pred.label[rows]), pred.score[rows])
    class_defective: Bools = np.zeros((num_parts, num_classes), dtype=bool)
    objects = ~gt.crowd
    class_defective[results.part_of_image[gt.image[objects]], gt.label[objects]] = True
    score = class_score.max(axis=1, initial=0.0)
    return Parts(score, class_defective.sum(axis=1) > 0, class_score, class_defective)


def auroc(score: Floats, positive: Bools, weights: Numbers | None = None) -> Floats:
    """Area under the ROC curve: how often a positive outscores a negative; a tie counts half. NaN without both.

    Args:
        score, positive: ``(U,)``.
        weights: ``(R, U)`` how often each counts, for R answers at once; None: once.

    Returns:
        ``(R,)``, or ``(1,)``.
    """
    weights = np.ones((1, len(score))) if weights is None else weights
    order = np.argsort(score, kind="stable")
    starts = np.flatnonzero(np.diff(score[order], prepend=np.nan) != 0)  # of each run of equal scores
    if not len(starts):
        return np.full(len(weights), np.nan)
    ordered = weights[:, order]
    positives = np.add.reduceat(ordered * positive[order], starts, axis=1)
    negatives = np.add.reduceat(ordered * ~positive[order], starts, axis=1)
    below = np.cumsum(negatives, axis=1) - negatives / 2
    return ratio((positives * below).sum(axis=1), positives.sum(axis=1) * negatives.sum(axis=1))


def average_precision(score: Floats, positive: Bools, weights: Numbers | None = None) -> Floats:
    """Precision at each rise of recall, weighted by the rise (not interpolated). NaN without positives.

    Arguments and result as :func:`auroc`.
    """
    weights = np.ones((1, len(score))) if weights is None else weights
    order = np.argsort(-score, kind="stable")
    starts = np.flatnonzero(np.diff(score[order], prepend=np.nan) != 0)
    if not len(starts):
        return np.full(len(weights), np.nan)
    ordered = weights[:, order]
    rise = np.add.reduceat(ordered * positive[order], starts, axis=1)
    shown = np.cumsum(np.add.reduceat(ordered, starts, axis=1), axis=1)
    precision = ratio(np.cumsum(rise, axis=1), shown)
    return ratio(np.nansum(precision * rise, axis=1), rise.sum(axis=1))


def rejected(results: Results, matches: Matches, score_thrs: Floats) -> Bools:
    """``(U,)`` parts with a box from the score threshold of its class on."""
    out: Bools = np.zeros(results.num_parts, dtype=bool)
    out[results.part_of_image[results.pred.image[kept(results, matches, score_thrs)]]] = True
    return out


def false_boxes_on_good(results: Results, matches: Matches, parts: Parts, score_thrs: Floats) -> Ints:
    """``(U,)`` boxes from the score threshold on, of each good part; 0 for a defective one."""
    shown = results.pred.image[kept(results, matches, score_thrs)]
    return np.bincount(results.part_of_image[shown], minlength=results.num_parts) * parts.good


def part_level(results: Results, matches: Matches, parts: Parts, score_thrs: Floats) -> dict[str, Any]:
    """The ``part_level`` of metrics.json, but for FROC."""
    out = rejected(results, matches, score_thrs)
    num_good, num_defective = int(parts.good.sum()), int(parts.defective.sum())
    escapes, overkill = int((parts.defective & ~out).sum()), int((parts.good & out).sum())
    alarms = false_boxes_on_good(results, matches, parts, score_thrs).sum()
    return {
        "unit": "image" if results.parts is None else "part",
        "num_good": num_good,
        "num_defective": num_defective,
        "auroc": number(auroc(parts.score, parts.defective)[0]),
        "average_precision": number(average_precision(parts.score, parts.defective)[0]),
        "escapes": escapes,
        "overkill": overkill,
        "escape_rate": escapes / num_defective if num_defective else None,
        "overkill_rate": overkill / num_good if num_good else None,
        "false_alarms_per_good": float(alarms) / num_good if num_good else None,
    }


def roc(parts: Parts) -> dict[str, list[float]]:
    """Detected defective parts over rejected good ones, as the threshold falls; at most 400 points."""
    num_good, num_defective = parts.good.sum(), parts.defective.sum()
    if not num_good or not num_defective:
        return {"overkill_rate": [], "detection_rate": [], "score": []}
    order = np.argsort(-parts.score, kind="stable")
    score = parts.score[order]
    last = np.flatnonzero(np.append(np.diff(score) != 0, True))
    points = last[thin(len(last))]
    return {
        "overkill_rate": (np.cumsum(parts.good[order])[points] / num_good).tolist(),
        "detection_rate": (np.cumsum(parts.defective[order])[points] / num_defective).tolist(),
        "score": score[points].tolist(),
    }


def number(value: float) -> float | None:
    """A float for JSON: None for NaN."""
    return None if np.isnan(value) else float(value)
