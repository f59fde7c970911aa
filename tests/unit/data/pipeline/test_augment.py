from __future__ import annotations

import pickle

import albumentations
import numpy as np
import pytest
import torch
from mmdet.structures.bbox import HorizontalBoxes

from anomdet.data.draw import Draw
from anomdet.data.pipeline.augment import AlbumentationsAugment
from anomdet.errors import UserError

FLIPS = [{"type": "HorizontalFlip", "p": 0.5}, {"type": "VerticalFlip", "p": 0.5}]


def sample(boxes=((10, 5, 30, 20), (40, 25, 55, 38)), labels=None, position: int = 0, size_hw=(40, 60)) -> dict:
    image = np.random.default_rng(0).integers(0, 255, (*size_hw, 3), dtype=np.uint8)
    boxes = np.array(boxes, dtype=np.float32).reshape(-1, 4)
    return {
        "img": image,
        "img_shape": size_hw,
        "ori_shape": size_hw,
        "gt_bboxes": HorizontalBoxes(boxes),
        "gt_bboxes_labels": np.arange(len(boxes)) if labels is None else np.array(labels, np.int64),
        "gt_ignore_flags": np.zeros(len(boxes), bool),
        "draw": Draw(0, seed=1, epoch=0, position=position),
    }


def check_kinds(results: dict) -> None:
    count = len(results["gt_bboxes"])
    assert isinstance(results["gt_bboxes"], HorizontalBoxes) and results["gt_bboxes"].tensor.dtype == torch.float32
    assert results["gt_bboxes_labels"].dtype == np.int64 and results["gt_bboxes_labels"].shape == (count,)
    assert results["gt_ignore_flags"].dtype == bool and results["gt_ignore_flags"].shape == (count,)
    assert results["img"].dtype == np.uint8 and results["img"].flags.c_contiguous
    assert results["img_shape"] == results["img"].shape[:2]


def test_a_flip_moves_pixels_boxes_and_labels():
    before = sample(labels=[7, 3])
    results = AlbumentationsAugment([{"type": "HorizontalFlip", "p": 1}])(sample(labels=[7, 3]))
    check_kinds(results)
    np.testing.assert_array_equal(results["img"], before["img"][:, ::-1])
    np.testing.assert_allclose(results["gt_bboxes"].tensor, [[30, 5, 50, 20], [5, 25, 20, 38]], atol=1e-3)
    assert results["gt_bboxes_labels"].tolist() == [7, 3]


def test_two_flips_are_independent_of_each_other():
    """Seeding Albumentations with one seed a call makes all transforms of equal probability agree."""
    augment, image = AlbumentationsAugment(FLIPS), sample()["img"]
    pictures = {
        name: picture.tobytes()
        for name, picture in (("", image), ("h", image[:, ::-1]), ("v", image[::-1]), ("hv", image[::-1, ::-1]))
    }
    outcomes = [augment(sample(position=at))["img"].tobytes() for at in range(200)]
    counts = {name: outcomes.count(picture) for name, picture in pictures.items()}
    assert sum(counts.values()) == 200 and min(counts.values()) > 25, counts


def test_two_steps_in_a_pipeline_have_streams_of_their_own():
    first, second = AlbumentationsAugment(FLIPS[:1]), AlbumentationsAugment(FLIPS[:1])
    agree = 0
    for position in range(100):
        once = first(sample(position=position))
        turned = not np.array_equal(once["img"], sample()["img"])
        before = once["img"].copy()
        agree += turned == (not np.array_equal(second(once)["img"], before))
    assert 25 < agree < 75


@pytest.mark.parametrize(
    "transforms",
    [
        FLIPS,
        [{"type": "Rotate", "limit": 15, "p": 0.7}, {"type": "ColorJitter", "p": 0.7}, {"type": "GaussNoise", "p": 1}],
        [{"type": "OneOf", "transforms": [*FLIPS, {"type": "RandomCrop", "height": 20, "width": 20}], "p": 0.9}],
        [{"type": "ElasticTransform", "p": 1}, {"type": "CoarseDropout", "p": 1}],
    ],
)
def test_the_draw_alone_decides(transforms):
    """Not the order of calls, not the global generators, not the process (pickled, it is built anew)."""
    augment = AlbumentationsAugment(transforms)
    expected = [augment(sample(position=at)) for at in range(6)]
    assert len({results["img"].tobytes() for results in expected}) > 1
    again = pickle.loads(pickle.dumps(augment))
    for at in reversed(range(6)):
        np.random.seed(at)
        results = again(sample(position=at))
        np.testing.assert_array_equal(results["img"], expected[at]["img"])
        np.testing.assert_array_equal(results["gt_bboxes"].tensor, expected[at]["gt_bboxes"].tensor)


