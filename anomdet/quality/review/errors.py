"""The suspected label errors of a data set, the most probable first, each object once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from anomdet.evaluation.results import Bools, Floats, Ints, Results
from anomdet.quality.review.calibrate import KindShown, calibrate
from anomdet.quality.review.second_opinion import SecondOpinion, weigh
from anomdet.quality.review.support import find_support
from anomdet.quality.review.suspects import KINDS, MISPLACED, MISSING, Suspects, area_ratio, find_suspects, is_resized

_FIRES = 0.5  # trust: a normal image with such a prediction is a hard normal
_LIKELY = 0.5  # probability from which a hard normal comes before everything else


@dataclass(frozen=True)
class LabelErrors:
    """S suspected errors of N images, the most probable first; before them hard normals that are more likely wrong.

    Args:
        results: labels and predictions.
        suspects: as ranked; no label and no prediction is in two of them.
        probability: ``(S,)`` that the label is wrong in this way; nan: no such errors could be planted.
        hard_normal: ``(S,)`` a trusted prediction on an image without labels.
        shown: by planted errors, of each of ``KINDS``.
    """

    results: Results
    suspects: Suspects
    probability: Floats
    hard_normal: Bools
    shown: Sequence[KindShown]

    def __len__(self) -> int:
        return len(self.suspects)

    def manner(self, at: int) -> str:
        """What is wrong with a misplaced label: too big, too small or shifted; empty for other kinds."""
        one = self.suspects.where(np.array([at]))
        if one.kind[0] != MISPLACED:
            return ""
        if not is_resized(self.results, one)[0]:
            return "shifted"
        return "too big" if area_ratio(self.results, one)[0] > 1 else "too small"

    def expected(self) -> dict[str, float]:
        """Kind to the expected number of errors: the sum of its probabilities."""
        return {name: float(np.nansum(self.probability[self.suspects.kind == kind])) for kind, name in enumerate(KINDS)}


def find_label_errors(
    results: Results, *, second: SecondOpinion | None = None, seed: int = 0, least: float = 0.05
) -> LabelErrors:
    """Labels that are probably wrong.

    Args:
        results: labels, and predictions of detectors that did not learn from these labels, down to low scores.
        second: of detectors that did learn from them; None: there is none.
        seed: of the errors that are planted for the calibration.
        least: probability; whatever is less probable is left out.

    Returns:
        The errors. A probability holds for these data and predictions as far as real errors look like the planted ones
        and a detector's steady false alarms are rarer than errors: the rates are the largest that the data allow.
    """
    support = find_support(results)
    suspects = find_suspects(support)
    shown, probability = calibrate(support, suspects, seed)
    if second is not None:
        probability = weigh(results, suspects, probability, second)
    normal = np.bincount(results.gt.image, minlength=results.num_images) == 0
    fires = np.zeros(len(suspects), dtype=bool)
    rows = np.flatnonzero(suspects.kind == MISSING)
    fires[rows] = support.trust[suspects.pred[rows]] >= _FIRES
    hard = normal[suspects.image] & fires
    order = _ranked(suspects, probability, hard)
    order = order[hard[order] | ~(probability[order] < least)]
    order = order[_each_once(suspects.where(order))]
    return LabelErrors(results, suspects.where(order), probability[order], hard[order], shown)


def _ranked(suspects: Suspects, probability: Floats, hard: Bools) -> Ints:
    """Positions: likely errors of hard normals, then by probability; those without one last, by their suspicion."""
    known = np.where(np.isnan(probability), -1.0, probability)
    return np.asarray(np.lexsort((np.arange(len(suspects)), -suspects.raw, -known, ~(hard & (known >= _LIKELY)))))


def _each_once(suspects: Suspects) -> Bools:
    """Which to keep: of several about one label or prediction the first."""
    labels: set[int] = set()
    preds: set[int] = set()
    keep = np.ones(len(suspects), dtype=bool)
    from_other = suspects.other.tolist()
    for at, (kind, label, pred) in enumerate(
        zip(suspects.kind.tolist(), suspects.label.tolist(), suspects.pred.tolist(), strict=True)
    ):
        of_labels, of_preds = {label}, {pred}
        (of_labels if KINDS[kind] == "double" else of_preds).add(from_other[at])
        of_labels.discard(-1)
        of_preds.discard(-1)
        keep[at] = not (of_labels & labels or of_preds & preds)
        if keep[at]:
            labels |= of_labels
            preds |= of_preds
    return keep
