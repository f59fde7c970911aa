"""A map of cells over an image: cold where it is as usual, hot from a threshold on."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

# Ratios to the threshold where colour begins and is full: 99 % of the cells of normal magnetic tiles are below 0.7.
COLD, HOT = 0.75, 1.5
_STRENGTH = 0.6


def heat(image_bgr: NDArray[np.uint8], ratios: NDArray[np.floating]) -> NDArray[np.uint8]:
    """A copy of an image with its cells in colour, the more the farther above the threshold.

    Args:
        image_bgr: ``(H, W, 3)``.
        ratios: ``(h, w)`` of the cells, 1 at the threshold; stretched over the whole image.

    >>> image = np.full((4, 4, 3), 100, np.uint8)
    >>> (heat(image, np.float32([[0.2, 0.3]])) == image).all()
    np.True_
    """
    height, width = image_bgr.shape[:2]
    grown = cv2.resize(ratios.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    share: NDArray[np.float32] = np.clip((grown - COLD) / (HOT - COLD), 0, 1)
    colors = cv2.applyColorMap(np.round(255 * (0.5 + share / 2)).astype(np.uint8), cv2.COLORMAP_TURBO)
    weight = (_STRENGTH * share)[..., None]
    return np.asarray(np.round(image_bgr * (1 - weight) + colors * weight), dtype=np.uint8)
