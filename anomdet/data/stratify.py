"""Iterative stratification of images with several classes each.

After Sechidis, Tsoumakas and Vlahavas, On the Stratification of Multi-Label Data, ECML PKDD 2011: the rarest class is
shared out first, each image to the split that lacks the most of it. Two things are added: a class gets its first image
in every split before the rest is shared by ratio, and a last pass moves single images to where a class is missing.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from functools import lru_cache

import numpy as np

_ATTEMPTS = 10


@lru_cache(maxsize=4)  # the data sets of the three splits ask alike
def stratify(strata: tuple[tuple[Hashable, ...], ...], ratios: tuple[float, ...], seed: int) -> tuple[int, ...]:
    """Split number of each image.

    Args:
        strata: the classes of each image, each at least one.
        ratios: share of each split, summing to 1; a split with 0 stays empty.
        seed: the only source of chance.
    """
    codes = {stratum: code for code, stratum in enumerate(sorted({s for many in strata for s in many}, key=str))}
    members = [tuple(sorted(codes[s] for s in many)) for many in strata]
    best: list[int] = []
    fewest_missing = -1
    for attempt in range(_ATTEMPTS):
        generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence((seed, attempt))))
        attempted = _Stratification(members, len(codes), ratios)
        attempted.solve(generator.permutation(len(members)).tolist())
        missing = attempted.num_missing()
        if not best or missing < fewest_missing:
            best, fewest_missing = attempted.split_of, missing
        if missing == 0:
            break
    return tuple(best)


class _Stratification:
    """State of one attempt: which images are placed, and how many of each class each split still wants."""

    def __init__(self, members: list[tuple[int, ...]], num_classes: int, ratios: Sequence[float]) -> None:
        self.members = members
        self.active = [split for split, ratio in enumerate(ratios) if ratio > 0]
        self.totals = [0] * num_classes
        for codes in members:
            for code in codes:
                self.totals[code] += 1
        self.split_of = [-1] * len(members)
        self.counts = [[0] * num_classes for _ in ratios]
        self.wanted = [[ratio * total for total in self.totals] for ratio in ratios]
        self.wanted_images = [ratio * len(members) for ratio in ratios]
        self.images_of: list[list[int]] = [[] for _ in range(num_classes)]

    def solve(self, order: list[int]) -> None:
        """Place all images; ``order`` breaks ties."""
        for image in order:
            for code in self.members[image]:
                self.images_of[code].append(image)
        self._place_first_images()
        self._share_rest()
        self._mend(order)

    def num_missing(self) -> int:
        """(class, split) pairs without an image, among classes with enough images for all splits."""
        return sum(self.counts[split][code] == 0 for code in self._large_classes() for split in self.active)

    def _large_classes(self) -> list[int]:
        return [code for code, total in enumerate(self.totals) if total >= len(self.active)]

    def _put(self, image: int, split: int) -> None:
        self.split_of[image] = split
        self.wanted_images[split] -= 1
        counts, wanted = self.counts[split], self.wanted[split]
        for code in self.members[image]:
            counts[code] += 1
            wanted[code] -= 1

    def _place_first_images(self) -> None:
        """One image of each class to each split, the rarest class first: train, then test, then what is between."""
        first = max(self.active, key=lambda split: self.wanted_images[split])
        order = [first, *(split for split in reversed(self.active) if split != first)]
        for code in sorted(range(len(self.totals)), key=lambda code: self.totals[code]):
            free = [image for image in self.images_of[code] if self.split_of[image] == -1]
            free.sort(key=lambda image: -len(self.members[image]))
            for split in order:
                if free and not self.counts[split][code]:
                    self._put(free.pop(), split)

    def _share_rest(self) -> None:
        remaining = [0] * len(self.totals)
        for image, split in enumerate(self.split_of):
            if split == -1:
                for code in self.members[image]:
                    remaining[code] += 1
        while any(remaining):
            code = min((code for code, left in enumerate(remaining) if left), key=lambda code: remaining[code])
            for image in self.images_of[code]:
                if self.split_of[image] == -1:
                    self._put(image, self._neediest(code))
                    for other in self.members[image]:
                        remaining[other] -= 1

    def _neediest(self, code: int) -> int:
        """Rounded, so that a sum's last bit does not decide."""
        return max(self.active, key=lambda at: (round(self.wanted[at][code], 9), round(self.wanted_images[at], 9), -at))

    def _mend(self, order: list[int]) -> None:
        """Move single images to splits that lack a class, where nothing is lost by it, or that are empty."""
        for split in self.active:
            for code in self._large_classes():
                if not self.counts[split][code]:
                    self._fetch(split, self.images_of[code], force=False)
            if split not in self.split_of:
                self._fetch(split, order, force=True)

    def _fetch(self, split: int, candidates: Sequence[int], *, force: bool) -> None:
        """Take an image of common classes from the largest split that can spare it; by ``force``, also if it cannot."""
        sizes = [self.split_of.count(at) for at in range(len(self.counts))]

        def spares(image: int) -> bool:
            counts = self.counts[self.split_of[image]]
            return all(counts[code] > 1 or self.totals[code] < len(self.active) for code in self.members[image])

        def rank(image: int) -> tuple:
            rarest = min(self.totals[code] for code in self.members[image])
            return not spares(image), -sizes[self.split_of[image]], -rarest

        movable = [image for image in candidates if self.split_of[image] != split and sizes[self.split_of[image]] > 1]
        image = min(movable, key=rank, default=None)
        if image is not None and (force or spares(image)):
            for code in self.members[image]:
                self.counts[self.split_of[image]][code] -= 1
                self.counts[split][code] += 1
            self.split_of[image] = split
