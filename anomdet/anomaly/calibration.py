"""From scores of normal parts that the memory does not hold to p-values, a threshold, and what it promises."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Threshold:
    """The score from which a part is rejected.

    Args:
        value: of the score; infinite never: with too few normals it lies above the highest of them.
        overkill: the share of good parts that it may reject.
        num_normals: parts that it was chosen from, a score each.
        num_above: of those scores, how many reach it.
        num_needed: parts from which on ``overkill`` can be promised.
    """

    value: float
    overkill: float
    num_normals: int
    num_above: int
    num_needed: int

    @property
    def is_promised(self) -> bool:
        """Whether there were enough normals for the promise."""
        return self.num_normals >= self.num_needed

    def rate_interval(self, num_parts: int | None = None) -> tuple[float, float]:
        """Where the share of good parts that are rejected lies, with 95 % confidence.

        Args:
            num_parts: of a measurement of that share on so many good parts; None: of all parts that will come.
        """
        return rate_interval(self.num_normals, self.num_above, num_parts)

    def sentence(self) -> str:
        """For a person."""
        low, high = (100 * share for share in self.rate_interval())
        base = f"rejects {low:.2g} to {high:.2g} % of good parts (95 % confidence, {self.num_normals} normal parts)"
        if self.is_promised:
            return base
        missing = f"too few normals to promise {100 * self.overkill:g} %: {self.num_needed} needed"
        return f"{missing}; the threshold lies above all {self.num_normals}, and {base}"


def num_needed(overkill: float) -> int:
    """Normals from which on a threshold rejects at most this share of the next parts, on average.

    >>> num_needed(0.01)
    99
    """
    return math.ceil(1 / overkill - 1e-9) - 1


def choose_threshold(normal_scores: NDArray[np.float64], overkill: float) -> Threshold:
    """The lowest threshold by which a further normal part is rejected with a probability of at most ``overkill``.

    By the rank alone, for scores of any distribution (split conformal prediction, Vovk et al. 2005): a further score is
    above the k-th highest of n with the probability k / (n + 1). The threshold is the next number above that score.

    Args:
        normal_scores: ``(N,)`` of normal parts, each scored by a model that does not hold it; of a part that several
            images show the highest, since one of them is enough to reject it.
        overkill: above 0, below 1.

    >>> choose_threshold(np.arange(1.0, 100.0), 0.05).num_above
    4
    """
    scores = np.sort(np.asarray(normal_scores, dtype=np.float64))[::-1]
    assert len(scores) and np.isfinite(scores).all()
    rank = max(int(overkill * (len(scores) + 1) + 1e-9), 1)  # the k of the k-th highest
    value = float(np.nextafter(scores[rank - 1], np.inf))
    return Threshold(value, overkill, len(scores), int((scores >= value).sum()), num_needed(overkill))


def p_value(score: float, normal_scores: NDArray[np.float64]) -> float:
    """The share of normal parts that score as high or higher, the part itself counted as one of them.

    >>> p_value(2.5, np.array([1.0, 2.0, 3.0]))
    0.5
    """
    return (1 + int((np.asarray(normal_scores) >= score).sum())) / (1 + len(normal_scores))


def rate_interval(num_normals: int, num_above: int, num_parts: int | None = None) -> tuple[float, float]:
    """The share of good parts above a threshold that ``num_above`` of ``num_normals`` scores reach, by its rank.

    The true share is Beta(k, n + 1 - k) with k = num_above + 1; a count of ``num_parts`` is beta-binomial.

    Returns:
        The interval of 95 % confidence, within 0 to 1.
    """
    from scipy import stats

    rank = num_above + 1
    low, high = (1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2
    if num_parts is None:
        beta = stats.beta(rank, num_normals + 1 - rank)
        return float(beta.ppf(low)), float(beta.ppf(high))
    counts = stats.betabinom(num_parts, rank, num_normals + 1 - rank)
    return float(counts.ppf(low)) / num_parts, float(counts.ppf(high)) / num_parts
