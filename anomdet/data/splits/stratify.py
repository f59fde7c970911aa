"""Iterative stratification of images with several classes each.

After Sechidis, Tsoumakas and Vlahavas, On the Stratification of Multi-Label Data, ECML PKDD 2011: the rarest class is
shared out first, each image to the split that lacks the most of it. Two things are added: a class gets its first image
in every split before the rest is shared by ratio, and a last pass moves single images to where a class is missing.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from anomdet.data.index.cache import remembered
from anomdet.data.index.columns import Columns

_ATTEMPTS = 10
_VERSION = 1  # of the result: another one for the same data needs another number
_BITS = 62
_CLOSE = 1e-6


def stratify_images(
    columns: Columns, ratios: tuple[float, ...], seed: int, normal: Hashable = "normal"
) -> NDArray[np.int8]:
    """Split number of each image, as :func:`stratify` of the classes of its objects; remembered on disk.

    Args:
        columns: of the data set.
        ratios: share of each split, summing to 1.
        seed: the only source of chance.
        normal: the class of images without objects.
    """

    def solve() -> NDArray[np.int8]:
        members, num_codes = _members(columns, normal)
        return np.array(_solve(members, num_codes, ratios, seed), dtype=np.int8)

    return remembered(columns, f"stratified {_VERSION} {ratios} {seed} {normal}", solve)


def _members(columns: Columns, normal: Hashable) -> tuple[list[tuple[int, ...]], int]:
    """The codes of each image's classes, images alike sharing one tuple; how many codes there are."""
    counts = np.diff(columns.box_starts)
    class_nums, number_of = np.unique(columns.class_nums, return_inverse=True)
    strata: list[Hashable] = [*class_nums.tolist(), *([normal] if (counts == 0).any() else [])]
    ordered = sorted(strata, key=str)
    code_of = np.array([ordered.index(stratum) for stratum in strata], dtype=np.int64)
    words = np.zeros((len(columns), -(-len(strata) // _BITS)), dtype=np.int64)
    codes = code_of[number_of]
    some = np.flatnonzero(counts)
    for word in range(words.shape[1]):
        bits = np.where(codes // _BITS == word, np.int64(1) << codes % _BITS, 0)
        if len(some):
            words[some, word] = np.bitwise_or.reduceat(bits, columns.box_starts[some])
    if len(some) < len(counts):
        words[counts == 0, code_of[-1] // _BITS] = np.int64(1) << code_of[-1] % _BITS
    kinds, kind_of = np.unique(words, axis=0, return_inverse=True) if words.shape[1] > 1 else _unique(words)
    tuples = [
        tuple(_BITS * word + bit for word, bits in enumerate(kind) for bit in range(_BITS) if bits >> bit & 1)
        for kind in kinds.tolist()
    ]
    return [tuples[kind] for kind in kind_of.reshape(-1).tolist()], len(strata)


def _unique(words: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.intp]]:
    kinds, kind_of = np.unique(words[:, 0], return_inverse=True)  # a tenth of the time of comparing rows
    return kinds[:, None], kind_of


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
    return tuple(_solve(members, len(codes), ratios, seed))


def _solve(members: list[tuple[int, ...]], num_codes: int, ratios: tuple[float, ...], seed: int) -> list[int]:
    best: list[int] = []
    fewest_missing = -1
    for attempt in range(_ATTEMPTS):
        generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence((seed, attempt))))
        attempted = _Stratification(members, num_codes, ratios)
        attempted.solve(generator.permutation(len(members)).tolist())
        missing = attempted.num_missing()
        if not best or missing < fewest_missing:
            best, fewest_missing = attempted.split_of, missing
        if missing == 0:
            break
    return best


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
        self._correct(order)

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
        """Rounded, so that a sum's last bit does not decide; where nothing is close, without the cost of rounding."""
        best = self.active[0]
        for at in self.active[1:]:
            more = self.wanted[at][code] - self.wanted[best][code]
            if more > _CLOSE or (more >= -_CLOSE and self._need(at, code) > self._need(best, code)):
                best = at
        return best

    def _need(self, at: int, code: int) -> tuple[float, float, int]:
        return round(self.wanted[at][code], 9), round(self.wanted_images[at], 9), -at

    def _correct(self, order: list[int]) -> None:
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
