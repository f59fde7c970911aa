"""Each rule at its border: said where the numbers support it, silent where they do not."""

from __future__ import annotations

import shlex
from pathlib import Path

import numpy as np
import pytest

from anomdet.config.load import load_settings
from anomdet.config.schema import Settings
from anomdet.config.translate_data import size_hw
from anomdet.evaluation.intervals import wilson_interval
from anomdet.quality.check.check import Rules
from anomdet.quality.health.advice import RULES
from anomdet.quality.health.advice_boxes import anchor_iou
from anomdet.quality.health.advice_classes import wilson
from anomdet.quality.health.advise import advise
from anomdet.workflows.propose import propose_settings
from tests.unit.quality.health.conftest import health_of, make_plan

DOCS = Path(__file__).parents[4] / "docs" / "data_check.md"


def advice(data_dir, rules=None, **plan):
    found = {one["code"]: one for one in health_of(data_dir, make_plan(**plan), rules)["advice"]}
    for one in found.values():
        settings = load_settings(None, shlex.split(one["settings"]))  # every setting is one
        assert settings != Settings() or not one["settings"] or "balanced_sampler" in one["settings"]
    return found


def many(line, number, normal=0, start=0):
    """Images with one line each, and normal ones."""
    texts = {f"d{start + at:04}.png": line for at in range(number)}
    return texts | {f"n{start + at:04}.png": "" for at in range(normal)}


def test_the_rules_are_those_of_the_docs():
    text = DOCS.read_text(encoding="utf-8")
    for code, rule in RULES.items():
        assert f"| `{code}` | {rule} |" in text


def test_healthy_data_gets_no_advice(make_data):
    texts = many("1 5 5 18 18\n", 60, 60) | many("2 9 9 18 18\n", 60, 0, start=100)
    assert advice(make_data(texts), size_hw=(64, 64)) == {}


@pytest.mark.parametrize(("small", "said"), [(11, False), (13, True)])
def test_image_size_is_raised_where_more_than_a_tenth_is_small(make_data, small, said):
    texts = many("1 5 5 20 20\n", 120 - small, 40) | many("1 5 5 20 6\n", small, start=500)
    data_dir = make_data(texts)  # 40 x 60
    found = advice(data_dir, size_hw=(64, 64))
    assert ("image-size" in found) == said
    if said:  # small images with small boxes are enlarged
        settings = load_settings(None, shlex.split(found["image-size"]["settings"]))
        assert settings.data.image_size == propose_settings(data_dir, device="cpu").settings.data.image_size
        assert health_of(data_dir, make_plan(size_hw=size_hw(settings.data.image_size)))["boxes"]["under_8_px"] <= 0.1


@pytest.mark.parametrize(
    ("image_hw", "box_wh", "said"),
    [
        ((200, 300), (3, 3), "image-size"),  # which init enlarges; a tile of 32 x 32 px seen at 64 was advised
        ((1500, 2000), (9, 7), "tiles"),
        ((1500, 2000), (25, 25), "tiles"),  # 9 px in the whole image, where they could be found
        ((1500, 2000), (40, 40), "image-size"),
        ((512, 4096), (40, 3), "tiles"),
        ((1500, 2000), (1.2, 1.2), "specks"),
    ],
)
def test_the_advice_is_what_init_would_write(make_data, image_hw, box_wh, said):
    width, height = box_wh
    data_dir = make_data(many(f"1 5 5 {width} {height}\n", 10, 10), size_hw=image_hw)
    found = advice(data_dir, size_hw=(64, 64))
    assert set(found) & {"tiles", "image-size", "few-pixels", "specks"} == {said}
    if said == "specks":
        return
    settings = load_settings(None, shlex.split(found[said]["settings"])).data
    proposed = propose_settings(data_dir, device="cpu").settings.data
    assert (settings.image_size, settings.tiles) == (proposed.image_size, proposed.tiles)
    assert (settings.tiles is not None) == (said == "tiles")
    if settings.tiles is not None:  # never enlarged
        assert (np.array(size_hw(settings.tiles.size)) >= size_hw(settings.image_size)).all()
    # a run with these settings has no such advice
    tiles = None if settings.tiles is None else size_hw(settings.tiles.size)
    followed = advice(data_dir, size_hw=size_hw(settings.image_size), tiles=tiles)
    assert not set(followed) & {"tiles", "image-size"}
    assert ("few-pixels" in followed) == (min(box_wh) < 8)


