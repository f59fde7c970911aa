"""The verdict above an image."""

from __future__ import annotations

import numpy as np
import pytest

from anomdet.visualization.color import WHITE, contrast
from anomdet.visualization.verdict import COLORS, with_verdict


@pytest.mark.parametrize("size_hw", [(480, 640), (40, 3000), (600, 30), (1, 1)])
@pytest.mark.parametrize("verdict", ["accept", "reject"])
def test_a_bar_stands_above_the_whole_image(size_hw: tuple[int, int], verdict: str) -> None:
    image = np.random.default_rng(0).integers(0, 255, (*size_hw, 3), dtype=np.uint8)
    shown = with_verdict(image, f"{verdict} 0.93", verdict)
    bar = shown[: -size_hw[0]]
    assert np.array_equal(shown[-size_hw[0] :], image)
    assert shown.shape[1:] == image.shape[1:]
    assert (bar[0] == COLORS[verdict]).all()
    if size_hw[1] > 300:
        assert bar.max() > 200  # the words


def test_the_verdicts_differ_and_can_be_read() -> None:
    assert all(contrast(color, WHITE) >= 4.5 for color in COLORS.values())  # WCAG 2.1, AA
    image = np.zeros((100, 400, 3), np.uint8)
    assert not np.array_equal(with_verdict(image, "x", "accept"), with_verdict(image, "x", "reject"))
