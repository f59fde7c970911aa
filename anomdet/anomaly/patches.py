"""From an image to what the memory holds: evened light, locally averaged patches, and one description of the whole."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
_LEAST_CONTRAST = 2.0  # grey levels: the noise of an empty image is not made into a structure
_MAX_CHANNELS = 512  # of OpenCV


def shrink(image_bgr: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """An image ``(H, W, 3)`` as a square of ``size`` pixels; its shape is not kept, for parts fill the square alike."""
    smaller = image_bgr.shape[0] * image_bgr.shape[1] > size * size
    resized = cv2.resize(image_bgr, (size, size), interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR)
    return np.asarray(resized, dtype=np.uint8)


def even_light(images_bgr: NDArray[np.uint8]) -> Floats:
    """Each image to a mean of 0 and a standard deviation of 1 over all its pixels, as RGB planes.

    In place of ImageNet's constants: brightness and contrast of the light are no defects.

    Args:
        images_bgr: ``(N, S, S, 3)``.

    Returns:
        ``(N, 3, S, S)``, contiguous.
    """
    planes = np.ascontiguousarray(images_bgr[..., ::-1].transpose(0, 3, 1, 2)).astype(np.float32)
    for plane in planes:
        mean, spread = float(plane.mean()), float(plane.std())
        plane -= mean
        plane /= max(spread, _LEAST_CONTRAST)
    return planes


def description(map_hwc: Floats) -> Floats:
    """Mean and standard deviation of each channel of a map ``(h, w, C)``: ``(2 C,)``."""
    rows = map_hwc.reshape(-1, map_hwc.shape[-1])
    both: Floats = np.concatenate([rows.mean(axis=0), rows.std(axis=0)])
    return both


def farthest_tenth(distances: Floats) -> float:
    """The mean of the largest tenth of an image's distances ``(P,)``, at least one.

    In place of the largest alone, as both papers have it: on textured parts a single cell is noise.
    """
    count = max(len(distances) // 10, 1)
    return float(np.partition(distances, len(distances) - count)[-count:].mean())


def patches(maps_hwc: Sequence[Floats]) -> Floats:
    """The rows of one image: each layer averaged over 3 x 3 cells and brought to the first one's cells.

    Args:
        maps_hwc: ``(h, w, C)`` of each layer, the finest first.

    Returns:
        ``(h * w, C of all layers)``, row by row.
    """
    height, width = maps_hwc[0].shape[:2]
    columns = []
    for layer in maps_hwc:
        for start in range(0, layer.shape[-1], _MAX_CHANNELS):
            part = np.ascontiguousarray(layer[..., start : start + _MAX_CHANNELS], dtype=np.float32)
            averaged = cv2.blur(part, (3, 3), borderType=cv2.BORDER_REPLICATE)
            if averaged.shape[:2] != (height, width):
                averaged = cv2.resize(averaged, (width, height), interpolation=cv2.INTER_LINEAR)
            columns.append(averaged.reshape(height * width, -1))
    return np.concatenate(columns, axis=1)
