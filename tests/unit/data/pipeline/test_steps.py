"""Every image fits into the size that the settings name, whichever way it lies."""

import numpy as np
import pytest

from anomdet.data.pipeline.steps import FitInside


@pytest.mark.parametrize(
    ("image_hw", "size_hw", "expected_hw"),
    [
        ((100, 200), (320, 640), (320, 640)),
        ((1000, 500), (320, 640), (320, 160)),
        ((500, 1000), (320, 640), (320, 640)),
        ((640, 640), (320, 320), (320, 320)),
        ((640, 480), (320, 320), (320, 240)),
        ((3, 3000), (320, 320), (1, 320)),
    ],
)
def test_fits_inside(image_hw, size_hw, expected_hw):
    results = FitInside(size_hw).transform({"img": np.zeros((*image_hw, 3), np.uint8)})
    assert results["img"].shape[:2] == expected_hw
    assert results["img_shape"] == expected_hw
    assert results["scale_factor"] == (expected_hw[1] / image_hw[1], expected_hw[0] / image_hw[0])


def test_one_transform_serves_images_of_all_shapes():
    step = FitInside((64, 64))
    shapes = [step.transform({"img": np.zeros((h, w, 3), np.uint8)})["img"].shape[:2] for h, w in ((8, 16), (16, 8))]
    assert shapes == [(32, 64), (64, 32)]