def test_bad_boxes_are_mended_or_dropped_before():
    boxes = [[-5, -5, 10, 10], [50, 30, 70, 50], [20, 20, 20, 30], [30, 20, 25, 30], [70, 0, 80, 5], [5, 5, 9, 9]]
    results = AlbumentationsAugment([{"type": "NoOp"}])(sample(boxes))
    check_kinds(results)
    np.testing.assert_allclose(results["gt_bboxes"].tensor, [[0, 0, 10, 10], [50, 30, 60, 40], [5, 5, 9, 9]], atol=1e-3)
    assert results["gt_bboxes_labels"].tolist() == [0, 1, 5]


def test_without_a_draw_numpys_generator_decides():
    augment, pictures = AlbumentationsAugment([{"type": "GaussNoise", "p": 1}]), []
    for seed in (1, 1, 2):
        results = sample()
        del results["draw"]
        np.random.seed(seed)
        pictures.append(augment(results)["img"].tobytes())
    assert pictures[0] == pictures[1] != pictures[2]


@pytest.mark.parametrize("boxes", [[], [[40, 5, 50, 15]]])
def test_an_image_left_without_boxes_is_a_normal_image(boxes):
    crop = {"type": "Crop", "x_min": 0, "y_min": 0, "x_max": 20, "y_max": 20, "p": 1}
    results = AlbumentationsAugment([crop, *FLIPS])(sample(boxes))
    check_kinds(results)
    assert results["gt_bboxes"].tensor.shape == (0, 4)
    assert results["img"].shape == (20, 20, 3) and results["ori_shape"] == (40, 60)


def test_visibility_and_size_decide_what_stays():
    crop = [{"type": "Crop", "x_min": 0, "y_min": 0, "x_max": 20, "y_max": 20, "p": 1}]
    boxes = [[19, 0, 29, 10], [15, 0, 25, 10], [0, 17, 20, 37], [18.5, 0, 22, 10]]

    def kept(**options) -> list[int]:
        return AlbumentationsAugment(crop, **options)(sample(boxes))["gt_bboxes_labels"].tolist()

    assert kept(min_visibility=0.2, min_size_px=2) == [1]
    assert kept(min_visibility=0.12, min_size_px=2) == [1, 2]
    assert kept(min_visibility=0.05, min_size_px=1) == [0, 1, 2, 3]


@pytest.mark.parametrize(
    "transforms",
    [FLIPS, [*FLIPS, {"type": "Rotate", "limit": 60, "p": 0.8}, {"type": "ColorJitter"}], [{"type": "D4", "p": 1}]],
)
def test_boxes_are_those_of_albumentations_own_processor(transforms):
    """Where its checks are left out for their time."""
    rng = np.random.default_rng(3)
    augment, checked = AlbumentationsAugment(transforms), AlbumentationsAugment(transforms)
    assert not augment._filters
    params = albumentations.BboxParams(format="pascal_voc", min_visibility=0.1)
    checked._compose.processors["bboxes"] = albumentations.core.bbox_utils.BboxProcessor(params)
    checked._filters = True
    dropped = 0
    for position in range(300):
        corners = rng.uniform(0, [50, 30], (5, 2))
        boxes = np.hstack([corners, corners + rng.uniform(3, 30, (5, 2))])
        one, other = augment(sample(boxes, position=position)), checked(sample(boxes, position=position))
        np.testing.assert_array_equal(one["img"], other["img"])
        assert one["gt_bboxes_labels"].tolist() == other["gt_bboxes_labels"].tolist()
        np.testing.assert_allclose(one["gt_bboxes"].tensor, other["gt_bboxes"].tensor, atol=1e-4)
        dropped += 5 - len(one["gt_bboxes"])
    assert (dropped > 0) == any(one["type"] == "Rotate" for one in transforms)


