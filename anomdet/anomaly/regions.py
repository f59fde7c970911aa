"""Where an image is unlike the normal ones: boxes around the cells of its map that are too far from the memory."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from anomdet.anomalies import Region

MAX_REGIONS = 20
_OF_THE_PEAK = 0.9
_LEAST = 1e-6  # a smaller threshold is rounding: normal images that are all the same have cells at no distance


def regions(distances: NDArray[np.float32], threshold: float, size_hw: tuple[int, int]) -> tuple[Region, ...]:
    """Boxes around connected cells from the threshold on, the farthest first, at most 20.

    Where no cell reaches it (the image as a whole is unlike the normal ones), the cells near the farthest one.

    Args:
        distances: ``(h, w)`` of the cells.
        threshold: of a cell.
        size_hw: of the image, in pixels.

    >>> cells = np.float32([[0, 0, 0, 0], [0, 4, 6, 0]])
    >>> regions(cells, 3.0, (20, 40))
    (Region(bbox_xyxy=(10.0, 10.0, 30.0, 20.0), ratio=2.0),)
    """
    threshold = max(threshold, _LEAST)
    marked = distances >= threshold
    if not marked.any():
        marked = distances >= _OF_THE_PEAK * distances.max()
    count, labels, boxes, _ = cv2.connectedComponentsWithStats(marked.astype(np.uint8), connectivity=8)
    height, width = size_hw[0] / distances.shape[0], size_hw[1] / distances.shape[1]
    found = []
    for label in range(1, count):
        left, top, wide, high = (int(value) for value in boxes[label, :4])
        box = (left * width, top * height, (left + wide) * width, (top + high) * height)
        found.append(Region(box, float(distances[labels == label].max() / threshold)))
    return tuple(sorted(found, key=lambda region: -region.ratio)[:MAX_REGIONS])
