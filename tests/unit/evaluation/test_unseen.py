"""A detector and a normal-only score on the same parts."""

from __future__ import annotations

import numpy as np
import pytest

from anomdet.evaluation.coco_json import results_from_coco
from anomdet.evaluation.details import details
from anomdet.evaluation.intervals import intervals, wilson_interval
from anomdet.evaluation.operating_point import fixed
from anomdet.evaluation.summary import Measured, measure
from anomdet.evaluation.tables import format_table, metrics_csv, per_image_csv
from anomdet.evaluation.unseen import _level, detector_margins, fuse, fused
from anomdet.report.verdict import advice, strips, tiles
from tests.unit.evaluation.test_tables import rows_of


def test_a_margin_is_0_at_the_threshold_and_says_what_the_verdict_says() -> None:
    scores = np.array([[0.3, 0.0], [0.29, 0.0], [0.0, 0.0], [0.0, 1.0], [0.1, 0.9]])
    margins = detector_margins(scores, np.array([0.3, 0.9]))
    assert margins[0] == pytest.approx(0) and margins[4] == pytest.approx(0)
    assert ((margins >= 0) == (scores >= [0.3, 0.9]).any(axis=1)).all()


@pytest.mark.parametrize("threshold", [0.0, 1e-9, 1.0, 1.5])
def test_extreme_thresholds_keep_the_verdict(threshold: float) -> None:
    scores = np.array([[0.0], [1e-9], [0.5], [1.0]])
    margins = detector_margins(scores, np.array([threshold]))
    assert ((margins >= 0) == (scores[:, 0] >= threshold)).all()


def test_the_rule_is_monotone_in_both_and_rejects_where_either_does() -> None:
    rng = np.random.default_rng(0)
    one, other, more = rng.normal(size=(3, 500))
    fused = fuse(one, other)
    assert (fuse(one + abs(more), other) >= fused).all() and (fuse(one, other + abs(more)) >= fused).all()
    assert ((fused >= 0) == ((one >= 0) | (other >= 0))).all()


def test_among_parts_of_one_verdict_both_count_and_boxes_more() -> None:
    """Accepted: A before B by the boxes, B before C by the score. Rejected: each before all accepted ones."""
    detector = np.array([-1.0, -2.0, -2.0, 0.0, -20.0])
    normal_only = np.array([-3.0, -1.0, -3.0, -9.0, 0.0])
    fused = fuse(detector, normal_only)
    assert fused[0] > fused[1] > fused[2] and fused[3:].min() >= 0 and fused[:3].max() < 0
    assert fuse(np.array([-np.inf]), np.array([0.5]))[0] > fuse(np.array([-np.inf]), np.array([0.1]))[0] >= 0


def test_a_defect_that_only_one_sees_does_not_escape() -> None:
    defective = np.array([True, True, False, False])
    detector, normal_only = np.array([2.0, -3.0, -3.0, -2.0]), np.array([-1.0, 1.0, -1.0, -2.0])
    assert _level(detector, defective)["escapes"] == 1
    fused = _level(fuse(detector, normal_only), defective)
    assert (fused["escapes"], fused["overkill"], fused["auroc"]) == (0, 0, 1.0)


def test_the_resamples_are_the_same_however_many_are_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    margins, defective = np.random.default_rng(1).normal(size=40), np.arange(40) % 3 == 0
    at_once = _level(margins, defective)["auroc_interval"]
    monkeypatch.setattr("anomdet.evaluation.unseen._CELLS", 40 * 7)
    assert _level(margins, defective)["auroc_interval"] == at_once


def five_parts() -> Measured:
    """Two defective images, of which the boxes find the second, and three good ones, of which they reject the last."""
    box = [0, 0, 10, 10]
    truth = {
        "images": [{"id": at, "file_name": f"{at}.png", "width": 40, "height": 40} for at in range(5)],
        "annotations": [
            {"id": at + 1, "image_id": at, "category_id": 1, "bbox": box, "area": 100, "iscrowd": 0} for at in (0, 1)
        ],
        "categories": [{"id": 1, "name": "dent"}],
    }
    found = [
        {"image_id": at, "category_id": 1, "bbox": box, "score": score} for at, score in ((0, 0.1), (1, 0.9), (4, 0.6))
    ]
    return measure(results_from_coco(truth, found), fixed(0.5))


