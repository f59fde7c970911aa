from __future__ import annotations

import numpy as np
import pytest

from anomdet.visualization import text as text_module
from anomdet.visualization.text import line_height, shorten, text_mask, text_width


@pytest.fixture
def no_system_fonts(monkeypatch):
    monkeypatch.setattr(text_module, "_system_fonts", lambda: ())
    text_mask.cache_clear()
    yield
    text_mask.cache_clear()


@pytest.mark.parametrize("text", ["Riß", "Kratzer (außen)", "Łuszczenie", "царапина", "σκουριά", "خدش", "±µ°²"])
def test_scripts_that_the_font_has_are_written_as_they_are(no_system_fonts, text):
    assert text_module._shown(text, 20)[0] == text
    assert text_mask(text, 20).max() == 255


def test_what_no_font_has_stays_told_apart(no_system_fonts):
    assert text_module._shown("凹み", 20)[0] == "<51F9><307F>"
    assert not np.array_equal(text_mask("凹", 20), text_mask("傷", 20))


def test_an_accent_that_the_font_lacks_is_dropped(no_system_fonts, monkeypatch):
    monkeypatch.setattr(text_module, "_has", lambda font, char: char.isascii())
    assert text_module._shown("Dé\tlà ß", 20)[0] == "De la <DF>"


def test_without_matplotlib_pillows_own_font_is_taken(no_system_fonts, monkeypatch):
    monkeypatch.setattr(text_module.importlib.util, "find_spec", lambda name: None)
    text_module._own_font.cache_clear()
    try:
        assert text_mask("dent 0.87", 20).max() == 255
    finally:
        text_module._own_font.cache_clear()


@pytest.mark.parametrize("font_px", [13, 24, 56])
def test_all_masks_of_one_size_are_equally_high_and_hold_the_whole_letter(font_px):
    for text in ("a", "Åg", "jy|", "Ü"):
        mask = text_mask(text, font_px)
        assert mask.shape[0] == line_height(font_px)
    tall = text_mask("Åjg", font_px)
    rows = np.flatnonzero(tall.max(axis=1) > 60)
    assert rows[0] > 0 and rows[-1] < len(tall) - 1, "cut at the top or the bottom"


def test_empty_text_has_a_mask():
    assert text_mask("", 13).shape == (line_height(13), 1)


def test_shorten():
    long = "Kratzer tief (Gehäuse, außen)"
    assert shorten(long, 16, 10_000) == long
    short = shorten(long, 16, 100)
    assert short.endswith("…") and long.startswith(short[:-1]) and len(short) > 4
    assert text_width(short, 16) <= 100 < text_width(long[: len(short) + 2], 16)
    assert shorten(long, 16, 1) == "K…"
