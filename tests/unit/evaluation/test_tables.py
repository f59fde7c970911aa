from __future__ import annotations

import csv
from io import StringIO

import pytest

from anomdet.evaluation.coco_json import results_from_coco
from anomdet.evaluation.intervals import intervals, wilson_interval
from anomdet.evaluation.operating_point import Criterion, OperatingPoint, fixed
from anomdet.evaluation.summary import Measured, measure
from anomdet.evaluation.tables import format_table, metrics_csv, per_image_csv
from anomdet.report.tables import operating_point
from tests.unit.evaluation.cases import RANDOM_CASES, Case, draw_case, gt_dict, pred, results_of

BOX = [0, 0, 10, 10]
FAR = [30, 30, 10, 10]


def evaluate(ground_truth: dict, predictions: list[dict], **settings) -> Measured:
    return measure(results_from_coco(ground_truth, predictions), fixed(0.3), **settings)


def rows_of(text: str) -> list[dict]:
    return list(csv.DictReader(StringIO(text)))


def test_table():
    truth = gt_dict((0, 1, BOX), (1, 1, FAR))
    truth["images"].append({"id": 2, "file_name": "2"})
    truth["categories"][0]["name"] = "[b]scratch[/b]"
    truth["categories"][1]["name"] = "凹み"
    lines = format_table(evaluate(truth, [pred(0, 1, [0, 0, 10, 6], 0.9)]).metrics).splitlines()
    assert lines[:4] == [
        "1 of 2 defective images pass as good (escapes): 50.0 %",
        "0 of 1 good images are rejected (overkill): 0.0 %",
        "",
        "class           objects  escapes     AP  AP_50  Precision  Recall     F1  Mean IoU  threshold",
    ]
    assert lines[4].split()[:5] == ["[b]scratch[/b]", "2", "1", "of", "2"]
    assert lines[4].split()[-5:] == ["1.000", "0.500", "0.667", "0.600", "0.300"]
    assert lines[5].split() == ["凹み", "0", "-", "-", "-", "-", "-", "-", "-", "0.300"]
    assert lines[6].split()[:2] == ["all", "2"]
    assert lines[8:] == [
        "escapes, overkill, Precision, Recall, F1, Mean IoU: "
        "predictions with score >= 0.3 (set), right from IoU 0.5 on",
        "good against defective images by the highest score: AUROC 0.750",
        "3 images, 2 objects, 1 prediction",
    ]
    assert "\x1b" not in "\n".join(lines)


def test_the_verdict_has_its_interval():
    truth = gt_dict((0, 1, BOX), (1, 1, FAR))
    measured = measure(results_from_coco(truth, [pred(0, 1, BOX, 0.9)]), fixed(0.3))
    first = format_table({**measured.metrics, "intervals": intervals(measured, num_resamples=9)}).splitlines()[0]
    low, high = (100 * bound for bound in wilson_interval(1, 2, 0.95))
    assert first.endswith(f": 50.0 % (95 % interval: {low:.1f} to {high:.1f} %)")


def test_what_needs_attention_stands_before_the_classes():
    lines = format_table(evaluate(gt_dict((0, 1, BOX)), [pred(0, 1, BOX, 0.2)]).metrics).splitlines()
    assert lines[2].startswith("note: a: its best score, 0.2, stays under its threshold, 0.3")


def test_table_holds_what_was_included_only():
    table = format_table(evaluate(*draw_case(Case(0)), include_metrics=[]).metrics)
    assert "Precision" not in table and "mAP_75" not in table and "AP_50" in table


def test_table_of_other_points_and_with_intervals():
    results = results_of(Case(0, per_part=2, num_images=40))
    measured = measure(results, Criterion("max_f1"))
    measured = measured.with_metrics(intervals=intervals(measured, num_resamples=20))
    lines = format_table(measured.metrics).splitlines()
    assert any("(best F1 on the validation split)" in line for line in lines)
    by_costs = measure(results, Criterion("auto")).metrics
    by_costs["operating_point"]["criterion"] = Criterion("auto").as_dict()  # as `evaluate` leaves it
    said = "(least cost of escapes and overkill where one part in 20 is defective, on the validation split)"
    assert said in format_table(by_costs)
    assert operating_point(by_costs).endswith(
        "of a line on which one part in 20 is defective, where an escape weighs 10 and overkill 1."
    )
    assert lines[0].endswith(" %)") and " defective parts pass as good (escapes)" in lines[0]
    low, high = measured.metrics["intervals"]["mAP"]
    assert lines[-2].startswith(f"95 % intervals: mAP {low:.3f} to {high:.3f}, ")
    own = format_table(
        measure(results, OperatingPoint("costs", "val", None, dict.fromkeys(results.class_nums.tolist(), 0.2))).metrics
    )
    assert "from the threshold of their class on" in own
    assert "not chosen" in format_table(measure(results, fixed(0.3, "default")).metrics)


@pytest.mark.parametrize("case", RANDOM_CASES, ids=str)
def test_table_of_any_case(case):
    assert "images" in format_table(measure(results_of(case), fixed(0.3)).metrics)