def test_sizes_are_those_in_a_tile(make_data):
    data_dir = make_data(many("1 5 5 10 10\n", 10, 10), size_hw=(800, 800))
    plan = make_plan(size_hw=(320, 320), tiles=(320, 320))
    health = health_of(data_dir, plan)
    assert health["boxes"]["tenth_px"] == 10 and health["image_sizes"]["factor"]["p50"] == 1
    assert health_of(data_dir, make_plan(size_hw=(320, 320)))["boxes"]["tenth_px"] == 4
    auto = health_of(make_data({}, size_hw=(800, 800)), make_plan(size_hw=(32, 32), tiles="auto"))
    assert auto["boxes"]["tenth_px"] >= 8


@pytest.mark.parametrize(("side", "reached"), [("1e-6", "next to nothing"), ("0.5", "0.64 px or less")])
def test_boxes_that_no_size_shows_are_specks(make_data, side, reached):
    found = advice(make_data(many(f"1 5 5 {side} {side}\n", 10, 10), size_hw=(200, 300)), size_hw=(64, 64))
    assert "specks" in found and not {"tiles", "image-size"} & set(found)
    assert f"shows them with {reached}:" in found["specks"]["why"]


def test_a_smaller_image_size_is_worth_a_try(make_data):
    texts = many("1 5 5 30 30\n", 60, 20)
    assert advice(make_data(texts), size_hw=(96, 96))["smaller-image-size"]["settings"] == "data.image_size=64"
    assert "smaller-image-size" not in advice(make_data({}), size_hw=(63, 63))


def test_padding(make_data):
    data_dir = make_data(many("1 5 5 12 12\n", 4, 4), size_hw=(32, 128))
    found = advice(data_dir, size_hw=(128, 128))["padding"]
    assert found["settings"] == '"data.image_size=[32, 128]"' and "75 % fewer pixels" in found["why"]
    assert "padding" not in advice(data_dir, size_hw=(32, 128))


@pytest.mark.parametrize(("long", "anchored", "said"), [(9, True, False), (12, True, True), (12, False, False)])
def test_anchors(make_data, long, anchored, said):
    texts = many("1 5 5 20 20\n", 100 - long, 20) | many("1 5 5 50 10\n", long, start=500)
    found = advice(make_data(texts), size_hw=(64, 64), anchored=anchored)
    assert ("anchors" in found) == said
    if said:
        assert "rpn_head" in found["anchors"]["settings"] and "5.0]" in found["anchors"]["settings"]


def test_the_best_overlap_of_an_anchor():
    sides = np.geomspace(0.05, 50, 20_001)
    for elongation in (2.0, 3.0, 4.0, 6.5, 12.0):
        overlap = np.minimum(elongation, 2 * sides) * np.minimum(1, sides)
        best = (overlap / (elongation + 2 * sides**2 - overlap)).max()
        assert anchor_iou(elongation) == pytest.approx(best, abs=1e-3)


def test_large_and_crowded(make_data):
    texts = {"a.png": "1 0 0 60 40\n", "b.png": "1 2 3 4 5\n" * 101, "c.png": ""}
    found = advice(make_data(texts), model="faster_rcnn")
    assert "1 box covers" in found["large-boxes"]["why"]
    assert "so 1 of them" in found["crowded"]["why"] and "rcnn: {max_per_img: 200}" in found["crowded"]["settings"]
    assert "rcnn" not in advice(make_data({}), model="rtmdet_tiny")["crowded"]["settings"]
    assert "double-boxes" in found


