from __future__ import annotations

import copy
import json
import math

import numpy as np
import pytest

from anomdet.evaluation.coco_json import results_from_coco
from anomdet.evaluation.operating_point import Criterion, OperatingPoint, fixed
from anomdet.evaluation.results import part_name
from anomdet.evaluation.summary import measure
from tests.unit.evaluation.cases import RANDOM_CASES, Case, draw_case, gt_dict, pred, results_of

BOX = [0, 0, 10, 10]
FAR = [30, 30, 10, 10]
COCO = {"mAP", "mAP_50", "mAP_75", "mAP_small", "mAP_medium", "mAP_large"}
COCO |= {"AR_1", "AR_10", "AR_100", "AR_small", "AR_medium", "AR_large"}
MATCHING = {"precision", "recall", "f1_score", "mean_iou"}
OTHERS = {"score_threshold", "matching_iou_threshold", "num_images", "num_gt", "num_predictions", "operating_point"}
OTHERS |= {"version", "notes", "per_class", "part_level"}
TABLES = {"confusion_matrix", "errors", "sizes"}


def evaluate(ground_truth: dict, predictions: list[dict], score_thr: float = 0.3, **settings) -> dict:
    return measure(results_from_coco(ground_truth, predictions), fixed(score_thr), **settings).metrics


def test_keys():
    metrics = evaluate(*draw_case(Case(0)), iou_thresholds=(0.95,))
    assert set(metrics) == COCO | MATCHING | OTHERS | TABLES | {"mAP_95"}
    assert list(metrics["per_class"]) == ["class -1", "class 0", "class 7", "class 1000"]
    assert set(metrics["per_class"]["class 7"]) == MATCHING | {
        *("AP", "AP_50", "num_gt", "class_num", "score_threshold"),
        *("num_defective", "auroc", "average_precision", "escapes"),
    }
    assert metrics["per_class"]["class -1"]["class_num"] == -1
    assert set(metrics["part_level"]) == {
        *("unit", "num_good", "num_defective", "auroc", "average_precision", "escapes", "overkill"),
        *("escape_rate", "overkill_rate", "false_alarms_per_good", "froc_mean_recall"),
    }
    assert set(metrics["operating_point"]) == {"by", "chosen_on", "score_threshold", "per_class", "note"}
    assert set(metrics["errors"]) == {"classification", "localisation", "both", "duplicate", "background", "missed"}


def test_include_metrics_and_thresholds_select_the_keys():
    metrics = evaluate(*draw_case(Case(0)), iou_thresholds=[0.33, 0.333], include_metrics=["iou", "recall"])
    optional = {"precision", "f1_score"}
    assert set(metrics) == (COCO | MATCHING | OTHERS | TABLES) - optional | {"mAP_33", "mAP_33.3"}
    assert not optional & set(metrics["per_class"]["class 0"])
    assert {"recall", "mean_iou"} <= set(metrics["per_class"]["class 0"])


def test_a_validation_has_the_same_numbers_without_the_tables():
    ground_truth, predictions = draw_case(Case(0))
    whole = evaluate(ground_truth, predictions)
    assert evaluate(ground_truth, predictions, complete=False) == {k: v for k, v in whole.items() if k not in TABLES}


