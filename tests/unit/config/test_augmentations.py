"""The boolean style as transforms, run on real pixels; and each fault of a user's own list."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anomdet.config.augmentations import FILL_RGB, check_transforms, to_albumentations
from anomdet.config.load import load_settings
from anomdet.config.schema_data import AugmentationSettings
from anomdet.errors import UserError

OFF: dict[str, Any] = dict(
    horizontal_flip=False, vertical_flip=False, rotation=False, color_jitter=False, random_crop=False
)


def compose(transforms: list[dict[str, Any]]) -> Any:
    import albumentations as A

    made = [getattr(A, item["type"])(**{k: v for k, v in item.items() if k != "type"}) for item in transforms]
    return A.Compose(made, bbox_params=A.BboxParams("pascal_voc", label_fields=["labels"]), seed=0)


def test_the_defaults_in_order_geometry_first() -> None:
    fill = list(FILL_RGB)
    assert to_albumentations(AugmentationSettings(random_crop=True)) == [
        dict(type="HorizontalFlip", p=0.5),
        dict(type="VerticalFlip", p=0.5),
        dict(type="Rotate", limit=[-15.0, 15.0], rotate_method="ellipse", border_mode=0, fill=fill, p=0.5),
        dict(type="RandomCrop", height=512, width=512, pad_if_needed=True, border_mode=0, fill=fill, p=0.5),
        dict(type="ColorJitter", brightness=0.2, contrast=0.2, saturation=0.2, hue=0.1, p=0.5),
    ]


@pytest.mark.parametrize(
    ("change", "left_out"),
    [
        (dict(horizontal_flip=False), "HorizontalFlip"),
        (dict(vertical_flip_prob=0.0), "VerticalFlip"),
        (dict(rotation=False), "Rotate"),
        (dict(rotation_degrees=0), "Rotate"),
        (dict(color_jitter=False), "ColorJitter"),
        (dict(brightness=0, contrast=0, saturation=0, hue=0), "ColorJitter"),
        (dict(random_crop_prob=0), "RandomCrop"),
    ],
)
def test_what_is_off_or_changes_nothing_is_left_out(change: dict[str, Any], left_out: str) -> None:
    all_kinds = {item["type"] for item in to_albumentations(AugmentationSettings(random_crop=True))}
    kinds = {item["type"] for item in to_albumentations(AugmentationSettings(random_crop=True, **change))}
    assert all_kinds - kinds == {left_out}


def test_the_boolean_style_passes_the_check() -> None:
    settings = AugmentationSettings(random_crop=True, brightness=1.5, hue=0.5, rotation_degrees=180)
    transforms = to_albumentations(settings)
    assert len(transforms) == 5 and check_transforms(transforms, "x") == []


def test_rotation_keeps_the_box_on_the_object_and_mirrors_nothing() -> None:
    image = np.full((200, 200, 3), 255, np.uint8)
    rows, columns = np.mgrid[:200, :200]
    inside = ((columns - 90) / 50) ** 2 + ((rows - 60) / 12) ** 2 <= 1  # an ellipse that fills its box
    image[inside] = 0
    box = np.array([[40.0, 48.0, 140.0, 72.0]])
    turn = compose(
        to_albumentations(AugmentationSettings(**{**OFF, "rotation": True}, rotation_prob=1.0, rotation_degrees=45))
    )
    for _ in range(5):
        out = turn(image=image, bboxes=box, labels=[1])
        dark = np.argwhere(out["image"].max(axis=2) < 60)
        found = np.array([*dark.min(axis=0)[::-1], *(dark.max(axis=0)[::-1] + 1)])
        assert np.abs(out["bboxes"][0] - found).max() <= 3
        assert (out["image"] == FILL_RGB).all(axis=2).any()


def test_a_crop_larger_than_the_image_pads_it_and_moves_the_box() -> None:
    image = np.zeros((40, 50, 3), np.uint8)
    image[10:20, 5:25] = 255
    settings = AugmentationSettings(**{**OFF, "random_crop": True}, random_crop_prob=1.0, crop_height=64, crop_width=80)
    out = compose(to_albumentations(settings))(image=image, bboxes=np.array([[5.0, 10.0, 25.0, 20.0]]), labels=[1])
    assert out["image"].shape == (64, 80, 3)
    white = np.argwhere(out["image"].min(axis=2) == 255)
    found = [*white.min(axis=0)[::-1], *(white.max(axis=0)[::-1] + 1)]
    np.testing.assert_allclose(out["bboxes"][0], found, atol=1e-3)
    assert out["image"][0, 0].tolist() == list(FILL_RGB)


def test_the_colours_change_and_the_boxes_do_not() -> None:
    image = np.full((32, 32, 3), (200, 100, 50), np.uint8)
    jitter = compose(to_albumentations(AugmentationSettings(**{**OFF, "color_jitter": True}, color_jitter_prob=1.0)))
    out = jitter(image=image, bboxes=np.array([[1.0, 2.0, 9.0, 9.0]]), labels=[1])
    assert (out["image"] != image).any()
    np.testing.assert_allclose(out["bboxes"], [[1, 2, 9, 9]], atol=1e-5)


GOOD: list[list[dict[str, Any]]] = [
    [],
    [dict(type="HorizontalFlip")],
    [dict(type="GaussNoise", std_range=[0.1, 0.2], p=0.3), dict(type="RandomRotate90")],
    [dict(type="Affine", scale=[0.9, 1.1], rotate=[-5, 5], translate_percent=dict(x=[-0.1, 0.1]))],
    [dict(type="OneOf", transforms=[dict(type="Blur"), dict(type="CLAHE")], p=0.5)],
    [dict(type="SomeOf", n=2, transforms=[dict(type="Blur"), dict(type="Sequential", transforms=[dict(type="D4")])])],
    [
        dict(type="BBoxSafeRandomCrop", erosion_rate=0.1),
        dict(type="CoarseDropout"),
        dict(type="LongestMaxSize", max_size=9),
    ],
]


@pytest.mark.parametrize("transforms", GOOD)
def test_lists_that_work(transforms: list[dict[str, Any]]) -> None:
    assert check_transforms(transforms, "x") == []


BAD: list[tuple[Any, list[str]]] = [
    (3, ["x[0]: expected an Albumentations transform, as {type: HorizontalFlip, p: 0.5}, got 3"]),
    (
        dict(p=0.5),
        ["x[0].type: expected an Albumentations transform, got nothing; name the transform: type: HorizontalFlip"],
    ),
    (
        dict(type="HorizontalFlop"),
        ["x[0].type: expected an Albumentations transform, got 'HorizontalFlop'; did you mean HorizontalFlip?"],
    ),
    (
        dict(type="horizontalflip"),
        ["x[0].type: expected an Albumentations transform, got 'horizontalflip'; did you mean HorizontalFlip?"],
    ),
    (dict(type="os"), ["x[0].type: expected an Albumentations transform, got 'os'"]),
    (dict(type=3), ["x[0].type: expected an Albumentations transform, got 3"]),
    (
        dict(type="BasicTransform"),
        ["x[0].type: expected an Albumentations transform, got 'BasicTransform'; did you mean ElasticTransform?"],
    ),
    (
        dict(type="HorizontalFlip", pp=1),
        ["x[0].pp: expected an argument of HorizontalFlip, got 'pp'; did you mean 'p'?"],
    ),
    (
        dict(type="GaussNoise", var_limit=[10, 50]),
        ["x[0].var_limit: expected an argument of GaussNoise, got 'var_limit'; "
         "the arguments are std_range, mean_range, per_channel, noise_scale_factor, p"],
    ),
    (dict(type="HorizontalFlip", p=2), ["x[0].p: expected <= 1, got 2"]),
    (dict(type="HorizontalFlip", p="often"), ["x[0].p: expected a number, got 'often'"]),
    (
        dict(type="GaussNoise", std_range=[0.5, 3]),
        ["x[0].std_range: expected a value that fits, got [0.5, 3]; All values in (0.5, 3.0) must be >= 0 and <= 1"],
    ),
    (
        dict(type="RandomCrop", height=0),
        ["x[0].height: expected >= 1, got 0", "x[0].width: expected a value for width, got nothing"],
    ),
    (dict(type="Blur", blur_limit="a"), ["x[0].blur_limit: expected a tuple or an integer, got 'a'"]),
    (
        dict(type="OverlayElements"),
        ["x[0].type: expected a transform that moves boxes along, got 'OverlayElements'; this one cannot"],
    ),
    (
        dict(type="RandomCrop3D", size=[1, 1, 1]),
        ["x[0].type: expected a transform of images, got 'RandomCrop3D'; this one works on volumes"],
    ),
    (
        dict(type="MaskDropout"),
        ["x[0].type: expected a transform that needs the image and its boxes only, got 'MaskDropout'; "
         "this one needs mask"],
    ),
    (
        dict(type="Normalize"),
        ["x[0].type: expected a transform of 8-bit images and boxes, got 'Normalize'; "
         "data.normalize_mean and data.normalize_std do it"],
    ),
    (
        dict(type="OneOf", transforms=[dict(type="Blurr"), dict(type="Blur", q=1)], p=3),
        ["x[0].transforms[0].type: expected an Albumentations transform, got 'Blurr'; did you mean Blur?",
         "x[0].transforms[1].q: expected an argument of Blur, got 'q'; the arguments are blur_limit, p",
         "x[0].p: expected a number from 0 to 1, got 3"],
    ),
    (dict(type="OneOf"), ["x[0].transforms: expected a list of transforms, got nothing"]),
    (dict(type="OneOf", transforms={}), ["x[0].transforms: expected a list of transforms, got {}"]),
    (
        dict(type="SomeOf", n=3, transforms=[dict(type="Blur"), dict(type="D4")]),
        ["x[0].n: expected an integer from 1 to 2, got 3"],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("item", "expected"), BAD)
def test_lists_that_do_not_work(item: Any, expected: list[str]) -> None:
    assert [str(problem) for problem in check_transforms([item], "x")] == expected


def test_a_list_in_a_file_is_told_by_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    lines = [
        "data:",
        "  augmentations:",
        "    - HorizontalFlip",
        "    - {type: Blur, q: 1}",
        "    - type: OneOf",
        "      transforms:",
        "        - VerticalFlip",
        "        - type: GaussNoise",
        "          p: 3",
        "    - Blurr",
    ]
    Path("run.yaml").write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(UserError) as caught:
        load_settings("run.yaml")
    assert [str(problem).partition(": expected")[0] for problem in caught.value.problems] == [
        "run.yaml:4: data.augmentations[1].q",
        "run.yaml:9: data.augmentations[2].transforms[1].p",
        "run.yaml:10: data.augmentations[3].type",
    ]


def test_a_bare_name_stands_for_its_transform(tmp_path: Path) -> None:
    text = "data: {augmentations: [HorizontalFlip, {type: OneOf, transforms: [Blur, {type: D4, p: 1}]}]}"
    (tmp_path / "run.yaml").write_text(text, encoding="utf-8")
    assert load_settings(tmp_path / "run.yaml").data.augmentations == [
        {"type": "HorizontalFlip"},
        {"type": "OneOf", "transforms": [{"type": "Blur"}, {"type": "D4", "p": 1}]},
    ]