@pytest.mark.parametrize(
    ("common", "method", "said"), [(59, "none", False), (60, "none", True), (60, "repeat_factor", False)]
)
def test_imbalance(make_data, common, method, said):
    texts = many("1 5 5 20 20\n", common, 20) | many("2 5 5 20 20\n", 6, start=500)
    assert ("imbalance" in advice(make_data(texts), imbalance=method)) == said


def test_rare_classes_are_named_the_rarest_first(make_data):
    texts = many("1 5 5 20 20\n", 50, 20) | many("2 5 5 20 20\n", 3, start=500) | many("3 5 5 20 20\n", 2, start=600)
    found = advice(make_data(texts), imbalance="balanced_sampler")
    assert "3 (2), 2 (3). " in found["rare-classes"]["why"] and "1 (50)" not in found["rare-classes"]["why"]
    assert found["unmeasured-classes"]["why"].startswith("3: ")


def test_few_objects_in_a_split(make_data):
    texts = many("1 5 5 20 20\n", 200, 20)
    data_dir = make_data(texts)
    names = sorted(texts)
    split_of = {name: "test" if at % 10 == 0 else "val" if at % 3 == 0 else "train" for at, name in enumerate(names)}
    found = advice(data_dir, split_of=split_of, ratios=(0.6, 0.3, 0.1))
    assert "few-in-val" not in found
    assert found["few-in-test"]["settings"] == "data.train_split=0.55 data.val_split=0.3 data.test_split=0.15"
    low, high = wilson_interval(16, 20, 0.95)
    assert (
        f"A recall of 0.80 on 20 objects is, with 95 % confidence, one of {low:.2f} to {high:.2f}"
        in (found["few-in-test"]["why"])
    )
    listed = advice(data_dir, split_of=split_of)["few-in-test"]
    assert "list of the test split" in listed["text"] and not listed["settings"]
    without = {name: "train" if name.startswith("n") else split for name, split in split_of.items()}
    assert {"no-normal-in-val", "no-normal-in-test"} <= set(advice(data_dir, split_of=without))


def test_wilson_is_that_of_the_evaluation():
    for number in (1, 5, 30, 1000):
        assert wilson(0.8, number * 5) == pytest.approx(wilson_interval(4 * number, 5 * number, 0.95), abs=1e-9)


@pytest.mark.parametrize(
    ("normal", "said"), [(0, "no-normal"), (1, "few-normal"), (2, None), (100, None), (120, "many-normal")]
)
def test_normal_images(make_data, normal, said):
    found = advice(make_data(many("1 5 5 20 20\n", 12, normal), size_hw=(30, 30)), imbalance="balanced_sampler")
    assert set(found) & {"no-normal", "few-normal", "many-normal"} == ({said} if said else set())
    if said == "many-normal":
        settings = load_settings(None, shlex.split(found[said]["settings"]))
        assert settings.training.class_imbalance_handling.normal_ratio == 0.5


def test_errors_come_first_and_unlabelled_images_are_told(make_data):
    found = advice(make_data({"a.png": "1 2 3 4 5\n", "b.png": None, "c.png": "1 2 3\n"}), Rules())
    assert next(iter(found)) == "errors" and found["errors"]["why"].startswith("2 errors (")
    assert found["unlabelled"]["why"].startswith("1 image ")


def test_mixed_sizes(make_data):
    data_dir = make_data(many("1 5 5 20 20\n", 4, 4))
    make_data({"z.png": ""}, size_hw=(80, 120))
    assert "up to 2.0 times as large" in advice(data_dir)["mixed-sizes"]["why"]


def test_leaks_that_the_check_found_are_told_and_notes_are_not(make_data):
    health = health_of(make_data({"a.png": "1 2 3 4 5\n", "b.png": ""}))
    entry = {"code": "leak-group", "what": "parts with images in several splits", "count": 3}
    for severity, said in (("warning", True), ("error", True), ("note", False)):
        health["findings"]["codes"] = [{**entry, "severity": severity}]
        assert ("leak" in [one["code"] for one in advise(health, make_plan())]) == said
