"""Stratification of whole groups of images: a group is in one split, with all its images and classes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_ATTEMPTS = 10

Counts = NDArray[np.int64]


def stratify_groups(counts: Counts, ratios: Sequence[float], seed: int) -> NDArray[np.int64]:
    """Split number of each group.

    A class that is in as many groups as there are splits, or more, is in every split where that is possible; in two
    groups, in the first and last split; in one, in the first. The rest is placed so that images and the images of each
    class are near their ratios, large groups first: each group where the sum of ``(got - wanted)^2 / wanted`` grows
    least.

    Args:
        counts: ``(G, 1 + C)`` images of each group, and those with each class.
        ratios: share of images of each split, summing to 1; a split with 0 stays empty.
        seed: the only source of chance.
    """
    best: _Placing | None = None
    for attempt in range(_ATTEMPTS):
        generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence((seed, attempt))))
        placing = _Placing(counts, ratios)
        placing.solve(generator.permutation(len(counts)))
        if best is None or placing.num_missing() < best.num_missing():
            best = placing
        if best.num_missing() == 0:
            break
    assert best is not None
    return best.split_of


class _Placing:
    """State of one attempt."""

    def __init__(self, counts: Counts, ratios: Sequence[float]) -> None:
        self.counts = counts
        self.active = [split for split, ratio in enumerate(ratios) if ratio > 0]
        self.split_of = np.full(len(counts), -1, np.int64)
        self.got = np.zeros((len(ratios), counts.shape[1]))
        self.wanted = np.maximum(np.outer(ratios, counts.sum(axis=0)), 1e-9)
        classes = counts.shape[1] - 1
        # Images weigh as much as all classes together, so that the splits' sizes hold even with many rare classes.
        self.weights = np.r_[max(classes, 1), np.ones(classes)] / self.wanted

    def solve(self, order: Counts) -> None:
        """Place all groups; ``order`` breaks ties."""
        by_size = order[np.argsort(-self.counts[order, 0], kind="stable")]
        self._place_first(by_size)
        for group in by_size[self.split_of[by_size] < 0]:
            self._put(group, self._best_split(self.counts[group]))
        self._fill_empty(by_size)

    def num_missing(self) -> int:
        """(class, split) pairs without an image, among classes with enough groups for all splits."""
        large = (self.counts[:, 1:] > 0).sum(axis=0) >= len(self.active)
        return int((self.got[self.active, 1:][:, large] == 0).sum())

    def _put(self, group: int, split: int) -> None:
        self.split_of[group] = split
        self.got[split] += self.counts[group]

    def _best_split(self, count: Counts) -> int:
        grows = (self.weights * count * (2 * (self.got - self.wanted) + count)).sum(axis=1)
        return min(self.active, key=lambda split: (round(float(grows[split]), 9), split))

    def _place_first(self, by_size: Counts) -> None:
        """A group of each class to each split, small ones first; the class in the fewest groups first."""
        first = max(self.active, key=lambda split: (self.wanted[split, 0], -split))
        splits = [first, *(split for split in reversed(self.active) if split != first)]
        num_groups = (self.counts[:, 1:] > 0).sum(axis=0)
        for column in 1 + np.argsort(num_groups, kind="stable"):
            free = [group for group in by_size if self.counts[group, column] and self.split_of[group] < 0]
            for split in splits:
                if free and not self.got[split, column]:
                    self._put(free.pop(), split)

    def _fill_empty(self, by_size: Counts) -> None:
        for split in self.active:
            if (self.split_of == split).any():
                continue
            from_split = max(self.active, key=lambda at: int((self.split_of == at).sum()))
            group = next(group for group in reversed(by_size) if self.split_of[group] == from_split)
            self.got[from_split] -= self.counts[group]
            self._put(group, split)
