from __future__ import annotations

import re
from importlib.resources import files

import pytest

from anomdet.palette import CURVE_COLORS
from anomdet.palette import SCHEMES as VERDICTS
from anomdet.report.figures import class_styles

CSS = (files("anomdet.report") / "assets" / "report.css").read_text(encoding="utf-8")
SCHEMES = [
    {**dict(re.findall(r"(--[\w-]+): (#\w{6});", block)), **VERDICTS[name]}
    for name, block in zip(("light", "dark"), re.findall(r":root[^{]*{([^}]*)}", CSS), strict=False)
]


def contrast(first: str, second: str) -> float:
    """Contrast ratio of WCAG 2.1 of two #rrggbb (https://www.w3.org/TR/WCAG21/#dfn-contrast-ratio)."""
    lights = []
    for code in (first, second):
        parts = [part / 255 for part in bytes.fromhex(code[1:])]
        red, green, blue = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
        lights.append(0.2126 * red + 0.7152 * green + 0.0722 * blue)
    return (max(lights) + 0.05) / (min(lights) + 0.05)


@pytest.mark.parametrize("scheme", SCHEMES, ids=["light", "dark"])
def test_text_and_curves_can_be_read(scheme):
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    for ground in (scheme["--ground"], scheme["--panel"]):
        for ink in ("--text", "--muted", "--accent", "--warning"):
            assert contrast(scheme[ink], ground) >= 4.5, ink
    for color in (*CURVE_COLORS, scheme["--good"], scheme["--bad"]):
        assert contrast(color, scheme["--panel"]) >= 3, color


@pytest.mark.parametrize("scheme", SCHEMES, ids=["light", "dark"])
def test_numbers_on_the_darkest_shade_can_be_read(scheme):
    block = CSS if scheme is SCHEMES[0] else CSS[CSS.index("dark") :]
    share = float(re.search(r"var\(--shade\) \* ([\d.]+)", CSS)[1])
    for name in ("--accent-rgb", "--wrong-rgb"):
        shade = [int(part) for part in re.search(rf"{name}: ([\d, ]+);", block)[1].split(",")]
        ground = bytes.fromhex(scheme["--panel"][1:])
        mixed = [round(share * part + (1 - share) * under) for part, under in zip(shade, ground, strict=True)]
        assert contrast(scheme["--text"], "#{:02x}{:02x}{:02x}".format(*mixed)) >= 4.5


def test_many_classes_have_different_lines():
    names = [f"class {i}" for i in range(32)]
    curves = {"per_class": {name: {"score": [0.5]} for name in names}}
    styles = class_styles({"per_class": {name: {} for name in names}}, curves)
    assert len({(style["color"], style["dash"]) for style in styles}) == 32
    assert not any(style["shown"] for style in styles)
