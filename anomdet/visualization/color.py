"""Colours that people with any colour vision distinguish. All are BGR, 0 to 255, as OpenCV has them."""

from __future__ import annotations

import colorsys
from collections.abc import Iterable

from anomdet.palette import CLASS_COLORS

Color = tuple[int, int, int]

WHITE: Color = (255, 255, 255)
BLACK: Color = (0, 0, 0)
GOLDEN_RATIO = 0.618034


def palette(n: int) -> list[Color]:
    """``n`` different colours: those of the palette, their light and dark shades, then hues by the golden ratio."""
    pure = [_from_hex(code) for code in CLASS_COLORS]
    light = [_mix(color, WHITE, 0.55) for color in pure]
    dark = [_mix(color, BLACK, 0.45) for color in pure]
    colors = [*pure, *light, *dark]
    for i in range(n - len(colors)):
        red, green, blue = colorsys.hsv_to_rgb(i * GOLDEN_RATIO % 1, (0.85, 0.5)[i % 2], (0.95, 0.7, 0.85)[i % 3])
        colors.append((round(255 * blue), round(255 * green), round(255 * red)))
    return colors[:n]


def class_colors(names: Iterable[str]) -> dict[str, Color]:
    """Class name to colour, by place: give all classes of the data set in its order, and every image agrees."""
    unique = list(dict.fromkeys(names))
    return dict(zip(unique, palette(len(unique)), strict=True))


def ink(background: Color) -> Color:
    """Black or white, whichever reads better on ``background``."""
    return max((BLACK, WHITE), key=lambda color: contrast(color, background))


def contrast(a: Color, b: Color) -> float:
    """Contrast ratio, 1 to 21, of WCAG 2.1 (https://www.w3.org/TR/WCAG21/#dfn-contrast-ratio)."""
    low, high = sorted((_luminance(a), _luminance(b)))
    return (high + 0.05) / (low + 0.05)


def _luminance(color: Color) -> float:
    blue, green, red = (c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in (x / 255 for x in color))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _mix(a: Color, b: Color, share_of_b: float) -> Color:
    blue, green, red = (round(x + (y - x) * share_of_b) for x, y in zip(a, b, strict=True))
    return blue, green, red


def _from_hex(code: str) -> Color:
    red, green, blue = bytes.fromhex(code[1:])
    return blue, green, red
