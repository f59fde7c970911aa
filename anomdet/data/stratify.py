"""Iterative stratification of images with several classes each.

After Sechidis, Tsoumakas and Vlahavas, On the Stratification of Multi-Label Data, ECML PKDD 2011: the rarest class is
shared out first, each image to the split that lacks the most of it. Two things are added: a class gets its first image
in every split before the rest is shared by ratio, and a last pass moves single images to where a class is missing.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

_ATTEMPTS = 10


def stratify(strata: Sequence[tuple[Hashable, ...]], ratios: Sequence[float], seed: int) -> list[int]:
    """Split number of each image.

    Args:
        strata: the classes of each image, each at least one.
        ratios: share of each split, summing to 1; a split with 0 stays empty.
        seed: the only source of chance.
    """
    codes = {stratum: code for code, stratum in enumerate(sorted({s for many in strata for s in many}, key=str))}
    members = [np.array(sorted(codes[s] for s in many), dtype=np.int64) for many in strata]
    best: NDArray[np.int64] | None = None
    fewest_missing = -1
    for attempt in range(_ATTEMPTS):
        generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence((seed, attempt))))
        problem = _Stratification(members, len(codes), np.asarray(ratios, dtype=np.float64), generator)
        problem.solve()
        missing = problem.num_missing()
        if best is None or missing < fewest_missing:
            best, fewest_missing = problem.split_of, missing
        if missing == 0:
            break
    assert best is not None
    return best.tolist()


class _Stratification:
    """State of one attempt: which images are placed, and how many of each class each split still wants."""

    def __init__(
        self, members: list[NDArray], num_classes: int, ratios: NDArray[np.float64], generator: np.random.Generator
    ) -> None:
        self.members = members
        self.generator = generator
        self.active = np.flatnonzero(ratios > 0)
        self.split_of: NDArray[np.int64] = np.full(len(members), -1, dtype=np.int64)
        self.counts: NDArray[np.int64] = np.zeros((len(ratios), num_classes), dtype=np.int64)
        self.totals = np.bincount(np.concatenate(members), minlength=num_classes)
        self.wanted = ratios[:, None] * self.totals
        self.wanted_images = ratios * len(members)
        self.images_of: list[list[int]] = [[] for _ in range(num_classes)]
        for image in generator.permutation(len(members)).tolist():
            for code in members[image].tolist():
                self.images_of[code].append(image)

    def solve(self) -> None:
        self._place_first_images()
        self._share_rest()
        self._mend()

    def num_missing(self) -> int:
        """(class, split) pairs without an image, among classes with enough images for all splits."""
        enough = self.totals >= len(self.active)
        return int((self.counts[np.ix_(self.active, np.flatnonzero(enough))] == 0).sum())

    def _put(self, image: int, split: int) -> None:
        assert self.split_of[image] == -1
        codes = self.members[image]
        self.split_of[image] = split
        self.counts[split, codes] += 1
        self.wanted[split, codes] -= 1
        self.wanted_images[split] -= 1

    def _needy_order(self) -> list[int]:
        """Where the first images of a class go: the largest split, then the last (the test), then those between."""
        by_size = sorted(self.active.tolist(), key=lambda split: -self.wanted_images[split])
        first = by_size[0]
        return [first, *(split for split in self.active.tolist()[::-1] if split != first)]

    def _place_first_images(self) -> None:
        """One image of each class to each split, the rarest class first."""
        order = self._needy_order()
        for code in np.argsort(self.totals, kind="stable").tolist():
            free = [image for image in self.images_of[code] if self.split_of[image] == -1]
            free.sort(key=lambda image: len(self.members[image]))
            for split in order:
                if free and not self.counts[split, code]:
                    self._put(free.pop(0), split)

    def _share_rest(self) -> None:
        remaining: NDArray[np.int64] = np.zeros(len(self.totals), dtype=np.int64)
        for image in np.flatnonzero(self.split_of == -1).tolist():
            remaining[self.members[image]] += 1
        while remaining.any():
            code = int(np.argmin(np.where(remaining > 0, remaining, np.iinfo(np.int64).max)))
            for image in self.images_of[code]:
                if self.split_of[image] == -1:
                    self._put(image, self._neediest(code))
                    remaining[self.members[image]] -= 1

    def _neediest(self, code: int) -> int:
        wanted = self.wanted[:, code]
        images = self.wanted_images
        return max(self.active.tolist(), key=lambda split: (round(wanted[split], 9), round(images[split], 9), -split))

    def _mend(self) -> None:
        """Move single images to splits that lack a class or are empty, where nothing is lost by it."""
        for split in self.active.tolist():
            for code in np.flatnonzero((self.counts[split] == 0) & (self.totals >= len(self.active))).tolist():
                self._fetch(split, self.images_of[code])
            if not (self.split_of == split).any():
                self._fetch(split, self.generator.permutation(len(self.members)).tolist(), force=True)

    def _fetch(self, split: int, candidates: Sequence[int], *, force: bool = False) -> None:
        sizes = np.bincount(self.split_of, minlength=len(self.counts))
        for image in sorted(candidates, key=lambda image: -sizes[self.split_of[image]]):
            source, codes = self.split_of[image], self.members[image]
            spare = (self.counts[source, codes] > 1) | (self.totals[codes] < len(self.active))
            if source != split and sizes[source] > 1 and (force or spare.all()):
                self.counts[source, codes] -= 1
                self.counts[split, codes] += 1
                self.split_of[image] = split
                return