def test_metrics_csv_says_what_metrics_json_says():
    measured = measure(results_of(Case(0, num_images=30)), fixed(0.3), iou_thresholds=(0.33,))
    metrics = measured.metrics
    metrics["intervals"] = intervals(measured, num_resamples=20)
    rows = rows_of(metrics_csv(metrics))
    assert list(rows[0]) == ["scope", "metric", "value", "low", "high"]
    found = {(row["scope"], row["metric"]): row for row in rows}
    assert len(found) == len(rows)
    expected = {("all", key): value for key, value in metrics.items()}
    expected |= {("part_level", key): value for key, value in metrics["part_level"].items()}
    expected |= {(name, key): value for name, row in metrics["per_class"].items() for key, value in row.items()}
    for scope in ("errors", "sizes"):
        for name, row in metrics[scope].items():
            expected |= {(scope, f"{name}_{key}"): value for key, value in row.items()}
    expected = {key: value for key, value in expected.items() if not isinstance(value, (str, dict, list))}
    assert set(found) == set(expected)
    for key, value in expected.items():
        assert found[key]["value"] == ("" if value is None else str(value)), key
    assert [float(found["all", "mAP"][key]) for key in ("low", "high")] == metrics["intervals"]["mAP"]
    assert [float(found["part_level", "auroc"][key]) for key in ("low", "high")] == metrics["intervals"]["auroc"]
    own = metrics["intervals"]["per_class"]["class 7"]["AP"]
    assert [float(found["class 7", "AP"][key]) for key in ("low", "high")] == own
    assert found["all", "num_images"]["low"] == ""


def test_metrics_csv_without_intervals_and_tables():
    rows = rows_of(metrics_csv(measure(results_of(Case(8, normal_share=1)), fixed(0.3), complete=False).metrics))
    assert {row["low"] + row["high"] for row in rows} == {""}
    assert next(row["value"] for row in rows if (row["scope"], row["metric"]) == ("all", "mAP")) == ""


def test_per_image_csv_by_hand():
    truth = gt_dict((0, 1, BOX), (0, 2, FAR))
    truth["images"][0] |= {"file_name": "tray/a, left.png", "width": 640, "height": 480}
    predictions = [pred(0, 1, [0, 0, 10, 6], 0.9), pred(0, 1, FAR, 0.8), pred(1, 1, FAR, 0.2)]
    rows = rows_of(per_image_csv(evaluate(truth, predictions)))
    assert rows[0] == {
        **{"file_name": "tray/a, left.png", "part": "tray/a, left.png", "width": "640", "height": "480"},
        **{"num_gt": "2", "num_predictions": "2", "num_matched": "1", "num_missed": "1", "num_false": "1"},
        **{"precision": "0.5", "recall": "0.5", "f1_score": "0.5", "mean_iou": "0.6"},
        **{"anomaly_score": "0.9", "verdict": "detected"},
    }
    assert [rows[1][key] for key in ("num_gt", "precision", "recall", "anomaly_score", "verdict")] == [
        *("0", "", "", "0.2", "passed")
    ]


@pytest.mark.parametrize(
    "name", ["=1+1", "+1", "@SUM(A1)", "-2+3+cmd|' /C calc'!A0", "\t=1", "\r=1", "\n=1", '=HYPERLINK("http://x","y")']
)
def test_no_cell_is_a_formula(name):
    truth = gt_dict((0, 1, BOX))
    truth["images"][0] |= {"file_name": name, "part": name}
    truth["images"][1]["part"] = "b"
    truth["categories"][0]["name"] = name
    measured = evaluate(truth, [pred(0, 1, BOX, 0.9)])
    for text in (metrics_csv(measured.metrics), per_image_csv(measured)):
        cells = [cell for row in csv.reader(StringIO(text, newline="")) for cell in row]
        assert f"'{name}".replace("\r", " ") in cells
        assert not [cell for cell in cells if cell[:1] in ("=", "+", "@", "\t", "\r")]
        assert not [cell for cell in cells if cell.startswith("-") and not cell[1:].replace(".", "").isdigit()]


def test_ordinary_names_and_numbers_are_left_alone():
    truth = gt_dict((0, 1, BOX))
    truth["categories"][0] |= {"id": -7, "name": "-7"}
    truth["annotations"][0]["category_id"] = -7
    rows = rows_of(metrics_csv(evaluate(truth, []).metrics))
    assert ("-7", "class_num", "-7") in {(row["scope"], row["metric"], row["value"]) for row in rows}


@pytest.mark.parametrize(
    ("point", "said"),
    [
        (fixed(0.3), "set metrics.score_threshold=0.29 or lower, or leave it out: it is then chosen on the validation"),
        (fixed(0.3, "default"), "set metrics.score_threshold=0.29 or lower"),
        (OperatingPoint("costs", "val", None, {1: 0.3, 2: 0.3}), "set metrics.score_threshold=0.29 or lower"),
    ],
)
def test_a_silent_class_gets_advice_that_can_be_followed(point: OperatingPoint, said: str) -> None:
    """Not to choose as is done already, and no two numbers that look alike."""
    measured = measure(results_from_coco(gt_dict((0, 1, BOX)), [pred(0, 1, BOX, 0.29999)]), point)
    (note,) = measured.metrics["notes"]
    assert "its best score, 0.29999, stays under its threshold, 0.3: none of 1 object is reported" in note
    assert said in note
    assert ("leave it out" in note) == (point.chosen_on == "settings") and "by=auto" not in note