def test_worked_by_hand():
    # Class 1: one object found (IoU 0.6), one missed; class 2: one false alarm, and one prediction below the score.
    truth = gt_dict((0, 1, BOX), (1, 1, FAR))
    predictions = [pred(0, 1, [0, 0, 10, 6], 0.9), pred(1, 2, BOX, 0.8), pred(1, 1, FAR, 0.2)]
    metrics = evaluate(truth, predictions, iou_thresholds=[0.7])
    assert (metrics["precision"], metrics["recall"], metrics["f1_score"]) == pytest.approx((0.5, 0.5, 0.5))
    assert metrics["mean_iou"] == pytest.approx(0.6)
    # COCO takes all predictions of class 1 and leaves class 2 out, which has no object.
    assert metrics["mAP_50"] == pytest.approx(1.0)
    # At 0.7 the first is wrong, the second right: precision 1/2 up to recall 1/2, for 51 of COCO's 101 recall points.
    assert metrics["mAP_70"] == pytest.approx(0.5 * 51 / 101)
    row = metrics["per_class"]["a"]
    assert (row["precision"], row["recall"], row["num_defective"], row["escapes"]) == (1.0, 0.5, 2, 0)
    assert metrics["per_class"]["b"] == {
        **{"AP": None, "AP_50": None, "precision": 0.0, "recall": None, "f1_score": 0.0, "mean_iou": None},
        **{"num_gt": 0, "class_num": 2, "score_threshold": 0.3, "num_defective": 0, "escapes": 0},
        **{"auroc": None, "average_precision": None},
    }
    assert (metrics["num_images"], metrics["num_gt"], metrics["num_predictions"]) == (2, 2, 3)
    # Image 1 is rejected for a box that is wrong: the part does not escape.
    assert (metrics["part_level"]["escapes"], metrics["part_level"]["num_defective"]) == (0, 2)


def test_verdict_of_one_class_against_the_good_parts():
    truth = gt_dict((0, 1, BOX), (1, 2, BOX))
    truth["images"] += [{"id": i, "file_name": f"{i}"} for i in (2, 3)]
    predictions = [pred(0, 1, BOX, 0.5), pred(1, 1, BOX, 0.9), pred(2, 1, BOX, 0.6), pred(3, 1, BOX, 0.1)]
    row = evaluate(truth, predictions)["per_class"]["a"]
    assert row["auroc"] == 0.5, "image 1 is not good, and does not hold an a: it is left out"
    assert row["average_precision"] == 0.5


def test_sizes_by_hand():
    truth = gt_dict((0, 1, [0, 0, 15, 15]), (0, 1, [40, 0, 16, 16]), (0, 1, [0, 40, 31, 32]), (1, 1, [0, 0, 96, 96]))
    predictions = [pred(0, 1, [40, 0, 16, 15], 0.9), pred(1, 1, [0, 0, 96, 96], 0.8), pred(1, 1, FAR, 0.7)]
    sizes = evaluate(truth, [*predictions, pred(1, 1, [0, 0, 200, 200], 0.1)])["sizes"]
    assert {name: row["range_px"] for name, row in sizes.items()} == {
        **{"tiny": [0, 16], "small": [16, 32], "medium": [32, 96], "large": [96, None]}
    }
    assert [row["num_gt"] for row in sizes.values()] == [1, 2, 0, 1]
    assert [row["recall"] for row in sizes.values()] == [0.0, 0.5, None, 1.0]
    assert [row["num_predictions"] for row in sizes.values()] == [2, 0, 0, 1], "16 x 15 is a tiny box"
    assert [row["precision"] for row in sizes.values()] == [0.5, None, None, 1.0]


def test_the_matching_threshold_is_used():
    truth, predictions = gt_dict((0, 1, BOX)), [pred(0, 1, [0, 0, 10, 6], 0.9)]
    assert evaluate(truth, predictions, matching_iou_threshold=0.59)["recall"] == 1.0
    assert evaluate(truth, predictions, matching_iou_threshold=0.61)["recall"] == 0.0
    assert evaluate(truth, [pred(0, 1, [0, 0, 10, 0.5], 0.9)], matching_iou_threshold=0.04)["recall"] == 1.0
    assert evaluate(truth, [pred(0, 1, BOX, 0.9)], matching_iou_threshold=1.0)["recall"] == 1.0


def test_map_is_the_mean_over_classes_that_have_objects():
    metrics = evaluate(*draw_case(Case(29, classes_with_gt=2)))
    measured = [row["AP"] for row in metrics["per_class"].values() if row["num_gt"]]
    assert 0 < len(measured) < 4
    assert metrics["mAP"] == pytest.approx(sum(measured) / len(measured))


