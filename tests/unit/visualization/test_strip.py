"""The strip over the epochs: columns that fit together, epochs evenly spread."""

from __future__ import annotations

import numpy as np
import pytest

from anomdet.visualization.strip import CELL_PX, spread, strip_column


@pytest.mark.parametrize("size_hw", [(40, 60), (600, 20), (1, 1)])
def test_columns_of_the_same_images_have_one_size(size_hw: tuple[int, int]) -> None:
    images = [np.full((*size_hw, 3), 200, np.uint8), np.full((50, 50, 3), 90, np.uint8)]
    column = strip_column(images, "epoch 1")
    assert column.shape == strip_column(images[::-1], "ground truth").shape
    assert column.shape[1] >= CELL_PX
    assert {90, 200} <= set(np.unique(column))


@pytest.mark.parametrize(("epochs", "shown"), [([3], [3]), ([1, 2], [1, 2]), (range(1, 10), [1, 4, 6, 9])])
def test_first_and_last_are_shown_and_the_rest_evenly(epochs: list[int], shown: list[int]) -> None:
    assert spread(epochs, 4) == shown
