"""A result: checks itself, survives JSON, and says the same in every format."""

from __future__ import annotations

import json
import sys
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from anomdet.errors import UserError
from anomdet.inference.outcome import FailedImage, outcome_from_dict
from anomdet.inference.result import Result


def result(**changes: Any) -> Result:
    """Two detections in an image of 40 x 60 pixels; one of them counts."""
    values: dict[str, Any] = {
        "image": "a.png",
        "size_hw": (40, 60),
        "bboxes_xyxy": np.array([[1.1, 2, 10.5, 20], [30, 5, 60, 40]], np.float32),
        "scores": np.array([0.9, 0.2], np.float32),
        "class_nums": np.array([-3, 7]),
        "class_names": ("scratch", "dent"),
        "part_score": float(np.float32(0.9)),
        "verdict": "reject",
        "threshold": 0.5,
        "times": {"read": 0.001, "network": 0.02},
        "model_sha256": "ab12",
        "warnings": ("a word",),
        "frame": 12,
        "time_s": 0.4,
    }
    return Result(**{**values, **changes})


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"size_hw": (0, 60)}, "a size of two positive numbers"),
        ({"bboxes_xyxy": np.zeros((1, 4), np.float32)}, "float32 boxes"),
        ({"bboxes_xyxy": np.zeros((2, 4))}, "float32 boxes"),
        ({"bboxes_xyxy": np.array([[0, 0, 1, np.nan], [0, 0, 1, 1]], np.float32)}, "finite boxes"),
        ({"bboxes_xyxy": np.array([[5, 0, 1, 1], [0, 0, 1, 1]], np.float32)}, "x1 <= x2"),
        ({"scores": np.array([1.5, 0.2], np.float32)}, "scores"),
        ({"scores": np.array([np.nan, 0.2], np.float32)}, "scores"),
        ({"class_nums": np.array([1.0, 2.0])}, "class numbers"),
        ({"class_names": ("scratch",)}, "a class name each"),
        ({"part_score": float("nan")}, "a part score that is a number"),
        ({"verdict": "maybe"}, "accept or reject"),
        ({"threshold": {7: 0.5}}, "a threshold for each class"),
        ({"verdict": "accept"}, "an accept with a detection from the threshold on"),
    ],
)
def test_what_does_not_fit_is_refused(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        result(**changes)


def test_scores_are_compared_in_double_precision() -> None:
    """As the evaluation does: 0.7 in single precision lies below 0.7, 0.2 above 0.2."""
    scores = np.array([0.7, 0.2], np.float32)
    assert result(scores=scores, threshold=0.7).counted.tolist() == [False, False]
    assert result(scores=scores, threshold=0.2).counted.tolist() == [True, True]
    assert result(scores=scores, threshold={-3: 0.5, 7: 0.3}).counted.tolist() == [True, False]


def test_another_threshold_gives_another_verdict() -> None:
    assert (result().verdict, result().with_threshold(0.95).verdict) == ("reject", "accept")
    assert result().with_threshold(0.95).with_threshold({-3: 1.0, 7: 0.2}).verdict == "reject"
    only = result().above_threshold()
    assert (only.class_names, len(only), only.part_score) == (("scratch",), 1, result().part_score)


@pytest.mark.parametrize("threshold", [0.5, {-3: 0.5, 7: 0.8}])
def test_json_gives_the_same_bits_back(threshold: Any) -> None:
    rng = np.random.default_rng(0)
    corner = rng.random((2, 2), dtype=np.float32) * 20
    boxes = np.concatenate([corner, corner + rng.random((2, 2), dtype=np.float32) * 20], axis=1)
    first = result(bboxes_xyxy=boxes, threshold=threshold, part_score=1 / 3)
    back = outcome_from_dict(json.loads(first.to_json()))
    assert isinstance(back, Result)
    for key in ("bboxes_xyxy", "scores", "class_nums"):
        assert getattr(back, key).tobytes() == getattr(first, key).tobytes()
        assert getattr(back, key).dtype == getattr(first, key).dtype
    assert back.to_dict() == first.to_dict()
    assert (back.part_score, back.threshold) == (1 / 3, threshold)


def test_without_detections() -> None:
    empty = np.zeros((0, 4), np.float32)
    none = result(
        bboxes_xyxy=empty, scores=empty[:, 0], class_nums=np.zeros(0, np.int64), class_names=(), verdict="accept"
    )
    assert Result.from_dict(none.to_dict()).to_dict() == none.to_dict()
    assert none.to_dict()["detections"] == [] == none.to_coco(1) == none.crop(np.zeros((40, 60, 3), np.uint8))


def test_a_result_is_neither_true_nor_false() -> None:
    """A part can be rejected without a detection, for something unknown."""
    with pytest.raises(TypeError, match=r"ask result.verdict"):
        bool(result())


def test_files_have_boxes_both_ways() -> None:
    row = result().to_dict()["detections"][0]
    assert row == {
        "class_num": -3,
        "class_name": "scratch",
        "score": 0.9,
        "counted": True,
        "bbox_xyxy": [1.1, 2.0, 10.5, 20.0],
        "bbox_xywh": [1.1, 2.0, 9.4, 18.0],
    }
    entry = {"image_id": 5, "category_id": -3, "bbox": [1.1, 2.0, 9.4, 18.0], "score": 0.9}
    assert result().to_coco(5)[0] == entry
    assert json.dumps(result().to_coco(np.int64(5))[0]) == json.dumps(entry)  # type: ignore[arg-type]  # as of an array


@pytest.mark.parametrize(
    ("change", "got"),
    [
        (lambda document: [], "got list"),
        (lambda document: {**document, "version": 99}, "got version 99"),
        (lambda document: {key: value for key, value in document.items() if key != "times"}, "no key 'times'"),
        (lambda document: {**document, "verdict": "accept"}, "an accept with a detection"),
        (lambda document: {**document, "detections": [{"bbox_xyxy": [1, 2, 3]}]}, "something else"),
        (lambda document: {**document, "size_hw": "x"}, "something else"),
    ],
)
def test_from_dict_refuses_what_it_did_not_write(change: Any, got: str) -> None:
    with pytest.raises(UserError, match=r"results\.jsonl:3: expected") as refused:
        outcome_from_dict(change(result().to_dict()), where="results.jsonl:3")
    assert got in str(refused.value)


def test_a_failed_image_is_no_accept() -> None:
    failed = FailedImage("b.png", "a truncated png file")
    assert failed.verdict == "failed"
    assert outcome_from_dict(json.loads(failed.to_json())) == failed


@pytest.mark.parametrize("margin", [-1, 0.5, float("nan"), float("inf"), "3", None])
def test_a_margin_that_is_none_is_refused(margin: Any) -> None:
    with pytest.raises(UserError, match="margin_px: expected a whole number of pixels from 0 on, got"):
        result().crop(np.zeros((40, 60, 3), np.uint8), margin_px=margin)


def test_crop_takes_every_pixel_that_the_box_touches() -> None:
    image = np.arange(40 * 60, dtype=np.int64).reshape(40, 60).astype(np.uint8)
    first, second = result().crop(image)
    assert np.array_equal(first, image[2:20, 1:11])
    assert np.array_equal(second, image[5:40, 30:60])
    assert result().crop(image, margin_px=3)[0].shape == (23 - 0, 14 - 0)
    assert result().crop(image, margin_px=np.int64(1000))[0].shape == (40, 60, 3)[: image.ndim]
    thin = result(bboxes_xyxy=np.array([[60, 40, 60, 40], [5, 5, 5, 5]], np.float32)).crop(image)
    assert [crop.shape for crop in thin] == [(1, 1), (1, 1)]


def test_draw_is_of_the_same_order_of_channels() -> None:
    image = np.zeros((40, 60, 3), np.uint8)
    rgb, bgr = (result().draw(image, channels=channels) for channels in ("rgb", "bgr"))
    assert np.array_equal(rgb, bgr[..., ::-1])
    assert rgb.any()
    with pytest.raises(UserError, match="60 x 40 pixels, got 40 x 60"):
        result().draw(image.transpose(1, 0, 2))


def test_a_camera_of_twelve_bits_is_drawn_as_bright_as_it_is() -> None:
    """The picture was nearly black."""
    eight = np.full((40, 60, 3), 200, dtype=np.uint8)
    for bits in (10, 12, 14, 16):
        wide = np.full((40, 60, 3), 200 * ((1 << bits) - 1) // 255, dtype=np.uint16)
        np.testing.assert_allclose(result().draw(wide.astype(">u2")), result().draw(eight), atol=1)
        np.testing.assert_allclose(result().draw(wide), result().draw(eight), atol=1)


def test_colours_of_other_classes_are_refused() -> None:
    with pytest.raises(UserError, match=r"classes: expected the names of all classes, got \[-3, 7\]"):
        result().draw(np.zeros((40, 60, 3), np.uint8), classes={-3: "scratch", 7: "dent"})  # type: ignore[arg-type]


def test_supervision_gets_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """The package is optional; a stand-in shows what it is called with."""
    monkeypatch.setitem(sys.modules, "supervision", None)
    with pytest.raises(UserError, match="pip install supervision"):
        result().to_supervision()
    stand_in = ModuleType("supervision")
    stand_in.Detections = dict  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "supervision", stand_in)
    given = result().to_supervision()
    assert given["xyxy"].shape == (2, 4)
    assert given["class_id"].tolist() == [-3, 7]
    assert given["data"]["class_name"].tolist() == ["scratch", "dent"]


def test_repr_is_one_line() -> None:
    assert repr(result()) == "<Result a.png: reject 0.900, 1 scratch>"


@pytest.mark.parametrize("threshold", [50, 2, -0.1, float("nan"), float("inf"), "0.5", True, None, {}, {-3: 0.5}])
def test_a_threshold_that_is_none_is_refused_and_accepts_nothing(threshold: Any) -> None:
    with pytest.raises(UserError, match="threshold: expected a score"):
        result().with_threshold(threshold)


def test_numbers_of_numpy_are_thresholds_too() -> None:
    assert result().with_threshold(np.float32(0.5)).threshold == 0.5
    assert result().with_threshold({np.int64(-3): np.float32(0.95), 7: 1}).verdict == "accept"


def test_what_is_cut_out_and_drawn_on_is_an_array_or_a_pil_image_of_the_same_size() -> None:
    from PIL import Image

    pixels = np.random.default_rng(0).integers(0, 255, (40, 60, 3), np.uint8)
    same = (Image.fromarray(pixels), pixels, np.dstack([pixels, pixels[..., :1]]))
    assert all(np.array_equal(one, other) for one, other in zip(*map(result().crop, same[:2]), strict=True))
    first, *others = (result().draw(image) for image in same)
    assert first.dtype == np.uint8 and first.shape[2] == 3 and all(np.array_equal(first, other) for other in others)
    assert np.array_equal(result().draw(pixels[..., ::-1], channels="bgr")[..., ::-1], first)
    grey = pixels[..., 0]
    assert np.array_equal(result().draw(grey), result().draw(np.dstack([grey] * 3)))
    turned = Image.fromarray(np.ascontiguousarray(pixels.swapaxes(0, 1)[::-1]))
    turned.getexif()[0x0112] = 6  # as a camera that was held upright says it
    assert np.array_equal(result().crop(turned)[0], result().crop(pixels)[0])


@pytest.mark.parametrize("image", ["a.png", None, [[1, 2]], np.zeros((60, 40, 3), np.uint8), np.zeros(60, np.uint8)])
def test_another_image_is_refused(image: Any) -> None:
    for use in (result().crop, result().draw):
        with pytest.raises(UserError, match="image: expected the image of this result, 60 x 40 pixels"):
            use(image)


def test_pixels_that_are_no_colours_are_refused() -> None:
    with pytest.raises(UserError, match="uint8 or uint16"):
        result().draw(np.zeros((40, 60, 3)))
    with pytest.raises(UserError, match="channels: expected rgb or bgr"):
        result().draw(np.zeros((40, 60, 3), np.uint8), channels="gbr")
