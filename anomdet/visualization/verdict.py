"""The verdict on an image, in words and colour, above it: nothing of the image is hidden."""

from __future__ import annotations

import numpy as np

from anomdet.visualization.color import WHITE, Color
from anomdet.visualization.draw import Image, choose_style
from anomdet.visualization.text import line_height, shorten, text_mask

# Apart by lightness too, for any colour vision; BGR.
COLORS: dict[str, Color] = {"accept": (115, 100, 0), "reject": (0, 60, 200)}


def with_verdict(image_bgr: Image, text: str, verdict: str) -> Image:
    """The image below a bar with a text.

    Args:
        image_bgr: ``(H, W, 3)`` uint8.
        text: one line; cut to the width.
        verdict: ``accept`` or ``reject``.

    Returns:
        ``(H + bar, W, 3)`` uint8.
    """
    height, width = image_bgr.shape[:2]
    font_px = choose_style((height, width), 0).font_px
    bar = np.empty((line_height(font_px) + font_px // 2, width, 3), dtype=np.uint8)
    bar[:] = COLORS[verdict]
    mask = text_mask(shorten(text, font_px, width - font_px), font_px)[: bar.shape[0], : width - font_px // 2]
    top, left = (bar.shape[0] - mask.shape[0]) // 2, font_px // 2
    place = bar[top : top + mask.shape[0], left : left + mask.shape[1]]
    weight = mask[: place.shape[0], : place.shape[1], None] / 255
    place[:] = np.rint(place * (1 - weight) + np.array(WHITE) * weight)
    return np.concatenate([bar, image_bgr])
