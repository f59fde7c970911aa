"""Simple features of images: colour and contrast of a coarse grid. They distinguish what was photographed, and how."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np

from anomdet.errors import UserError
from anomdet.evaluation.results import Floats
from anomdet.images.headers import BadImageError
from anomdet.images.read_header import header_of
from anomdet.quality.browse.thumbnails import read_small

_GRID, _SIDE_PX = 8, 128


def image_features(paths: Sequence[Path]) -> Floats:
    """``(N, 256)`` mean of each channel and standard deviation of the brightness in each cell of 8 x 8, as levels.

    An image that cannot be read has zeros: whoever uses it says what is wrong.
    """
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        rows = list(pool.map(_features, paths))
    return np.array(rows, dtype=np.float64).reshape(len(rows), 4 * _GRID * _GRID)


def _features(path: Path) -> np.ndarray:
    try:
        pixels = read_small(path, header_of(os.fspath(path)), _SIDE_PX)
    except (UserError, BadImageError, OSError, cv2.error):
        return np.zeros(4 * _GRID * _GRID)
    if pixels.ndim == 2:
        pixels = cv2.cvtColor(pixels, cv2.COLOR_GRAY2BGR)
    square = cv2.resize(pixels, (_SIDE_PX, _SIDE_PX), interpolation=cv2.INTER_AREA).astype(np.float64)
    cell = _SIDE_PX // _GRID
    cells = square.reshape(_GRID, cell, _GRID, cell, 3)
    contrast = cells.mean(axis=4).std(axis=(1, 3))
    return np.concatenate([cells.mean(axis=(1, 3)).ravel(), contrast.ravel()])
