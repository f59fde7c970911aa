"""What may be taught neither as an object nor as background is hidden."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def blanked(
    image: NDArray[np.uint8], hidden_xyxy: Sequence[Sequence[float]], kept_xyxy: Sequence[Sequence[float]]
) -> NDArray[np.uint8]:
    """A copy of an image ``(H, W, 3)`` with its mean colour in some boxes, but not where others lie.

    >>> image = np.arange(4, dtype=np.uint8).reshape(1, 4, 1)
    >>> blanked(image, [[0, 0, 2, 1]], [[1, 0, 3, 1]]).ravel().tolist()
    [2, 1, 2, 3]
    """
    is_hidden = np.zeros(image.shape[:2], dtype=bool)
    for boxes, value in ((hidden_xyxy, True), (kept_xyxy, False)):
        for x1, y1, x2, y2 in boxes:
            is_hidden[int(y1) : int(np.ceil(y2)), int(x1) : int(np.ceil(x2))] = value
    result = image.copy()
    result[is_hidden] = np.rint(image.reshape(-1, image.shape[2]).mean(axis=0)).astype(np.uint8)
    return result
