from __future__ import annotations

import copy
import json
from pathlib import Path

import numpy as np
import pytest

from anomdet.evaluation.coco import coco_numbers, threshold_key
from tests.unit.evaluation import pycocotools_oracle as oracle
from tests.unit.evaluation.cases import Case, draw_case

FURTHER_THRESHOLDS = (0.33, 0.9, 0.95, 1.0)

CASES = {
    **{f"random {seed}": Case(seed) for seed in range(10)},
    **{f"integer boxes {seed}": Case(seed, integer_boxes=True) for seed in range(10, 16)},
    **{f"equal scores {seed}": Case(seed, score_levels=3) for seed in range(16, 24)},
    **{f"all scores equal {seed}": Case(seed, score_levels=1, integer_boxes=True) for seed in range(24, 28)},
    **{f"classes without gt {seed}": Case(seed, classes_with_gt=2) for seed in range(28, 32)},
    **{f"one class {seed}": Case(seed, class_nums=(7,), classes_with_gt=1) for seed in range(32, 36)},
    **{f"crowded {seed}": Case(seed, boxes_per_image=30, predictions_per_gt=3) for seed in range(36, 40)},
    **{f"few images {seed}": Case(seed, num_images=1, normal_share=0) for seed in range(40, 44)},
    **{
        f"over 100 detections {seed}": Case(
            seed, class_nums=(0, 5), classes_with_gt=2, num_images=2, boxes_per_image=60, predictions_per_gt=8
        )
        for seed in range(44, 47)
    },
    "no predictions": Case(50, predictions_per_gt=0),
    "only normal images": Case(51, normal_share=1),
    "only normal images, no predictions": Case(52, normal_share=1, predictions_per_gt=0),
    "classes out of order": Case(53, class_nums=(1000, 7, 0, -1), integer_boxes=True),
    "negative classes": Case(54, class_nums=(-5, -3, -1), classes_with_gt=3),
    "large image ids": Case(55, first_image_id=10**9),
}


def write(tmp_path: Path, ground_truth: dict, predictions: list[dict]) -> tuple[Path, Path]:
    gt_file, pred_file = tmp_path / "gt.json", tmp_path / "pred.json"
    gt_file.write_text(json.dumps(ground_truth))
    pred_file.write_text(json.dumps(predictions))
    return gt_file, pred_file


def assert_equal(ours: float | None, theirs: float | None, what: str) -> None:
    assert (ours is None) == (theirs is None), f"{what}: {ours} against {theirs}"
    if ours is not None:
        assert ours == pytest.approx(theirs, abs=1e-9), what


@pytest.mark.parametrize("name", CASES)
def test_agrees_with_pycocotools(tmp_path, name):
    ground_truth, predictions = draw_case(CASES[name])
    numbers = coco_numbers(ground_truth, predictions, FURTHER_THRESHOLDS)
    files = write(tmp_path, ground_truth, predictions)
    for key, value in oracle.twelve_numbers(*files).items():
        assert_equal(numbers.overall[key], value, key)
    single = oracle.single_threshold_aps(*files, FURTHER_THRESHOLDS)
    for iou_thr, value in zip(FURTHER_THRESHOLDS, single, strict=True):
        assert_equal(numbers.overall[threshold_key(iou_thr)], value, f"mAP at {iou_thr}")
    per_class = oracle.class_aps(*files)
    assert list(numbers.per_class) == sorted(CASES[name].class_nums) == list(per_class)
    for class_num, (ap, ap_50) in per_class.items():
        assert_equal(numbers.per_class[class_num]["AP"], ap, f"AP of {class_num}")
        assert_equal(numbers.per_class[class_num]["AP_50"], ap_50, f"AP_50 of {class_num}")


def test_the_cases_hold_what_they_are_for():
    drawn = {name: draw_case(case) for name, case in CASES.items()}
    assert len(drawn) >= 40
    per_image = [
        sum(p["image_id"] == 0 for p in pred) for _, pred in (drawn[f"over 100 detections {s}"] for s in (44, 45, 46))
    ]
    assert max(per_image) > 100
    assert not drawn["only normal images"][0]["annotations"] and drawn["only normal images"][1]
    assert drawn["no predictions"][0]["annotations"] and not drawn["no predictions"][1]
    areas = {a["area"] for gt, _ in drawn.values() for a in gt["annotations"]}
    assert {32.0**2, 96.0**2} <= areas
    scores = [p["score"] for p in drawn["equal scores 16"][1]]
    assert len(set(scores)) < len(scores)


def test_no_predictions_is_zero_and_no_objects_is_none():
    numbers = coco_numbers(*draw_case(CASES["no predictions"])).overall
    assert (numbers["mAP"], numbers["AR_100"]) == (0.0, 0.0)
    numbers = coco_numbers(*draw_case(CASES["only normal images"])).overall
    assert set(numbers.values()) == {None}


@pytest.mark.parametrize("missing", ["images", "categories"])
def test_nothing_to_evaluate(missing):
    ground_truth = {"images": [], "annotations": [], "categories": []}
    ground_truth |= {"images": [{"id": 0, "width": 8, "height": 8}]} if missing == "categories" else {}
    ground_truth |= {"categories": [{"id": 3, "name": "dent"}]} if missing == "images" else {}
    numbers = coco_numbers(ground_truth, [], (0.33,))
    assert set(numbers.overall.values()) == {None}
    assert numbers.per_class == ({3: {"AP": None, "AP_50": None}} if missing == "images" else {})


def test_a_perfect_detector_has_ap_1_even_at_iou_1():
    ground_truth, _ = draw_case(Case(3))
    predictions = [
        {**{k: a[k] for k in ("image_id", "category_id", "bbox")}, "score": 0.5} for a in ground_truth["annotations"]
    ]
    numbers = coco_numbers(ground_truth, predictions, (1.0,)).overall
    assert numbers["mAP"] == pytest.approx(1) and numbers["mAP_100"] == pytest.approx(1)


def test_the_input_is_left_as_it_was():
    ground_truth, predictions = draw_case(Case(1))
    before = copy.deepcopy((ground_truth, predictions))
    coco_numbers(ground_truth, predictions)
    assert (ground_truth, predictions) == before


@pytest.mark.parametrize(
    ("iou_thr", "key"),
    [
        (0.5, "mAP_50"),
        (0.95, "mAP_95"),
        (0.33, "mAP_33"),
        (0.333, "mAP_33.3"),
        (0.07, "mAP_7"),
        (0.29, "mAP_29"),
        (1, "mAP_100"),
        (np.float64(0.55), "mAP_55"),
    ],
)
def test_threshold_key(iou_thr, key):
    assert threshold_key(iou_thr) == key
