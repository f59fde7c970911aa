"""Every image fits into the size that the settings name, whichever way it lies."""

import numpy as np
import pytest
from mmdet.structures.bbox import HorizontalBoxes

from anomdet.data.pipeline.mmdet_bases import Resize
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


def test_only_to_shrink_leaves_a_small_image_as_it_is():
    image = np.zeros((30, 40, 3), np.uint8)
    results = FitInside((64, 64), enlarge=False).transform({"img": image})
    assert results["img"] is image and "scale_factor" not in results


def test_two_steps_give_the_factor_of_both():
    results = FitInside((64, 64), enlarge=False).transform({"img": np.zeros((128, 256, 3), np.uint8)})
    assert results["img"].shape[:2] == (32, 64) and results["scale_factor"] == (0.25, 0.25)
    fitted = results["img"]
    assert FitInside((64, 64)).transform(results)["img"] is fitted
    assert results["scale_factor"] == (0.25, 0.25)
    assert FitInside((32, 32)).transform(results)["scale_factor"] == (0.125, 0.125)


def test_an_image_that_fits_keeps_its_pixels_and_boxes_are_cut_to_it():
    boxes = HorizontalBoxes(np.array([[-5, 10, 20, 50]], dtype=np.float32))
    image = np.random.default_rng(0).integers(0, 255, (40, 64, 3), dtype=np.uint8)
    results = FitInside((64, 64)).transform({"img": image, "gt_bboxes": boxes})
    resized = Resize((64, 40)).transform({"img": image, "gt_bboxes": np.array([[-5, 10, 20, 50]], dtype=np.float32)})
    assert results.keys() == resized.keys()
    np.testing.assert_array_equal(results["homography_matrix"], resized["homography_matrix"])
    np.testing.assert_array_equal(results["img"], image)
    assert results["gt_bboxes"].tensor.tolist() == [[0, 10, 20, 40]]
    assert (results["scale_factor"], results["img_shape"]) == ((1, 1), (40, 64))
