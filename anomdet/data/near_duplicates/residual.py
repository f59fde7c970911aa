"""Images that all look alike, of one kind of part before a fixed camera, by what each has beside what they share.

A hash of the whole image sees the common part. Here an image is 16 x 16 cells, each the mean of its pixels after
these are normalised by their neighbourhood, so that light and gain are out. Of each cell its mean over the data set is
taken away and its spread is made one; what cells do together (a shift at an edge, the lamp, the kind of part) is
evened out by whitening: ZCA-cor of Kessy, Lewin and Strimmer, Optimal Whitening and Decorrelation, The American
Statistician 72 (2018). The signs of what is left are 256 bits, which differ in half of all places for two parts.
"""

from __future__ import annotations

from statistics import NormalDist

import cv2
import numpy as np
from numpy.typing import NDArray

from anomdet.data.near_duplicates.pairs import NearPairs, near_pairs

NUM_CELLS = 256
MAX_RESIDUAL_DISTANCE = 88
"""Of 256 bits: five standard deviations from chance. Chosen on drawn parts, see benchmarks/look_alikes.py."""
_CHANCE_PAIRS = 0.05  # that are near though of different parts, if bits were independent
_SIDE = 16
_WINDOW = (9, 9)
_NOISE = 9.0  # variance in grey levels: what is flat up to this stays flat
_CLIP = 2.0  # standard deviations: a defect is not to outweigh the surface
_MIN_SHRINKAGE = 0.2  # of the correlations, more for few images, which do not tell them well
_SAMPLE, _CHUNK = 8192, 4096


def cells_of(thumbnail: NDArray[np.uint8]) -> NDArray[np.float16]:
    """The ``(256,)`` cells of a grey ``(64, 64)`` image."""
    grey = thumbnail.astype(np.float32)
    mean = cv2.blur(grey, _WINDOW)
    variance = np.maximum(cv2.blur(grey * grey, _WINDOW) - mean * mean, 0)
    detail = (grey - mean) / np.sqrt(variance + _NOISE)
    result: NDArray[np.float16] = (
        cv2.resize(detail, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA).ravel().astype(np.float16)
    )
    return result


def hash_residuals(cells: NDArray[np.float16]) -> NDArray[np.uint8]:
    """``(N, 32)`` bits of what distinguishes each image from the others.

    Args:
        cells: ``(N, 256)`` of all images; what they share is learned from at most 16,383, evenly over them.
    """
    sample = cells[:: max(len(cells) // _SAMPLE, 1)].astype(np.float32)
    centre, spread = sample.mean(axis=0), np.maximum(sample.std(axis=0), 1e-6)
    sample = np.clip((sample - centre) / spread, -_CLIP, _CLIP)
    offset = sample.mean(axis=0)
    shrinkage = max(_MIN_SHRINKAGE, NUM_CELLS / (NUM_CELLS + len(sample)))
    shared = (1 - shrinkage) * np.cov(sample, rowvar=False) + shrinkage * np.eye(NUM_CELLS)
    values, vectors = np.linalg.eigh(shared)
    whiten = ((vectors / np.sqrt(values)) @ vectors.T).astype(np.float32)
    bits: NDArray[np.uint8] = np.empty((len(cells), NUM_CELLS // 8), np.uint8)
    for start in range(0, len(cells), _CHUNK):
        chunk = np.clip((cells[start : start + _CHUNK].astype(np.float32) - centre) / spread, -_CLIP, _CLIP)
        bits[start : start + _CHUNK] = np.packbits((chunk - offset) @ whiten > 0, axis=1)
    return bits


def near_residuals(cells: NDArray[np.float16], *, all_pairs: bool = True, max_pairs: int = 1_000_000) -> NearPairs:
    """Pairs of images of one kind whose residuals are near.

    Args:
        cells: ``(N, 256)``.
        all_pairs: compare each with each, 10**8 pairs a second; else an index finds only the nearest.
        max_pairs: give up beyond.
    """
    bits = hash_residuals(cells)
    most = max_distance(len(bits))
    if not all_pairs:
        near = near_pairs(bits, most, max_pairs=max_pairs)
        return NearPairs(near.pairs, near.distances, complete=False)
    signs = np.unpackbits(bits, axis=1).astype(np.float32) * 2 - 1  # products of signs: 256 less twice the distance
    pairs, distances, num_found = [], [], 0
    for start in range(0, len(signs), _CHUNK):
        for other in range(start, len(signs), _CHUNK):
            products = signs[start : start + _CHUNK] @ signs[other : other + _CHUNK].T
            left, right = np.nonzero(products >= NUM_CELLS - 2 * most)
            upper = left + start < right + other
            left, right = left[upper], right[upper]
            pairs.append(np.stack([left + start, right + other], axis=1))
            distances.append((NUM_CELLS - products[left, right].astype(np.int64)) // 2)
            num_found += len(left)
            if num_found > max_pairs:
                return _sorted(pairs, distances, complete=False)
    return _sorted(pairs, distances, complete=True)


def max_distance(num_images: int) -> int:
    """Bits up to which residuals are near: 88 of 256, 86 in 1,000 images, 80 in 10,000, 74 in 100,000."""
    num_pairs = max(num_images * (num_images - 1) / 2, 1.0)
    by_chance = NUM_CELLS / 2 + NUM_CELLS**0.5 / 2 * NormalDist().inv_cdf(_CHANCE_PAIRS / num_pairs)
    return min(int(by_chance), MAX_RESIDUAL_DISTANCE)


def _sorted(pairs: list[NDArray[np.int64]], distances: list[NDArray[np.int64]], *, complete: bool) -> NearPairs:
    together = np.concatenate(pairs)
    order = np.lexsort((together[:, 1], together[:, 0]))
    return NearPairs(together[order], np.concatenate(distances)[order], complete)
