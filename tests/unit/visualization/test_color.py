from __future__ import annotations

import pytest

from anomdet.visualization.color import BLACK, WHITE, class_colors, contrast, ink, palette


@pytest.mark.parametrize("n", [0, 1, 7, 21, 80, 365])
def test_palette_has_n_different_colours(n):
    colors = palette(n)
    assert len(colors) == n == len(set(colors))
    assert all(len(color) == 3 and 0 <= min(color) <= max(color) <= 255 for color in colors)


def test_a_longer_palette_begins_like_a_shorter_one():
    assert palette(100)[:9] == palette(9)


def test_the_first_colour_is_orange_in_bgr():
    assert palette(1) == [(0x00, 0x9F, 0xE6)]


def test_neighbours_stay_apart_for_a_colour_blind_eye():
    # Red and green cones fall together: what is left is blue against yellow, and lightness.
    def seen(color: tuple[int, int, int]) -> tuple[float, float]:
        blue, green, red = color
        return blue, 0.4 * red + 0.6 * green

    first = palette(7)
    for i, a in enumerate(first):
        for b in first[i + 1 :]:
            assert max(abs(x - y) for x, y in zip(seen(a), seen(b), strict=True)) > 18, (a, b)


@pytest.mark.parametrize("color", [*palette(60), BLACK, WHITE])
def test_ink_can_be_read_on_every_colour(color):
    assert contrast(ink(color), color) >= 4.5, "WCAG AA"


def test_contrast_by_hand():
    assert contrast(BLACK, WHITE) == pytest.approx(21)
    assert contrast((0, 0, 255), (0, 0, 255)) == pytest.approx(1)
    assert contrast((0, 0, 255), WHITE) == pytest.approx(4.0, abs=0.01), "pure red, in BGR"


def test_class_colours_keep_the_order_of_the_data_set():
    colors = class_colors(["open", "short", "open", "spur"])
    assert list(colors) == ["open", "short", "spur"]
    assert list(colors.values()) == palette(3)
