"""Whether two images that hash alike show the same thing: their fine detail, compared after a shift is taken out.

A hash sees shapes. Photographs of different parts of one kind, from a fixed camera, have the same shapes; their
surfaces differ. The likeness of two images is the median over all pixels of the correlation in a 9 x 9 neighbourhood:
a defect in one of them changes few of these, another surface most.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from anomdet.data.near_duplicates.hashes import read_thumbnail

MIN_LIKENESS = 0.8
_SIDE_PX = 128
_MAX_SHIFT_PX = _SIDE_PX // 8
_WINDOW = (9, 9)
_BORDER_PX = 8
_NOISE = 9.0  # variance in grey levels: two areas that are flat up to this are alike
_THUMBNAILS = 4096


def likeness_of_pairs(folder: Path, names: Sequence[str], pairs: NDArray[np.int64]) -> NDArray[np.float32]:
    """``(P,)`` likeness of each pair, from -1 to 1; 0 where an image cannot be read.

    Args:
        folder: that the names are relative to.
        names: of image files.
        pairs: ``(P, 2)`` rows of ``names``; sorted ones reuse what was read.
    """

    @lru_cache(_THUMBNAILS)
    def read(at: int) -> NDArray[np.uint8] | None:
        return read_thumbnail(f"{folder}/{names[at]}", _SIDE_PX)

    def compare(pair: NDArray[np.int64]) -> float:
        first, second = read(int(pair[0])), read(int(pair[1]))
        return 0.0 if first is None or second is None else likeness(first, second)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return np.fromiter(pool.map(compare, pairs), np.float32, len(pairs))


def bytes_to_read(pairs: NDArray[np.int64], sizes: NDArray[np.int64]) -> int:
    """Of the files that :func:`likeness_of_pairs` reads: each once, or of too many images once for each pair.

    Args:
        pairs: ``(P, 2)`` rows of ``sizes``.
        sizes: ``(N,)`` bytes; -1: the file is gone.
    """
    images = np.unique(pairs)
    read = images if len(images) <= _THUMBNAILS else np.concatenate([np.unique(pairs[:, 0]), pairs[:, 1]])
    return int(np.maximum(sizes[read], 0).sum())


def likeness(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> float:
    """Of two grey images ``(128, 128)``: 1 for the same image, near 0 for others."""
    a, b = first.astype(np.float32), second.astype(np.float32)
    (dx, dy), _ = cv2.phaseCorrelate(a - a.mean(), b - b.mean(), cv2.createHanningWindow(a.shape[::-1], cv2.CV_32F))
    if max(abs(dx), abs(dy)) <= _MAX_SHIFT_PX:  # NaN, of a flat picture, is no shift
        back = np.array([[1, 0, -dx], [0, 1, -dy]], np.float32)
        b = cv2.warpAffine(b, back, a.shape[::-1], borderMode=cv2.BORDER_REPLICATE)
    mean_a, mean_b = _mean(a), _mean(b)
    variance_a, variance_b = _mean(a * a) - mean_a**2, _mean(b * b) - mean_b**2
    covariance = _mean(a * b) - mean_a * mean_b
    scale = np.sqrt(np.maximum(variance_a, 0) + _NOISE) * np.sqrt(np.maximum(variance_b, 0) + _NOISE)
    inner = slice(_BORDER_PX, -_BORDER_PX)
    return float(np.median(((covariance + _NOISE) / scale)[inner, inner]))


def _mean(values: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(cv2.blur(values, _WINDOW), np.float32)
