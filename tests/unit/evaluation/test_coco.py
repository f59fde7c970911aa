from __future__ import annotations

import copy
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from anomdet.evaluation.coco import CocoNumbers, all_thresholds, coco_numbers, threshold_key
from anomdet.evaluation.coco_json import results_from_coco
from anomdet.evaluation.pairs import overlapping_pairs
from tests.unit.evaluation import pycocotools_oracle as oracle
from tests.unit.evaluation.cases import Case, draw_case

pytestmark = pytest.mark.slow  # seconds: not a part of `make test-fast`

FURTHER_THRESHOLDS = (0.05, 0.33, 0.9, 0.95, 1.0)

# Ten cases of each kind.
KINDS = {
    "random": Case(0),
    "integer boxes": Case(0, integer_boxes=True),
    "equal scores": Case(0, score_levels=3),
    "all scores equal": Case(0, score_levels=1, integer_boxes=True),
    "classes without objects": Case(0, classes_with_gt=2),
    "one class": Case(0, class_nums=(7,), classes_with_gt=1),
    "rare class": Case(0, rare=True, num_images=8),
    "crowded": Case(0, boxes_per_image=30, predictions_per_gt=3, num_images=2),
    "one image": Case(0, num_images=1, normal_share=0),
    "over 100 detections": Case(
        0, class_nums=(0, 5), classes_with_gt=2, num_images=2, boxes_per_image=60, predictions_per_gt=6
    ),
    "crowd regions": Case(0, crowd_share=0.3, predictions_per_gt=2),
    "crowd regions, ties": Case(0, crowd_share=0.5, predictions_per_gt=3, score_levels=2, integer_boxes=True),
    "only crowd regions": Case(0, crowd_share=1.0, predictions_per_gt=2),
    "mostly empty": Case(0, normal_share=0.9, num_images=10),
    "tiny": Case(0, sides=(0.001, 0.5, 1.0, 3.0)),
    "tiny and huge": Case(0, sides=(0.01, 2.0, 32.0, 5000.0, 1e6)),
    "sizes at the bounds": Case(0, sides=(32.0, 96.0), integer_boxes=True, boxes_per_image=12),
    "no predictions": Case(0, predictions_per_gt=0),
    "only normal images": Case(0, normal_share=1),
    "classes out of order, large ids": Case(0, class_nums=(1000, 7, -5, -1), first_image_id=10**9),
}


def cases(kind: str) -> list[Case]:
    first = 10 * list(KINDS).index(kind)
    return [replace(KINDS[kind], seed=seed) for seed in range(first, first + 10)]


drawn = cache(draw_case)


def numbers_of(ground_truth: dict, predictions: list[dict], further: tuple[float, ...] = ()) -> CocoNumbers:
    results = results_from_coco(ground_truth, predictions)
    return coco_numbers(results, overlapping_pairs(results, min((0.5, *further))), further)


def assert_equal(ours: float | None, theirs: float | None, what: str) -> None:
    assert (ours is None) == (theirs is None), f"{what}: {ours} against {theirs}"
    if ours is not None:
        assert ours == pytest.approx(theirs, abs=1e-9), what


@pytest.mark.parametrize("kind", KINDS)
def test_agrees_with_pycocotools(kind):
    for case in cases(kind):
        ground_truth, predictions = drawn(case)
        ours = numbers_of(ground_truth, predictions, FURTHER_THRESHOLDS)
        overall, per_class, single = oracle.everything(ground_truth, predictions, FURTHER_THRESHOLDS)
        assert len(overall) == 12
        for key, value in overall.items():
            assert_equal(ours.overall[key], value, f"{case}: {key}")
        for iou_thr, value in zip(FURTHER_THRESHOLDS, single, strict=True):
            assert_equal(ours.overall[threshold_key(iou_thr)], value, f"{case}: mAP at {iou_thr}")
        assert list(ours.per_class) == sorted(case.class_nums) == list(per_class)
        for class_num, (ap, ap_50) in per_class.items():
            assert_equal(ours.per_class[class_num]["AP"], ap, f"{case}: AP of {class_num}")
            assert_equal(ours.per_class[class_num]["AP_50"], ap_50, f"{case}: AP_50 of {class_num}")


