"""The strip over the epochs: columns that fit together, epochs evenly spread."""

from __future__ import annotations

import numpy as np
import pytest

from anomdet.visualization.strip import CELL_PX, spread, strip_column, thumbnail


@pytest.mark.parametrize("size_hw", [(40, 60), (600, 20), (1, 1)])
def test_columns_of_the_same_images_have_one_size(size_hw: tuple[int, int]) -> None:
    plain = [np.full((*size_hw, 3), 200, np.uint8), np.full((50, 50, 3), 90, np.uint8)]
    images = [thumbnail(image, np.zeros((0, 4)), []) for image in plain]
    column = strip_column(images, "epoch 1")
    assert column.shape == strip_column(images[::-1], "ground truth").shape
    assert column.shape[1] >= CELL_PX
    assert {90, 200} <= set(np.unique(column))


def test_a_box_of_a_few_pixels_still_shows() -> None:
    image = thumbnail(np.zeros((2000, 1000, 3), np.uint8), np.array([[500.0, 500.0, 504.0, 504.0]]), [(0, 0, 255)])
    assert image.shape == (CELL_PX, CELL_PX // 2, 3)
    assert (image[..., 2] == 255).sum() >= 4


def test_a_box_of_any_size_is_drawn_as_far_as_the_image_goes() -> None:
    """YOLOX reports boxes as its exponentials make them: the drawing of an early epoch ended the training."""
    boxes = np.array([[-1e30, -1e30, 1e30, 1e30], [20.0, -1e30, 30.0, 1e30]], np.float32)
    image = thumbnail(np.zeros((CELL_PX, CELL_PX, 3), np.uint8), boxes, [(0, 0, 255), (255, 0, 0)])
    assert (image[:, 20, 0] == 255).all() and not image[..., 2].any()


@pytest.mark.parametrize(("epochs", "shown"), [([3], [3]), ([1, 2], [1, 2]), (range(1, 10), [1, 4, 6, 9])])
def test_first_and_last_are_shown_and_the_rest_evenly(epochs: list[int], shown: list[int]) -> None:
    assert spread(epochs, 4) == shown
