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
        num_effective: independent parts that they are worth; fewer where they come in series.
    """

    value: float
    overkill: float
    num_normals: int
    num_above: int
    num_needed: int
    num_effective: int

    @property
    def is_promised(self) -> bool:
        """Whether there were enough normals for the promise."""
        return self.num_effective >= self.num_needed

    def rate_interval(self, num_parts: int | None = None) -> tuple[float, float]:
        """Where the share of good parts that are rejected lies, with 95 % confidence.

        Where the normal parts come in series, of further parts of such series.

        Args:
            num_parts: of a measurement of that share on so many good parts, which come in series as the normal ones;
                None: of all parts that will come.
        """
        weight = self.num_effective / self.num_normals
        return rate_interval(self.num_normals, self.num_above, num_parts, weight)

    def sentence(self) -> str:
        """For a person."""
        low, high = (100 * share for share in self.rate_interval())
        base = f"rejects {low:.2g} to {high:.2g} % of good parts (95 % confidence, {self.num_normals} normal parts)"
        if self.num_effective < self.num_normals:
            base = base.replace(" (", " of the same series (")[:-1] + f", which count as about {self.num_effective})"
        if self.is_promised:
            return base
        if self.num_normals >= self.num_needed:
            return f"{base}: too few to promise {100 * self.overkill:g} %, for which {self.num_needed} are needed"
        missing = f"too few normals to promise {100 * self.overkill:g} %: {self.num_needed} needed"
        return f"{missing}; the threshold lies above all {self.num_normals}, and {base}"


def num_needed(overkill: float) -> int:
    """Normals from which on a threshold rejects at most this share of the next parts, on average.

    >>> num_needed(0.01)
    99
    """
    return math.ceil(1 / overkill - 1e-9) - 1


def choose_threshold(
    normal_scores: NDArray[np.float64], overkill: float, num_effective: int | None = None
) -> Threshold:
    """The lowest threshold by which a further normal part is rejected with a probability of at most ``overkill``.

    By the rank alone, for scores of any distribution (split conformal prediction, Vovk et al. 2005): a further score is
    above the k-th highest of n with the probability k / (n + 1). The threshold is the next number above that score.

    Args:
        normal_scores: ``(N,)`` of normal parts, each scored by a model that does not hold it; of a part that several
            images show the highest, since one of them is enough to reject it.
        overkill: above 0, below 1.
        num_effective: independent parts that they are worth; None: all are. The threshold does not depend on it.

    >>> choose_threshold(np.arange(1.0, 100.0), 0.05).num_above
    4
    """
    scores = np.sort(np.asarray(normal_scores, dtype=np.float64))[::-1]
    assert len(scores) and np.isfinite(scores).all()
    rank = max(int(overkill * (len(scores) + 1) + 1e-9), 1)  # the k of the k-th highest
    value = float(np.nextafter(scores[rank - 1], np.inf))
    num_above, worth = int((scores >= value).sum()), len(scores) if num_effective is None else num_effective
    return Threshold(value, overkill, len(scores), num_above, num_needed(overkill), worth)


def p_value(score: float, normal_scores: NDArray[np.float64]) -> float:
    """The share of normal parts that score as high or higher, the part itself counted as one of them.

    >>> p_value(2.5, np.array([1.0, 2.0, 3.0]))
    0.5
    """
    return (1 + int((np.asarray(normal_scores) >= score).sum())) / (1 + len(normal_scores))


def rate_interval(
    num_normals: int, num_above: int, num_parts: int | None = None, weight: float = 1.0
) -> tuple[float, float]:
    """The share of good parts above a threshold that ``num_above`` of ``num_normals`` scores reach, by its rank.

    The true share is Beta(k, n + 1 - k) with k = num_above + 1; a count of ``num_parts`` is beta-binomial.

    Args:
        weight: that a part has, below 1 where they come in series: k, n and ``num_parts`` count so much.

    Returns:
        The interval of 95 % confidence, within 0 to 1.
    """
    from scipy import stats

    shape = weight * (num_above + 1), weight * (num_normals - num_above)
    ends = (1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2
    if num_parts is None:
        low, high = (float(stats.beta(*shape).ppf(end)) for end in ends)
        return low, high
    worth = max(round(weight * num_parts), 1)
    low, high = (float(stats.betabinom(worth, *shape).ppf(end)) / worth for end in ends)
    return low, high


def share_interval(share: float, num_effective: int) -> tuple[float, float]:
    """Of 95 % confidence for a share that was counted among parts worth so many independent ones (Jeffreys).

    >>> [round(end, 2) for end in share_interval(0.1, 50)]
    [0.04, 0.21]
    """
    from scipy import stats

    hits, ends = share * num_effective, ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2)
    low, high = (float(stats.beta(hits + 0.5, num_effective - hits + 0.5).ppf(end)) for end in ends)
    return low, high