def test_the_cases_hold_what_they_are_for():
    assert sum(len(cases(kind)) for kind in KINDS) >= 200
    found = {kind: [drawn(case) for case in cases(kind)] for kind in KINDS}
    many = [
        max(sum(p["image_id"] == i and p["category_id"] == 0 for p in pred) for i in (0, 1))
        for _, pred in found["over 100 detections"]
    ]
    assert max(many) > 100
    assert not any(gt["annotations"] for gt, _ in found["only normal images"])
    assert any(pred for _, pred in found["only normal images"])
    assert any(gt["annotations"] for gt, _ in found["no predictions"]) and not any(
        p for _, p in found["no predictions"]
    )
    assert {32.0**2, 96.0**2} <= {a["area"] for gt, _ in found["random"] for a in gt["annotations"]}
    assert all(len({p["score"] for p in pred}) <= 3 for _, pred in found["equal scores"])
    assert {0, 1} == {a["iscrowd"] for gt, _ in found["crowd regions"] for a in gt["annotations"]}
    rare = [sum(a["category_id"] == 1000 for a in gt["annotations"]) for gt, _ in found["rare class"]]
    assert sum(0 < number <= 2 for number in rare) > 0
    values = [numbers_of(*case).overall["mAP"] for case in found["random"]]
    assert len({round(v, 6) for v in values}) == 10 and 0.05 < np.mean(values) < 0.95


def test_a_masks_area_decides_over_the_size_range():
    ground_truth, predictions = draw_case(Case(2))
    for annotation in ground_truth["annotations"]:
        annotation["area"] /= 3
    overall, _, _ = oracle.everything(ground_truth, predictions, (0.5,))
    for key, value in numbers_of(ground_truth, predictions).overall.items():
        assert_equal(value, overall.get(key, value), key)


def test_no_predictions_is_zero_and_no_objects_is_none():
    numbers = numbers_of(*draw_case(KINDS["no predictions"])).overall
    assert (numbers["mAP"], numbers["AR_100"]) == (0.0, 0.0)
    assert set(numbers_of(*draw_case(KINDS["only normal images"])).overall.values()) == {None}


@pytest.mark.parametrize("missing", ["images", "categories"])
def test_nothing_to_evaluate(missing):
    ground_truth = {"images": [], "annotations": [], "categories": []}
    ground_truth |= {"images": [{"id": 0, "width": 8, "height": 8}]} if missing == "categories" else {}
    ground_truth |= {"categories": [{"id": 3, "name": "dent"}]} if missing == "images" else {}
    numbers = numbers_of(ground_truth, [], (0.33,))
    assert set(numbers.overall.values()) == {None}
    assert numbers.per_class == ({3: {"AP": None, "AP_50": None}} if missing == "images" else {})


def test_a_perfect_detector_has_ap_1_even_at_iou_1():
    ground_truth, _ = draw_case(Case(3))
    predictions = [
        {**{k: a[k] for k in ("image_id", "category_id", "bbox")}, "score": 0.5} for a in ground_truth["annotations"]
    ]
    numbers = numbers_of(ground_truth, predictions, (1.0,)).overall
    assert numbers["mAP"] == pytest.approx(1) and numbers["mAP_100"] == pytest.approx(1)


def test_the_input_is_left_as_it_was():
    ground_truth, predictions = draw_case(Case(1))
    before = copy.deepcopy((ground_truth, predictions))
    numbers_of(ground_truth, predictions)
    assert (ground_truth, predictions) == before


def test_all_thresholds_has_none_twice():
    assert all_thresholds([0.5, 0.33, 0.33, 0.9500000001]) == [*np.linspace(0.5, 0.95, 10), 0.33]


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