def leaves(value) -> list:
    if isinstance(value, (dict, list)):
        return [leaf for entry in (value.values() if isinstance(value, dict) else value) for leaf in leaves(entry)]
    return [value]


@pytest.mark.parametrize("case", [*RANDOM_CASES, Case(3, normal_share=1, predictions_per_gt=0)], ids=str)
@pytest.mark.parametrize("point", [fixed(0.3), Criterion(), Criterion("costs", per_class=True)], ids=lambda p: p.by)
def test_only_finite_numbers_or_null(case, point):
    metrics = measure(results_of(case), point, iou_thresholds=[0.33, 0.95]).metrics
    for leaf in leaves(metrics):
        assert leaf is None or type(leaf) in (int, str) or (type(leaf) is float and math.isfinite(leaf)), leaf
    assert json.loads(json.dumps(metrics, allow_nan=False)) == metrics


def test_no_predictions():
    metrics = evaluate(*draw_case(Case(2, predictions_per_gt=0)))
    assert (metrics["mAP"], metrics["precision"], metrics["recall"], metrics["mean_iou"]) == (0.0, None, 0.0, None)


def test_the_order_of_the_files_does_not_matter():
    ground_truth, predictions = draw_case(Case(4))
    assert len({p["score"] for p in predictions}) == len(predictions)
    shuffled = copy.deepcopy(ground_truth)
    for key in ("images", "annotations", "categories"):
        shuffled[key].reverse()
    before, after = evaluate(ground_truth, predictions), evaluate(shuffled, predictions[::-1])
    assert list(before) == list(after)
    for one, other in zip(leaves(before), leaves(after), strict=True):
        assert one == (pytest.approx(other, abs=1e-12) if isinstance(other, float) else other)


def test_classes_of_one_name_stay_apart():
    ground_truth = gt_dict((0, 1, BOX), (0, 2, BOX))
    for category in ground_truth["categories"]:
        category["name"] = "dent"
    assert list(evaluate(ground_truth, [])["per_class"]) == ["dent (1)", "dent (2)"]
    ground_truth["categories"].append({"id": 3, "name": "dent (1)"})
    assert len(evaluate(ground_truth, [])["per_class"]) == 3


def test_the_operating_point_is_stated():
    results = results_from_coco(gt_dict((0, 1, BOX)), [pred(0, 1, BOX, 0.8)])
    metrics = measure(results, OperatingPoint("costs", "val", None, {1: 0.4, 2: 0.6, 9: 0.1}, "so")).metrics
    assert metrics["score_threshold"] is None
    assert metrics["operating_point"] == {
        **{"by": "costs", "chosen_on": "val", "score_threshold": None, "per_class": {"a": 0.4, "b": 0.6}, "note": "so"}
    }
    assert [row["score_threshold"] for row in metrics["per_class"].values()] == [0.4, 0.6]
    chosen = measure(results, Criterion("max_f1")).metrics
    assert (chosen["operating_point"]["by"], chosen["score_threshold"]) == ("max_f1", pytest.approx(0.4))


def test_images_of_one_part():
    ground_truth, predictions = draw_case(Case(0, num_images=9))
    for image in ground_truth["images"]:
        image["part"] = part_name(image["file_name"], r"part_(\d)")
    metrics = evaluate(ground_truth, predictions)
    assert metrics["part_level"]["unit"] == "part"
    ground_truth["images"][0]["part"] = ground_truth["images"][1]["part"]
    again = evaluate(ground_truth, predictions)
    total = [table["part_level"]["num_good"] + table["part_level"]["num_defective"] for table in (metrics, again)]
    assert total == [9, 8]
    assert {key: again[key] for key in COCO | MATCHING} == {key: metrics[key] for key in COCO | MATCHING}


def test_thresholds_are_plain_numbers():
    metrics = evaluate(*draw_case(Case(0)), iou_thresholds=np.array([0.33]))
    assert type(metrics["mAP_33"]) is float