def one_verdict() -> Measured:
    """The score rejects the first image, which the boxes let pass, and a good one."""
    return fused(five_parts(), np.array([3.0, 0.5, 0.4, 2.0, 0.5]), 1.0, 0.5)


def test_every_place_holds_the_verdict_of_both_and_the_boxes_alone_beside_it() -> None:
    metrics = one_verdict().metrics
    level, boxes = metrics["part_level"], metrics["part_level_of_boxes"]
    assert (level["escapes"], level["overkill"]) == (0, 2)
    assert (boxes["escapes"], boxes["overkill"]) == (1, 1)
    assert (level["escape_rate"], level["overkill_rate"]) == (0, 2 / 3)
    assert metrics["per_class"]["dent"]["escapes"] == 0
    assert level["false_alarms_per_good"] == pytest.approx(1 / 3), "false alarms are boxes"
    assert metrics["unseen"]["fused"]["escapes"] == level["escapes"]
    assert metrics["unseen"]["detector"]["escapes"] == boxes["escapes"]
    table = format_table(metrics)
    assert "0 of 2 defective images pass as good (escapes): 0.0 %; by the boxes alone 1" in table
    assert "2 of 3 good images are rejected (overkill): 66.7 %; by the boxes alone 1" in table
    rows = {(row["scope"], row["metric"]): row["value"] for row in rows_of(metrics_csv(metrics))}
    assert (rows["part_level", "escapes"], rows["part_level_of_boxes", "escapes"]) == ("0", "1")


def test_each_image_says_why() -> None:
    rows = rows_of(per_image_csv(one_verdict()))
    assert [row["verdict"] for row in rows] == ["detected", "detected", "passed", "overkill", "overkill"]
    assert [row["verdict_of_boxes"] for row in rows] == ["escape", "detected", "passed", "passed", "overkill"]
    assert [row["normal_only_ratio"] for row in rows] == ["3.0", "0.5", "0.4", "2.0", "0.5"]
    assert "verdict_of_boxes" not in rows_of(per_image_csv(five_parts()))[0]


def test_intervals_are_of_the_same_verdict() -> None:
    bounds = intervals(one_verdict(), num_resamples=20)
    assert bounds["escape_rate"] == wilson_interval(0, 2, 0.95)
    assert bounds["overkill_rate"] == wilson_interval(2, 3, 0.95)


def test_the_page_shows_it_and_what_the_boxes_alone_decide() -> None:
    measured = one_verdict()
    shown = details(measured)
    assert {case["outcome"] for case in shown["cases"] if case["file_name"] == "0.png"} == {"found"}
    assert shown["rethreshold"]["unlike_normal"] == [1, 0, 0, 1, 0]
    assert all(score >= 0.5 for score in shown["anomaly_scores"]["defective"]), "0.5 is the threshold of both"
    escapes, overkill = tiles(measured.metrics)
    assert (escapes.count, overkill.count) == (0, 2)
    assert escapes.beside == "by boxes and normal-only score; by the boxes alone 1 of 2"
    advised = " ".join(advice(measured.metrics, shown))
    assert "1 of the 2 rejected good images has a box of class dent" in advised
    assert "1 of the 2 rejected good images is unlike the normal images" in advised
    assert tiles(five_parts().metrics)[0].beside == ""


def test_a_good_part_that_only_the_score_rejects_is_not_called_accepted() -> None:
    measured = five_parts()
    measured = fused(measured, np.array([0.1, 0.1, 0.1, 2.0, 0.1]), 1.0, 0.5)
    shown = details(measured)
    without_boxes = {**shown, "cases": [case for case in shown["cases"] if case["outcome"] != "overkill"]}
    strip = next(one for one in strips(measured.metrics, without_boxes) if one.key == "overkill")
    assert strip.empty == "2 good images are rejected by the normal-only score, without a box to show."
