"""Photographs of drawn parts: the same part again, or another of its kind from the same camera."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

SIDE_PX = 320

Pixels = NDArray[np.uint8]


def draw_surface(rng: np.random.Generator, contrast: float = 10.0) -> NDArray[np.float32]:
    """A plate with two bores, the same for all; its surface is its own."""
    y, x = np.mgrid[:SIDE_PX, :SIDE_PX]
    plate = np.where((abs(x - 160) < 110) & (abs(y - 160) < 80), 150.0, 60.0)
    plate[(x - 110) ** 2 + (y - 130) ** 2 < 500] = 70
    plate[(x - 215) ** 2 + (y - 190) ** 2 < 400] = 220
    texture = cv2.GaussianBlur(rng.normal(size=plate.shape), (0, 0), 3)
    return (plate + contrast * texture / texture.std()).astype(np.float32)


def photograph(
    surface: NDArray[np.float32],
    rng: np.random.Generator,
    *,
    shift_px: float = 0.0,
    gain: float = 1.0,
    noise: float = 1.5,
    defect: bool = False,
) -> Pixels:
    """One shot of a surface."""
    picture = surface.copy()
    if defect:
        x, y = rng.integers(90, 230, 2).tolist()
        cv2.circle(picture, (x, y), 8, 30.0, -1)
    move = np.array([[1, 0, shift_px], [0, 1, -shift_px / 2]], np.float32)
    picture = cv2.warpAffine(picture, move, picture.shape[::-1], borderMode=cv2.BORDER_REFLECT)
    picture = picture * gain + rng.normal(0, noise, picture.shape)
    return np.clip(picture, 0, 255).astype(np.uint8)


def encode(picture: Pixels, quality: int = 90) -> bytes:
    return cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()
