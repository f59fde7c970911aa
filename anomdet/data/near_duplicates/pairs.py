"""Pairs of hashes that differ in few bits, without comparing all pairs.

Multi-index hashing, after Norouzi, Punjani and Fleet, Fast Search in Hamming Space with Multi-Index Hashing, CVPR 2012:
if two words of 64 bits differ in at most 11, then one of their four blocks of 16 differs in at most 2, and is found by
looking up the 137 words near it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

MAX_LOW_DISTANCE = 11
"""Of the 64 bits of the lowest frequencies."""
_NUM_BLOCKS, _BLOCK_BITS = 4, 16
_RADIUS = MAX_LOW_DISTANCE // _NUM_BLOCKS
_CHUNK = 1 << 21
_NUM_SET = np.array([value.bit_count() for value in range(1 << _BLOCK_BITS)], np.uint8)


@dataclass(frozen=True)
class NearPairs:
    """Pairs of near hashes.

    Args:
        pairs: ``(P, 2)`` rows of the hashes, the smaller first, ascending.
        distances: ``(P,)`` bits that differ.
        complete: False if the search was given up, because too many hashes are alike.
    """

    pairs: NDArray[np.int64]
    distances: NDArray[np.int64]
    complete: bool = True


def near_pairs(
    bits: NDArray[np.uint8], max_distance: int, *, max_pairs: int = 1_000_000, max_looks: int = 400_000_000
) -> NearPairs:
    """All pairs with at most ``max_distance`` different bits, of which at most 11 are among the first 64.

    Args:
        bits: ``(N, 32)`` uint8.
        max_distance: of all bits.
        max_pairs: give up beyond.
        max_looks: give up after so many comparisons: where all images are alike, an index cannot distinguish them.
    """
    words = np.ascontiguousarray(bits).view(np.uint64)
    found: list[NDArray[np.int64]] = []
    num_found = num_looks = 0
    complete = True
    for left, right, looks in _near_in_low_bits(np.ascontiguousarray(words[:, 0])):
        num_looks += looks
        near = hamming(words[left], words[right]) <= max_distance
        found.append(np.minimum(left, right)[near] * len(words) + np.maximum(left, right)[near])
        num_found += len(found[-1])
        if num_found > _NUM_BLOCKS * max_pairs or num_looks > max_looks:  # a pair is found once a block at most
            complete = False
            break
    codes = np.unique(np.concatenate(found)) if found else np.zeros(0, np.int64)
    complete = complete and len(codes) <= max_pairs
    pairs = np.stack(np.divmod(codes[:max_pairs], max(len(words), 1)), axis=1)
    return NearPairs(pairs, hamming(words[pairs[:, 0]], words[pairs[:, 1]]), complete)


def hamming(words: NDArray[np.uint64], others: NDArray[np.uint64]) -> NDArray[np.int64]:
    """``(N,)`` bits that differ in rows ``(N, 4)``, or from one ``(4,)``."""
    result: NDArray[np.int64] = _count_bits(words ^ others).sum(axis=1, dtype=np.int64)
    return result


def _count_bits(words: NDArray[np.uint64]) -> NDArray[np.uint8]:
    if hasattr(np, "bitwise_count"):  # from NumPy 2 on
        return np.asarray(np.bitwise_count(words))
    result: NDArray[np.uint8] = (
        _NUM_SET[np.ascontiguousarray(words).view(np.uint16)].reshape(*words.shape, 4).sum(axis=-1, dtype=np.uint8)
    )
    return result


def _near_in_low_bits(words: NDArray[np.uint64]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], int]]:
    """Rows of pairs whose words are near, once for each block that shows it, and how many pairs were looked at."""
    masks = [sum(1 << bit for bit in bits) for size in range(_RADIUS + 1) for bits in combinations(range(16), size)]
    for block in range(_NUM_BLOCKS):
        keys = words.view(np.uint16).reshape(-1, _NUM_BLOCKS)[:, block]
        order = np.argsort(keys, kind="stable")
        keys, here = keys[order].astype(np.int64), words[order]  # sorted: what is compared lies together in memory
        ends = np.cumsum(np.bincount(keys, minlength=1 << _BLOCK_BITS))
        starts = ends - np.bincount(keys, minlength=1 << _BLOCK_BITS)
        for mask in masks:
            others = keys ^ mask
            # Each pair once: those behind it in the same bucket, or all of a bucket with a higher key.
            first = np.arange(1, len(keys) + 1) if mask == 0 else starts[others]
            counts = np.where(others >= keys, ends[others] - first, 0)
            for left, right in _expand(first, counts):
                near = _count_bits(here[left] ^ here[right]) <= MAX_LOW_DISTANCE
                yield order[left[near]], order[right[near]], len(left)


def _expand(first: NDArray[np.int64], counts: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.int64], ...]]:
    """Row ``i`` beside each of ``first[i]`` to ``first[i] + counts[i] - 1``, in pieces that fit in memory."""
    rows = np.flatnonzero(counts)
    totals = np.cumsum(counts[rows])
    begin = 0
    while begin < len(rows):
        before = totals[begin - 1] if begin else 0
        end = max(int(np.searchsorted(totals, before + _CHUNK, side="right")), begin + 1)
        piece, sizes = rows[begin:end], counts[rows[begin:end]]
        offsets = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        yield np.repeat(piece, sizes), np.repeat(first[piece], sizes) + offsets
        begin = end
