from __future__ import annotations

import numpy as np
import pytest

from anomdet.evaluation.coco_json import results_from_coco
from anomdet.evaluation.counts import find_matches
from anomdet.evaluation.curves import FROC_RATES, curves, froc, sweep, thin
from anomdet.evaluation.pairs import overlapping_pairs
from tests.unit.evaluation.cases import RANDOM_CASES, Case, gt_dict, pred, results_of

BOX = [0, 0, 10, 10]
FAR = [50, 50, 10, 10]


def matched(results, iou_thr: float = 0.5):
    return find_matches(results, overlapping_pairs(results, 0.1), iou_thr)


def by_hand():
    """Class a: three objects, hits at 0.9 and 0.4, false alarms at 0.7 and 0.4; class b: a false alarm at 0.8."""
    truth = gt_dict((0, 1, BOX), (1, 1, BOX), (1, 1, [0, 50, 5, 5]))
    predictions = [pred(0, 1, BOX, 0.9), pred(0, 1, FAR, 0.7), pred(1, 1, BOX, 0.4), pred(1, 1, FAR, 0.4)]
    return results_from_coco(truth, [*predictions, pred(1, 2, FAR, 0.8)])


def test_curves_worked_by_hand():
    results = by_hand()
    found = curves(results, matched(results))
    assert set(found["per_class"]) == {"a", "b"}
    a = found["per_class"]["a"]
    assert a["score"] == [0.9, 0.7, 0.4]
    assert a["precision"] == pytest.approx([1, 1 / 2, 2 / 4])
    assert a["recall"] == pytest.approx([1 / 3, 1 / 3, 2 / 3])
    assert a["f1_score"] == pytest.approx([2 / 4, 2 / 5, 4 / 7])
    assert found["per_class"]["b"] == {"score": [], "precision": [], "recall": [], "f1_score": []}, "it has no objects"
    assert found["all"]["score"] == [0.9, 0.8, 0.7, 0.4]
    assert found["all"]["precision"] == pytest.approx([1, 1 / 2, 1 / 3, 2 / 5])
    assert found["all"]["recall"] == pytest.approx([1 / 3, 1 / 3, 1 / 3, 2 / 3])


def test_froc_worked_by_hand():
    results = by_hand()
    table, mean = froc(results, matched(results))
    assert table["false_boxes_per_image"] == [0, 0.5, 1, 1.5], "two images"
    assert table["recall"] == pytest.approx([1 / 3, 1 / 3, 1 / 3, 2 / 3])
    assert table["score"] == [0.9, 0.8, 0.7, 0.4]
    # At 1/8, 1/4, 1/2 and 1 false boxes an image a third is found, at 2, 4 and 8 two thirds.
    assert mean == pytest.approx((4 / 3 + 3 * 2 / 3) / 7)
    assert len(FROC_RATES) == 7


def test_froc_where_the_first_threshold_has_too_many_false_boxes():
    results = results_from_coco(gt_dict((0, 1, BOX)), [pred(0, 1, BOX, 0.5), pred(1, 1, FAR, 0.5)])
    table, mean = froc(results, matched(results))
    assert table == {"false_boxes_per_image": [0.5], "recall": [1.0], "score": [0.5]}
    assert mean == pytest.approx(5 / 7), "no threshold has at most 1/8 or 1/4"


def test_nothing_to_draw():
    empty = {"false_boxes_per_image": [], "recall": [], "score": []}
    results = results_of(Case(8, normal_share=1))
    assert froc(results, matched(results)) == (empty, None)
    results = results_of(Case(9, predictions_per_gt=0))
    assert froc(results, matched(results)) == (empty, 0.0)
    assert curves(results, matched(results))["all"] == {"score": [], "precision": [], "recall": [], "f1_score": []}


@pytest.mark.parametrize("case", RANDOM_CASES, ids=str)
def test_every_point_counted_anew(case):
    results = results_of(case)
    matches = matched(results)
    objects = ~results.gt.crowd
    table = curves(results, matches)
    labels = {name: results.pred.label == k for k, name in enumerate(results.unique_names)}
    numbers = {name: (objects & (results.gt.label == k)).sum() for k, name in enumerate(results.unique_names)}
    everything = [("all", table["all"], labels["all"] if "all" in labels else np.ones(len(results.pred), bool))]
    everything += [(name, curve, labels[name]) for name, curve in table["per_class"].items()]
    for name, curve, chosen in everything:
        num_gt = objects.sum() if name == "all" else numbers[name]
        chosen = chosen & matches.counted
        if num_gt:
            assert curve["score"] == sorted(set(results.pred.score[chosen].tolist()), reverse=True)
        for score, precision, recall, f1 in zip(*curve.values(), strict=True):
            shown = chosen & (results.pred.score >= score)
            hits = (shown & matches.hit).sum()
            assert precision == pytest.approx(hits / shown.sum())
            assert recall == pytest.approx(hits / num_gt)
            assert f1 == pytest.approx(2 * hits / (shown.sum() + num_gt))


def test_at_most_400_points_and_the_ends_among_them():
    case = Case(0, boxes_per_image=60, num_images=30, predictions_per_gt=2, normal_share=0)
    results = results_of(case)
    matches = matched(results)
    assert len(np.unique(results.pred.score)) > 1000
    for curve in (curves(results, matches)["all"], froc(results, matches)[0]):
        score = curve["score"]
        assert 390 < len(score) <= 400
        assert all(len(column) == len(score) for column in curve.values())
        assert (score[0], score[-1]) == (results.pred.score.max(), results.pred.score.min())
        assert np.all(np.diff(score) < 0)
    assert np.all(np.diff(curve["false_boxes_per_image"]) >= 0) and np.all(np.diff(curve["recall"]) >= 0)


@pytest.mark.parametrize("number", [0, 1, 399, 400, 401, 799, 100_000])
def test_thin(number):
    points = thin(number)
    assert len(points) == min(number, 400) or (number > 400 and 390 < len(points) <= 400)
    assert np.all(np.diff(points) > 0)
    assert number == 0 or (points[0], points[-1]) == (0, number - 1)


def test_sweep():
    score, hits, shown = sweep(np.array([0.1, 0.9, 0.5, 0.5]), np.array([True, False, True, True]))
    assert (score.tolist(), hits.tolist(), shown.tolist()) == ([0.9, 0.5, 0.1], [0, 2, 3], [1, 3, 4])
    assert [column.tolist() for column in sweep(np.zeros(0), np.zeros(0, bool))] == [[], [], []]
