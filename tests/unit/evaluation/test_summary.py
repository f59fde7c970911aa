from __future__ import annotations

import copy
import json
import math

import pytest

from anomdet.evaluation.summary import evaluate, format_table
from tests.unit.evaluation.cases import Case, draw_case
from tests.unit.evaluation.test_matching import BOX, gt_dict, pred

ALL_KEYS = {
    *("mAP", "mAP_50", "mAP_75", "mAP_small", "mAP_medium", "mAP_large", "AR_100", "mAP_95"),
    *("precision", "recall", "f1_score", "mean_iou", "score_threshold", "matching_iou_threshold"),
    *("num_images", "num_gt", "num_predictions", "per_class"),
}


def test_keys():
    metrics = evaluate(*draw_case(Case(0)))
    assert set(metrics) == ALL_KEYS
    assert list(metrics["per_class"]) == ["class -1", "class 0", "class 7", "class 1000"]
    assert set(metrics["per_class"]["class 7"]) == {
        *("AP", "AP_50", "precision", "recall", "f1_score", "mean_iou", "num_gt", "class_num")
    }
    assert metrics["per_class"]["class -1"]["class_num"] == -1


def test_include_metrics_and_thresholds_select_the_keys():
    metrics = evaluate(*draw_case(Case(0)), iou_thresholds=[0.33, 0.333], include_metrics=["iou", "recall"])
    optional = {"precision", "f1_score"}
    assert set(metrics) == ALL_KEYS - optional - {"mAP_95"} | {"mAP_33", "mAP_33.3"}
    assert not optional & set(metrics["per_class"]["class 0"])
    assert {"recall", "mean_iou"} <= set(metrics["per_class"]["class 0"])


def test_worked_by_hand():
    # Class 1: one object found (IoU 0.6), one missed; class 2: one false alarm, and one prediction below the score.
    truth = gt_dict((0, 1, BOX), (1, 1, [30, 30, 10, 10]))
    predictions = [pred(0, 1, [0, 0, 10, 6], 0.9), pred(1, 2, BOX, 0.8), pred(1, 1, [30, 30, 10, 10], 0.2)]
    metrics = evaluate(truth, predictions, iou_thresholds=[0.7], score_threshold=0.3)
    assert (metrics["precision"], metrics["recall"], metrics["f1_score"]) == pytest.approx((0.5, 0.5, 0.5))
    assert metrics["mean_iou"] == pytest.approx(0.6)
    # COCO takes all predictions of class 1 and leaves class 2 out, which has no object.
    assert metrics["mAP_50"] == pytest.approx(1.0)
    # At 0.7 the first is wrong, the second right: precision 1/2 up to recall 1/2, for 51 of COCO's 101 recall points.
    assert metrics["mAP_70"] == pytest.approx(0.5 * 51 / 101)
    assert metrics["per_class"]["a"]["precision"] == 1.0 and metrics["per_class"]["a"]["recall"] == 0.5
    assert metrics["per_class"]["b"] == {
        **{"AP": None, "AP_50": None, "precision": 0.0, "recall": None, "f1_score": 0.0, "mean_iou": None},
        **{"num_gt": 0, "class_num": 2},
    }
    assert (metrics["num_images"], metrics["num_gt"], metrics["num_predictions"]) == (2, 2, 3)


def test_the_matching_threshold_is_used():
    truth, predictions = gt_dict((0, 1, BOX)), [pred(0, 1, [0, 0, 10, 6], 0.9)]
    assert evaluate(truth, predictions, matching_iou_threshold=0.59)["recall"] == 1.0
    assert evaluate(truth, predictions, matching_iou_threshold=0.61)["recall"] == 0.0


def test_map_is_the_mean_over_classes_that_have_objects():
    metrics = evaluate(*draw_case(Case(29, classes_with_gt=2)))
    measured = [row["AP"] for row in metrics["per_class"].values() if row["num_gt"]]
    assert 0 < len(measured) < 4
    assert metrics["mAP"] == pytest.approx(sum(measured) / len(measured))


@pytest.mark.parametrize(
    "case",
    [Case(0), Case(1, normal_share=1), Case(2, predictions_per_gt=0), Case(3, normal_share=1, predictions_per_gt=0)],
)
def test_only_finite_numbers_or_null(case):
    def leaves(value):
        if isinstance(value, dict):
            return [leaf for entry in value.values() for leaf in leaves(entry)]
        return [value]

    metrics = evaluate(*draw_case(case), iou_thresholds=[0.33, 0.95])
    for leaf in leaves(metrics):
        assert leaf is None or (type(leaf) in (int, float) and math.isfinite(leaf)), leaf
    assert json.loads(json.dumps(metrics, allow_nan=False)) == metrics
    assert format_table(metrics)


def test_no_predictions():
    metrics = evaluate(*draw_case(Case(2, predictions_per_gt=0)))
    assert (metrics["mAP"], metrics["precision"], metrics["recall"], metrics["mean_iou"]) == (0.0, None, 0.0, None)


def test_the_order_of_the_files_does_not_matter():
    ground_truth, predictions = draw_case(Case(4))
    assert len({p["score"] for p in predictions}) == len(predictions)
    shuffled = copy.deepcopy(ground_truth)
    for key in ("images", "annotations"):
        shuffled[key].reverse()
    again = evaluate(shuffled, predictions[::-1])
    for key, value in evaluate(ground_truth, predictions).items():
        assert again[key] == (value if isinstance(value, dict) or value is None else pytest.approx(value, abs=1e-12))


def test_classes_of_one_name_stay_apart():
    ground_truth = gt_dict((0, 1, BOX), (0, 2, BOX))
    for category in ground_truth["categories"]:
        category["name"] = "dent"
    assert list(evaluate(ground_truth, [])["per_class"]) == ["dent (1)", "dent (2)"]


def test_table():
    truth = gt_dict((0, 1, BOX), (1, 1, [30, 30, 10, 10]))
    truth["categories"][0]["name"] = "[b]scratch[/b]"
    truth["categories"][1]["name"] = "凹み"
    lines = format_table(evaluate(truth, [pred(0, 1, [0, 0, 10, 6], 0.9)])).splitlines()
    assert lines[0].split() == ["class", "objects", "AP", "AP_50", "precision", "recall", "F1", "mean", "IoU"]
    assert lines[1].split()[:2] == ["[b]scratch[/b]", "2"] and lines[1].split()[-4:] == [
        "1.000",
        "0.500",
        "0.667",
        "0.600",
    ]
    assert lines[2].split() == ["凹み", "0", "-", "-", "-", "-", "-", "-"]
    assert lines[3].split()[:2] == ["all", "2"]
    assert "2 images, 2 objects, 1 predictions" in lines
    assert lines[-1].endswith("predictions with score >= 0.3, right from IoU 0.5 on")
    assert "\x1b" not in "\n".join(lines)


def test_table_holds_what_was_included_only():
    table = format_table(evaluate(*draw_case(Case(0)), include_metrics=[]))
    assert "precision" not in table and "score >=" not in table and "mAP_75" in table
