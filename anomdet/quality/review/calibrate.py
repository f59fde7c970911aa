"""From suspicions to probabilities, by errors planted into the same labels beside the same predictions.

The planted errors show how strong a suspicion an error raises (f1); the data show how often there is a suspicion as
strong (f). The share of errors among suspicions of one strength is ``rate * f1 / f``, and never falls with the
strength (isotonic regression). The data alone bound the rate of errors from above: it nowhere asks for more errors than
there are suspicions (mixture proportion estimation, as Blanchard, Lee, Scott: Semi-Supervised Novelty Detection, 2010).
Up to ``USUAL_RATE`` the rate is the largest that this bound allows, whatever chance may hide; beyond it, what the bound
is without such chance, since so many strong suspicions are hardly all of right labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import isotonic_regression
from scipy.special import gammaincinv

from anomdet.evaluation.results import Bools, Floats, Ints, Results
from anomdet.quality.review.plant import plant, raw_of_planted
from anomdet.quality.review.support import Support, find_support
from anomdet.quality.review.suspects import KINDS, MISPLACED, Suspects, find_suspects, is_resized

SHARE = 0.02  # of the labels that get an error of each kind, in a round
_WANTED, _MOST_ROUNDS = 1200, 40  # planted errors of each kind in all; with 300, their draw decided the order
USUAL_RATE = {"missing": 0.02, "class": 0.015, "box": 0.01, "unsupported": 0.005, "double": 0.01, "merged": 0.005}
"""Errors of a kind for each label that are assumed wherever the data allow them; of ``box`` shifted labels, and as many
that are too big or too small: the extent of an object is easily doubted, its place is not."""
MOST_RATE = {"missing": 0.2, "class": 0.03, "box": 0.2, "unsupported": 0.005, "double": 0.2, "merged": 0.005}
"""Errors of a kind for each label at most: low where a detector that steadily confuses two classes, misses objects or
sees them in parts makes right labels look like errors."""
FEWEST = 20  # planted errors of a kind, for a probability
_TAIL = 0.1  # of the planted errors: no rate is read from fewer, nor from fewer than FEWEST / 2
_SURE = 0.975  # that a tail's suspicions are no more than they count for
_LIKELY = 0.7  # the same beyond the usual rate; more than a half, since the smallest of many ratios is low by chance
_MOST = 0.99


@dataclass(frozen=True)
class Calibration:
    """What the planted errors say about one kind, or one way of it.

    Args:
        num_planted: errors.
        found_share: of these, that raised any suspicion of their kind.
        rate: estimated errors for each label in the data; nan: too few could be planted.
        raw, probability: ``(T,)`` rising steps; empty where the rate is nan.
    """

    num_planted: int
    found_share: float
    rate: float
    raw: Floats
    probability: Floats

    def of(self, raw: Floats) -> Floats:
        """``(S,)`` the probability of suspicions; nan where none can be said."""
        if not len(self.raw):
            return np.full(len(raw), np.nan)
        at = np.searchsorted(self.raw, raw, side="right") - 1
        return np.asarray(np.where(at >= 0, self.probability[np.maximum(at, 0)], 0.0))


@dataclass(frozen=True)
class KindShown:
    """What the planted errors show of one kind: as in its calibrations, together."""

    num_planted: int
    found_share: float
    rate: float


def calibrate(support: Support, suspects: Suspects, seed: int = 0) -> tuple[list[KindShown], Floats]:
    """What is known of each kind, in the order of ``KINDS``, and ``(S,)`` the probability of each suspicion or nan.

    Args:
        support: of the data as they are.
        suspects: found in them.
        seed: of the planted errors.
    """
    kinds, resized, raws = _plant_and_find(support, seed)
    num_labels = len(support.results.gt)
    probability: Floats = np.full(len(suspects), np.nan)
    suspects_resized, shown = is_resized(support.results, suspects), []
    for kind, name in enumerate(KINDS):
        parts = []
        for way in (False, True) if kind == MISPLACED else (False,):
            mine = (suspects.kind == kind) & (suspects_resized == way)
            planted = raws[(kinds == kind) & (resized == way)]
            parts.append(fit(planted, suspects.raw[mine], num_labels, USUAL_RATE[name], MOST_RATE[name]))
            probability[mine] = parts[-1].of(suspects.raw[mine])
        shown.append(_together(parts))
    return shown, probability


def _together(parts: Sequence[Calibration]) -> KindShown:
    number = sum(one.num_planted for one in parts)
    found = sum(one.num_planted * one.found_share for one in parts)
    return KindShown(number, found / number if number else 0.0, sum(one.rate for one in parts))


def _plant_and_find(support: Support, seed: int) -> tuple[Ints, Bools, Floats]:
    """``(E,)`` each: kind of a planted error, whether it is a label too big or too small, and its suspicion."""
    results: Results = support.results
    kinds: list[Ints] = []
    resized: list[Bools] = []
    raws: list[Floats] = []
    if len(results.gt):
        rounds = min(_MOST_ROUNDS, -(-_WANTED // max(round(SHARE * len(results.gt)), 1)))
        for one in range(rounds):
            rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence((seed, one))))
            planted = plant(results, SHARE, rng)
            kinds.append(planted.kind)
            resized.append(planted.resized)
            raws.append(raw_of_planted(planted, find_suspects(find_support(planted.results, support.trust))))
    no_kind, no_way, no_raw = np.zeros(0, np.int64), np.zeros(0, bool), np.zeros(0)
    return np.concatenate([no_kind, *kinds]), np.concatenate([no_way, *resized]), np.concatenate([no_raw, *raws])


def fit(planted: Floats, observed: Floats, num_labels: int, usual_rate: float, most_rate: float) -> Calibration:
    """The calibration of one kind, or one way of it.

    Args:
        planted: suspicion of each planted error, 0 for none.
        observed: suspicions of the data.
        num_labels: of the data.
        usual_rate: errors for each label that are assumed if the data allow them.
        most_rate: errors for each label, at most.
    """
    found = planted[planted > 0]
    found_share = len(found) / len(planted) if len(planted) else 0.0
    if len(planted) < FEWEST or not len(found):
        return Calibration(len(planted), found_share, float("nan"), np.zeros(0), np.zeros(0))
    rising = np.sort(found), len(planted), np.sort(observed), num_labels
    rate = max(min(_rate(*rising, _SURE), usual_rate), min(_rate(*rising, _LIKELY), most_rate))
    raw = np.concatenate([found, observed])
    weight = np.concatenate([np.full(len(found), 1 / len(planted)), np.full(len(observed), 1 / num_labels)])
    is_planted = np.concatenate([np.ones(len(found)), np.zeros(len(observed))])
    values, place = np.unique(raw, return_inverse=True)
    weights = np.bincount(place, weight)
    share = isotonic_regression(np.bincount(place, weight * is_planted) / weights, weights=weights).x
    with np.errstate(divide="ignore"):
        ratio = share / (1 - share)
    return Calibration(len(planted), found_share, rate, values, np.minimum(rate * ratio, _MOST))


def _rate(found: Floats, num_planted: int, observed: Floats, num_labels: int, sure: float) -> float:
    """Errors for each label: the smallest ratio of suspicions in the data to those of planted errors, over all tails.

    The suspicions of a tail count as the most that their number allows with the certainty ``sure`` (the exact bound of
    a Poisson distribution), so that chance in a short tail does not decide: none seen where four were to be expected is
    rare, two is not.
    """
    least = max(FEWEST // 2, round(_TAIL * num_planted))
    tails = np.arange(min(least, len(found)), len(found) + 1)
    thresholds = found[len(found) - tails]
    as_strong = len(observed) - np.searchsorted(observed, thresholds, side="left")
    at_most = gammaincinv(as_strong + 1, sure)
    return float((at_most / num_labels / (tails / num_planted)).min())
