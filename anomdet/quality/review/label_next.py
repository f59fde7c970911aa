"""Which unlabelled images to label next: what a detector is unsure of, what is unlike the labelled, what is rare."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from anomdet.evaluation.results import Bools, Floats, Ints

WEIGHTS = {"boxes": 0.35, "verdict": 0.15, "novelty": 0.3, "classes": 0.2}
"""Share of each aspect in the score of an image."""
REASONS = {
    "boxes": "boxes near the threshold",
    "verdict": "verdict near the threshold",
    "novelty": "unlike the images that are labelled or chosen before",
    "classes": "a class with few labels",
}
_WIDTH_BOX, _WIDTH_VERDICT = 0.15, 0.1  # of the score around the threshold
_MANY = 0.95  # quantile of the images: as many boxes as it has, or more, count as all
_CHUNK = 1024


@dataclass(frozen=True)
class Choice:
    """An image to label.

    Args:
        at: position among the unlabelled.
        score: from 0 to 1, at the moment of the choice.
        aspects: each of ``WEIGHTS``, from 0 to 1.
    """

    at: int
    score: float
    aspects: Mapping[str, float]

    @property
    def reason(self) -> str:
        """What the score comes from, the most first."""
        parts = sorted(((WEIGHTS[name] * value, name) for name, value in self.aspects.items()), reverse=True)
        reasons = [REASONS[name] for value, name in parts if value >= 0.25 * self.score and value > 0]
        return "; ".join(reasons) or "no other is left"


def box_doubt(scores: Floats, thresholds: Floats) -> float:
    """How many of an image's boxes are near to the threshold of their class; each counts from 0 to 1.

    >>> round(box_doubt(np.array([0.5, 0.6, 0.95]), np.full(3, 0.5)), 2)
    1.64
    """
    return float(_near(scores - thresholds, _WIDTH_BOX).sum())


def verdict_doubt(scores: Floats, thresholds: Floats) -> float:
    """From 0 to 1: how near the box that decides the verdict is to its threshold; 0 without a box."""
    return float(_near(scores - thresholds, _WIDTH_VERDICT)[np.argmax(scores - thresholds)]) if len(scores) else 0.0


def class_need(scores: Floats, thresholds: Floats, counts: Floats, fewest: float) -> float:
    """How many objects of classes with few labels seem to be on the image; each counts from 0 to 1.

    Args:
        scores, thresholds: of the image's boxes.
        counts: labels of each box's class.
        fewest: labels of the rarest class.
    """
    sure = np.clip(scores / np.maximum(thresholds, 1e-9), 0, 1)
    return float((np.where(sure >= 0.5, sure, 0) * (fewest + 1) / (counts + 1)).sum())


def _near(distance: Floats, width: float) -> Floats:
    return np.asarray(np.exp(-((distance / width) ** 2)))


def choose(
    aspects: Mapping[str, Floats], features: Floats, labelled_features: Floats, group_of: Ints, budget: int
) -> list[Choice]:
    """The images to label, the best first, one of each group.

    Args:
        aspects: ``boxes``, ``verdict`` and ``classes``, ``(N,)`` each; more than many other images have count as that.
        features: ``(N, D)`` of the unlabelled images.
        labelled_features: ``(L, D)``.
        group_of: ``(N,)`` near-duplicates have one number; -1: near-duplicates of labelled images, which are left out.
        budget: images at most.
    """
    free = group_of >= 0
    if not free.any():
        return []
    features, labelled_features = _scaled(features, labelled_features)
    distance = _nearest(features, labelled_features)
    unit = float(np.quantile(distance[free], 0.95)) or 1.0
    shares = {name: _share_of_many(values, free) for name, values in aspects.items()}
    base = sum(WEIGHTS[name] * values for name, values in shares.items())
    return list(_greedy(shares, np.asarray(base), (features, distance, unit), (group_of, free.copy()), budget))


def _share_of_many(values: Floats, free: Bools) -> Floats:
    """``(N,)`` from 0 to 1: where a detector is unsure on every image, the one with the most boxes teaches most."""
    return np.asarray(np.minimum(values / max(float(np.quantile(values[free], _MANY)), 1.0), 1.0))


def _greedy(
    aspects: Mapping[str, Floats],
    base: Floats,
    space: tuple[Floats, Floats, float],
    groups: tuple[Ints, Bools],
    budget: int,
) -> Iterator[Choice]:
    features, distance, unit = space
    group_of, free = groups
    for _ in range(min(budget, len(np.unique(group_of[free])))):
        novelty = np.minimum(distance / unit, 1)
        score = np.where(free, base + WEIGHTS["novelty"] * novelty, -1.0)
        at = int(score.argmax())
        found = {name: float(values[at]) for name, values in aspects.items()} | {"novelty": float(novelty[at])}
        yield Choice(at, float(score[at]), {name: found[name] for name in WEIGHTS})
        free[group_of == group_of[at]] = False
        distance = np.minimum(distance, np.linalg.norm(features - features[at], axis=1))


def _scaled(features: Floats, labelled: Floats) -> tuple[Floats, Floats]:
    """In standard deviations of all images, so that no single feature decides."""
    both = np.concatenate([features, labelled])
    mean, std = both.mean(axis=0), np.maximum(both.std(axis=0), 1e-6)
    return np.asarray((features - mean) / std), np.asarray((labelled - mean) / std)


def _nearest(features: Floats, others: Floats) -> Floats:
    """``(N,)`` distance to the nearest of the others; where there are none, to the mean."""
    if not len(others):
        return np.asarray(np.linalg.norm(features, axis=1))
    squares = (others**2).sum(axis=1)
    nearest: list[Floats] = []
    for start in range(0, len(features), _CHUNK):
        part = features[start : start + _CHUNK]
        nearest.append(((part**2).sum(axis=1)[:, None] + squares - 2 * part @ others.T).min(axis=1))
    return np.asarray(np.sqrt(np.maximum(np.concatenate(nearest), 0)))


def number_free_groups(group_of: Ints, num_labelled: int) -> Ints:
    """``(N,)`` of the unlabelled images, which come behind the labelled: their group, -1 if a labelled one is in it.

    >>> number_free_groups(np.array([0, 1, 1, 2, 3, 3]), 2).tolist()
    [-1, 2, 3, 3]
    """
    own = group_of[num_labelled:]
    return np.asarray(np.where(np.isin(own, group_of[:num_labelled]), -1, own))


def thresholds_of(nums: Sequence[int], threshold: float | Mapping[int, float]) -> Floats:
    """``(N,)`` the least score that rejects a part, of each box."""
    return np.array([threshold[num] if isinstance(threshold, Mapping) else threshold for num in nums], dtype=np.float64)
