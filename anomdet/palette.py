"""The colours of classes and verdicts, once, for drawn images, charts and pages; as ``#rrggbb``.

Classes have the colours of Okabe and Ito ("Color Universal Design"), which people with any colour vision distinguish,
without black, in an order that keeps neighbours far apart, and a grey.
"""

from __future__ import annotations

CLASS_COLORS = ("#e69f00", "#56b4e9", "#009e73", "#f0e442", "#cc79a7", "#d55e00", "#0072b2", "#7f7f7f")
SCHEMES = {
    "light": {"--good": "#2f7d6b", "--bad": "#b4532a"},
    "dark": {"--good": "#4aa591", "--bad": "#d97a4f"},
}
"""Good and defective, or right and wrong, as CSS variables of the pages."""
BOXES = {"--truth": "#4ee08a", "--prediction": "#ffb02e"}
"""Boxes over an image of a page, where they say what is true and what is predicted rather than the class."""

_CURVE_LUMINANCE = 0.27  # between 3:1 on white (0.30) and 3:1 on the dark scheme (0.14)


def luminance(color: str) -> float:
    """Relative luminance of WCAG 2.1 (https://www.w3.org/TR/WCAG21/#dfn-relative-luminance).

    >>> luminance("#ffffff")
    1.0
    """
    parts = (part / 255 for part in bytes.fromhex(color[1:]))
    red, green, blue = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def for_curves(color: str) -> str:
    """The same hue, dark enough for a line on white paper that a dark ground shows as well.

    >>> for_curves("#0072b2"), for_curves("#f0e442")
    ('#0072b2', '#9d952b')
    """
    own = luminance(color)
    shade = min(1.0, (_CURVE_LUMINANCE / own) ** (1 / 2.4))
    return "#" + "".join(f"{int(part * shade):02x}" for part in bytes.fromhex(color[1:]))


CURVE_COLORS = tuple(map(for_curves, CLASS_COLORS))
"""Of the classes in a chart: those of their boxes, at least 3:1 on the ground of both schemes."""


def css_variables() -> str:
    """The colours as a style sheet for :root, light and dark."""
    light = {**SCHEMES["light"], **BOXES}
    blocks = ((":root", light), (':root[data-theme="dark"]', SCHEMES["dark"]))
    return "\n".join(f"{at} {{ {' '.join(f'{key}: {value};' for key, value in of.items())} }}" for at, of in blocks)
