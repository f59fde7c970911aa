"""Candidates for near-duplicates: by what images show, or within a kind of look-alikes by what each has beside it.

A kind is the images near one of them, its leader; what is no kind of many images is compared as a whole. Kinds may
share images, so that pairs at their edges are seen together.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from anomdet.data.near_duplicates.hashes import Hashes
from anomdet.data.near_duplicates.pairs import NearPairs, hamming, near_pairs
from anomdet.data.near_duplicates.residual import near_residuals

MAX_DISTANCE = 56
"""Of 256 bits; chosen on DeepPCB's twins and on photographs drawn twice, see benchmarks/leaks.py."""
KIND_DISTANCE = 96
"""Of 256 bits, from the leader; four standard deviations from what chance gives."""
MIN_KIND = 64
"""Images that show what they share."""
_LED_DISTANCE = 72  # of images that need no other leader
_LEADERS = 256
_MAX_PRODUCTS = 10**10  # pairs of residuals, a minute's work


def near_candidates(hashes: Hashes) -> tuple[NearPairs, int]:
    """Pairs of images that may be near-duplicates, and how many images are of a kind of look-alikes.

    Args:
        hashes: of images that all have one.
    """
    kinds = find_kinds(hashes.bits)
    in_kind = np.zeros(len(hashes.bits), bool)
    near, products = [], 0
    for kind in kinds:
        in_kind[kind] = True
        products += len(kind) ** 2 // 2
        near.append(_of_rows(near_residuals(hashes.cells[kind], all_pairs=products <= _MAX_PRODUCTS), kind))
    others = np.flatnonzero(~in_kind)
    near.append(_of_rows(near_pairs(hashes.bits[others], MAX_DISTANCE), others))
    return _joined(near), int(in_kind.sum())


def find_kinds(bits: NDArray[np.uint8]) -> list[NDArray[np.int64]]:
    """Rows of each kind of look-alikes, ascending.

    Args:
        bits: ``(N, 32)``; of at most 256 images, drawn always alike, it is seen whether they lead a kind.
    """
    words = np.ascontiguousarray(bits).view(np.uint64)
    led = np.zeros(len(words), bool)
    kinds = []
    for leader in np.random.default_rng(0).permutation(len(words))[:_LEADERS]:
        if not led[leader]:
            distances = hamming(words, words[leader])
            kind = np.flatnonzero(distances <= KIND_DISTANCE)
            if len(kind) >= MIN_KIND:
                led |= distances <= _LED_DISTANCE
                kinds.append(kind)
    return kinds


def _of_rows(near: NearPairs, rows: NDArray[np.int64]) -> NearPairs:
    return NearPairs(rows[near.pairs], near.distances, near.complete)


def _joined(near: list[NearPairs]) -> NearPairs:
    """Each pair once, with its least distance."""
    pairs, distances = np.concatenate([one.pairs for one in near]), np.concatenate([one.distances for one in near])
    order = np.lexsort((distances, pairs[:, 1], pairs[:, 0]))
    pairs, distances = pairs[order], distances[order]
    first = np.append(True, (pairs[1:] != pairs[:-1]).any(axis=1))[: len(pairs)]
    return NearPairs(pairs[first], distances[first], all(one.complete for one in near))
