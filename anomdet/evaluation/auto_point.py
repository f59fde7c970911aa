"""``by: auto``: a threshold for each class from few examples of each.

With good parts to choose on, the one with the least expected cost of escapes and overkill; else that with the best F1.
A validation split holds far more defects than a line makes, so that its counts are not what a line costs: the cost is
that of a line on which one part in twenty is defective.

A validation split has a dozen parts of a rare class, and the best of all thresholds on a dozen parts is chance. So:

- Each class borrows: ten defects and thirty good parts of all classes together are added to its own, which decide where
  it has few and no longer matter where it has many.
- Scores are samples of what other parts may score: each stands for a bell around it, on the logit scale, as wide as
  Silverman's rule (1986) has it.
- Of all thresholds that cost at most half a rejected good part more than the least, the middle one is taken: it keeps
  its distance from the good and the defective parts alike.
- A threshold lies below the highest score of a defect that was seen, and below that of its own class, which could not
  report anything then, unless the overkill of that would cost more than all escapes of the class: by half a step of the
  scale, since another machine or runtime computes the last digits of that score in another way.
"""

from __future__ import annotations

import numpy as np

from anomdet.evaluation.counts import Matches
from anomdet.evaluation.curves import sweep
from anomdet.evaluation.image_level import Parts
from anomdet.evaluation.results import Bools, Floats, Ints, Results

BORROWED, BORROWED_GOOD = 10, 30  # examples of all classes that are added to those of a class
DEFECT_SHARE = 0.05  # of the parts of a line
TOLERATED = 0.5  # good parts rejected: thresholds that cost so little more are as good
_LOGITS = np.linspace(-8, 8, 641)  # scores from 0.0003 to 0.9997
_SURE = 1 - 1e-6  # a score beyond it is that of a network that is sure


def least_cost(parts: Parts, labels: Ints | None, escape_cost: float, overkill_cost: float) -> Floats:
    """The threshold of each class ``(K,)``, or one for all ``(1,)``, with the least expected cost on such parts.

    Args:
        parts: some of them good, some defective.
        labels: the classes, ``0`` to ``K - 1``; None: one threshold for all.
        escape_cost, overkill_cost: of a defective part that passes, of a good part that is rejected.
    """
    if labels is None:
        columns = [(parts.score[parts.defective], parts.score[parts.good])]
    else:
        columns = [
            (parts.class_score[parts.class_defective[:, k], k], parts.class_score[parts.good, k]) for k in labels
        ]
    everything, all_good = (np.concatenate(scores) for scores in zip(*columns, strict=True))
    pooled, pooled_good = share_below(everything), share_below(all_good)
    of_escape = escape_cost * DEFECT_SHARE / max(int(parts.defective.sum()), 1)
    of_overkill = overkill_cost * (1 - DEFECT_SHARE) / max(int(parts.good.sum()), 1)
    chosen = []
    for defective, good in columns:
        number, num_good = len(defective), len(good)
        escapes = (number * share_below(defective) + BORROWED * pooled) / (number + BORROWED)
        passed = (num_good * share_below(good) + BORROWED_GOOD * pooled_good) / (num_good + BORROWED_GOOD)
        cost = of_escape * max(number, 1) * escapes + of_overkill * num_good * (1 - passed)
        best = _score(float(_LOGITS[cost <= cost.min() + TOLERATED * of_overkill].mean()))
        seen = _just_below(float(defective.max(initial=0)))
        if seen and of_overkill * (good >= seen).sum() <= of_escape * number:
            best = min(best, seen)
        chosen.append(min(best, _just_below(float(everything.max(initial=0))) or best))
    return np.array(chosen)


def share_below(score: Floats) -> Floats:
    """The share of parts like these that score below each of the thresholds; those without a box always do."""
    if not len(score):
        return np.zeros(len(_LOGITS))
    seen = np.clip(score[score > 0], 1e-6, 1 - 1e-6)
    logits = np.clip(np.log(seen / (1 - seen)), _LOGITS[0], _LOGITS[-1])
    step = _LOGITS[1] - _LOGITS[0]
    counts = np.bincount(np.round((logits - _LOGITS[0]) / step).astype(np.int64), minlength=len(_LOGITS))
    width = max(_silverman(logits) / step, 0.5)
    reach = np.arange(-len(_LOGITS) + 1, len(_LOGITS))
    bell = np.exp(-0.5 * (reach / width) ** 2)
    density = np.convolve(counts, bell / bell.sum(), mode="valid")
    below = np.cumsum(density) - density / 2
    return np.minimum((below + len(score) - len(seen)) / len(score), 1.0)


def _silverman(values: Floats) -> float:
    if len(values) < 2:
        return 1.0
    low, high = np.quantile(values, [0.25, 0.75])
    spread = min(values.std(ddof=1), (high - low) / 1.34) or values.std(ddof=1)
    return float(0.9 * spread * len(values) ** -0.2)


def _score(logit: float) -> float:
    return float(1 / (1 + np.exp(-logit)))


def _just_below(score: float) -> float:
    """Half a step of the scale below a score; 0 of 0.

    >>> round(_just_below(0.5), 4), _just_below(0.0)
    (0.4969, 0.0)
    """
    odds = min(score, _SURE) / (1 - min(score, _SURE)) * np.exp((_LOGITS[0] - _LOGITS[1]) / 2)
    return float(odds / (1 + odds))


def best_f1(results: Results, matches: Matches, labels: Ints | None) -> Floats:
    """The threshold of each class ``(K,)``, or one for all ``(1,)``, with the best F1 of the boxes; NaN: none is right.

    Args:
        results, matches: of the validation split.
        labels: as in :func:`least_cost`.
    """
    pred, counted, objects = results.pred, matches.counted, ~results.gt.crowd
    everything = _Boxes(pred.score[counted], matches.hit[counted], int(objects.sum()))
    if labels is None:
        return np.array([everything.best_f1(everything, 0.0)])
    weight = BORROWED / max(everything.num_gt, 1)
    chosen = []
    for k in labels:
        rows = counted & (pred.label == k)
        own = _Boxes(pred.score[rows], matches.hit[rows], int((objects & (results.gt.label == k)).sum()))
        chosen.append((own if own.hit.any() else everything).best_f1(everything, weight))
    return np.array(chosen)


class _Boxes:
    """Scores of boxes, which of them are right, and how many objects there were."""

    def __init__(self, score: Floats, hit: Bools, num_gt: int) -> None:
        self.score, self.hit, self.num_gt = score, hit, num_gt
        self.levels, self.num_hits, self.num_shown = sweep(score, hit)

    def counts_from(self, score_thrs: Floats) -> tuple[Floats, Floats]:
        """Right boxes and boxes from each of the thresholds on."""
        at = np.searchsorted(-self.levels, -score_thrs, side="right")
        return np.append(0.0, self.num_hits)[at], np.append(0.0, self.num_shown)[at]

    def best_f1(self, everything: _Boxes, weight: float) -> float:
        """Of the own boxes and a share of all."""
        if not self.hit.any():
            return float("nan")
        num_hits, num_shown = everything.counts_from(self.levels)
        hits, shown = self.num_hits + weight * num_hits, self.num_shown + weight * num_shown
        best = int(np.argmax(2 * hits / (shown + self.num_gt + weight * everything.num_gt)))
        after = self.levels[best + 1] if best + 1 < len(self.levels) else 0.0
        between = (self.levels[best] + after) / 2
        return float(between if between > after else self.levels[best])