def test_a_least_size_is_in_pixels_of_the_stored_image():
    """A box of 3 px is not lost where the image was made smaller first."""
    crop = [{"type": "Crop", "x_min": 0, "y_min": 0, "x_max": 20, "y_max": 20, "p": 1}]
    boxes = [[18.5, 5, 22, 20], [19.6, 5, 22, 18]]
    results = AlbumentationsAugment(crop, min_size_px=2)({**sample(boxes), "scale_factor": (0.5, 0.5)})
    assert results["gt_bboxes_labels"].tolist() == [0]
    assert AlbumentationsAugment(crop, min_size_px=2)(sample(boxes))["gt_bboxes_labels"].tolist() == []


@pytest.mark.parametrize("side", [0.3, 1.0, 1.999])
def test_a_hair_that_is_thinner_than_the_least_size_stays_a_defect(side):
    """Its image would be taught as a good part."""
    box = [[12, 5, 12 + side, 35]]
    for transforms in (FLIPS, [{"type": "D4", "p": 1}], [{"type": "ColorJitter"}]):
        results = AlbumentationsAugment(transforms, min_size_px=2)(sample(box))
        assert results["gt_bboxes_labels"].tolist() == [0]
        shortest = (results["gt_bboxes"].tensor[:, 2:] - results["gt_bboxes"].tensor[:, :2]).min()
        assert float(shortest) == pytest.approx(side, abs=1e-4)
    away = [{"type": "Crop", "x_min": 20, "y_min": 0, "x_max": 60, "y_max": 40, "p": 1}]
    assert AlbumentationsAugment(away, min_size_px=2)(sample(box))["gt_bboxes_labels"].tolist() == []


def test_a_box_that_was_cropped_away_does_not_come_back():
    crop = {"type": "Crop", "x_min": 30, "y_min": 0, "x_max": 60, "y_max": 40, "p": 1}
    pad = {"type": "PadIfNeeded", "min_height": 40, "min_width": 90, "p": 1}
    results = AlbumentationsAugment([crop, pad])(sample())
    assert results["img"].shape == (40, 90, 3)
    assert results["gt_bboxes_labels"].tolist() == [1]


@pytest.mark.parametrize(
    "transforms",
    [
        FLIPS,
        [{"type": "Rotate", "limit": 15, "p": 1}, {"type": "RandomBrightnessContrast", "p": 1}],
        [{"type": "Affine", "scale": 0.7, "fill": 40, "p": 1}, {"type": "Perspective", "p": 1}],
        [
            {"type": "OneOf", "transforms": [{"type": "D4"}, {"type": "SafeRotate"}]},
            {"type": "Resize", "height": 9, "width": 9},
        ],
    ],
)
def test_leaving_bgr_as_it_is_changes_nothing(transforms):
    augment, converting = AlbumentationsAugment(transforms), AlbumentationsAugment(transforms)
    assert not augment._needs_rgb
    converting._needs_rgb = True
    for at in range(5):
        np.testing.assert_array_equal(augment(sample(position=at))["img"], converting(sample(position=at))["img"])


def test_colours_are_seen_as_rgb():
    results = sample()
    results["img"][:] = (255, 0, 0)  # blue
    grey = AlbumentationsAugment([{"type": "ToGray", "method": "weighted_average", "p": 1}])(results)["img"]
    assert np.abs(grey.astype(int) - 29).max() <= 1  # 0.114 of 255; red would be 76
    coloured = [{"type": "Affine", "translate_px": 9, "fill": [255, 0, 0], "p": 1}]
    red = AlbumentationsAugment(coloured)(sample())["img"][0, 0]
    assert red.tolist() == [0, 0, 255]


@pytest.mark.parametrize(
    ("transform", "message"),
    [
        ({"type": "HorizontalFlop"}, "'HorizontalFlop'"),
        ({"p": 0.5}, "None"),
        ({"type": "__version__"}, "'__version__'"),
        ({"type": "HorizontalFlip", "probability": 1}, "probability"),
        ({"type": "HorizontalFlip", "p": 7}, "HorizontalFlip"),
        ({"type": "OneOf", "transforms": [{"type": "Rotate", "limt": 5}]}, "limt"),
    ],
)
def test_bad_transforms_are_user_errors(transform, message):
    with pytest.raises(UserError, match=message):
        AlbumentationsAugment([transform])
