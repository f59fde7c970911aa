"""Cases worked by hand, and what must hold on any."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from anomdet.evaluation.coco_json import results_from_coco
from anomdet.evaluation.counts import Counts, confusion_matrix, count, find_matches, kept, ratio
from anomdet.evaluation.pairs import overlapping_pairs
from tests.unit.evaluation.cases import RANDOM_CASES, gt_dict, pred, results_of

BOX = [0, 0, 10, 10]
FAR = [50, 50, 10, 10]


def counted(ground_truth: dict, predictions: list[dict], *, iou_thr: float = 0.5, score_thrs: tuple = (0.0, 0.0)):
    results = results_from_coco(ground_truth, predictions)
    pairs = overlapping_pairs(results, 0.1)
    matches, thrs = find_matches(results, pairs, iou_thr), np.array(score_thrs)
    by_image, by_class = count(results, matches, thrs)
    table = confusion_matrix(results, pairs, matches, thrs).tolist()
    return SimpleNamespace(by_image=by_image, by_class=by_class, all=by_class.total(), confusion=table)


def rows(counts: Counts) -> list[tuple]:
    return list(zip(*(column.tolist() for column in counts.columns()), strict=True))


def test_one_hit_one_miss_one_false_alarm():
    truth = gt_dict((0, 1, BOX), (0, 1, FAR))
    # IoU of the first: 10 x 8 shared of 10 x 10 in all = 0.8.
    found = counted(truth, [pred(0, 1, [0, 0, 10, 8], 0.9), pred(0, 1, [80, 0, 10, 10], 0.8)])
    assert rows(found.by_class) == [(1, 2, 2, pytest.approx(0.8)), (0, 0, 0, 0)]
    assert rows(found.by_image) == [(1, 2, 2, pytest.approx(0.8)), (0, 0, 0, 0)]
    total = found.all
    values = [float(v[0]) for v in (total.precision, total.recall, total.f1_score, total.mean_iou)]
    assert values == pytest.approx([0.5, 0.5, 0.5, 0.8])
    assert found.confusion == [[1, 0, 1], [0, 0, 0], [1, 0, 0]]


def test_a_duplicate_is_a_false_alarm():
    found = counted(gt_dict((0, 1, BOX)), [pred(0, 1, BOX, 0.9), pred(0, 1, BOX, 0.8)])
    assert (found.all.precision[0], found.all.recall[0], found.all.f1_score[0]) == pytest.approx((0.5, 1.0, 2 / 3))
    assert found.confusion == [[1, 0, 0], [0, 0, 0], [1, 0, 0]]


def test_a_threshold_for_each_class():
    truth = gt_dict((0, 1, BOX), (1, 2, BOX), (1, 1, FAR))
    predictions = [pred(0, 1, BOX, 0.3), pred(0, 1, FAR, 0.2999), pred(1, 2, BOX, 0.5), pred(1, 2, FAR, 0.6)]
    found = counted(truth, predictions, score_thrs=(0.3, 0.6))
    assert rows(found.by_class) == [(1, 1, 2, 1.0), (0, 1, 1, 0)], "the threshold itself counts"
    assert rows(found.by_image) == [(1, 1, 1, 1.0), (0, 1, 2, 0)]
    assert found.confusion == [[1, 1, 0], [0, 0, 1], [0, 0, 0]], "the object of class a was taken for a b"


def test_equal_objects_need_a_prediction_each():
    truth = gt_dict((0, 1, BOX), (0, 1, BOX))
    assert rows(counted(truth, [pred(0, 1, BOX, 0.9)]).by_class)[0] == (1, 1, 2, 1.0)
    assert rows(counted(truth, [pred(0, 1, BOX, 0.9)] * 3).by_class)[0] == (2, 3, 2, 2.0)


def test_crowds_cost_and_earn_nothing():
    truth = gt_dict((0, 1, [0, 0, 100, 100]), (0, 1, BOX))
    truth["annotations"][0]["iscrowd"] = 1
    # Inside the crowd: the object's own, a second on it, one elsewhere; beside the crowd's class: one of class b.
    predictions = [pred(0, 1, BOX, 0.9), pred(0, 1, BOX, 0.8), pred(0, 1, FAR, 0.7), pred(0, 2, FAR, 0.6)]
    found = counted(truth, predictions)
    assert rows(found.by_class) == [(1, 1, 1, 1.0), (0, 1, 0, 0)]
    assert found.confusion == [[1, 0, 0], [0, 0, 0], [0, 1, 0]], "nobody can be confused with a crowd"


def test_confusion_worked_by_hand():
    # On one object of class a: a box of b with 0.9, one of a with 0.8. The right class has it.
    truth, two = gt_dict((0, 1, BOX)), [pred(0, 2, BOX, 0.9), pred(0, 1, BOX, 0.8)]
    assert counted(truth, two).confusion == [[1, 0, 0], [0, 0, 0], [0, 1, 0]]
    # Without the right one it is a confusion; of two confusions the higher score has it.
    assert counted(truth, two[:1]).confusion == [[0, 1, 0], [0, 0, 0], [0, 0, 0]]
    assert counted(truth, [two[0]] * 2).confusion == [[0, 1, 0], [0, 0, 0], [0, 1, 0]]
    # Below the threshold of overlap it is missed and a false alarm.
    assert counted(truth, [pred(0, 2, [0, 0, 10, 4.9], 0.9)]).confusion == [[0, 0, 1], [0, 0, 0], [0, 1, 0]]
    # The right prediction falls below its score threshold: the other becomes a confusion.
    assert counted(truth, two, score_thrs=(0.85, 0)).confusion == [[0, 1, 0], [0, 0, 0], [0, 0, 0]]
    # Two objects in one place: one box of b takes the one that overlaps best, the other is missed.
    truth = gt_dict((0, 1, BOX), (0, 1, [0, 0, 10, 9]))
    assert counted(truth, [pred(0, 2, [0, 0, 10, 9], 0.9)]).confusion == [[0, 1, 1], [0, 0, 0], [0, 0, 0]]


@pytest.mark.parametrize("case", RANDOM_CASES, ids=str)
def test_confusion_sums(case):
    results = results_of(case)
    pairs = overlapping_pairs(results, 0.1)
    rng = np.random.default_rng(case.seed)
    num, confused = results.num_classes, 0
    for iou_thr in (0.3, 0.5, 0.75):
        matches = find_matches(results, pairs, iou_thr)
        thrs = rng.random(num)
        table = confusion_matrix(results, pairs, matches, thrs)
        shown = kept(results, matches, thrs)
        by_class = count(results, matches, thrs)[1]
        objects = np.bincount(results.gt.label[~results.gt.crowd], minlength=num)
        assert table[:num].sum(axis=1).tolist() == objects.tolist() == by_class.num_gt.tolist()
        assert table[:, :num].sum(axis=0).tolist() == np.bincount(results.pred.label[shown], minlength=num).tolist()
        assert np.diag(table)[:num].tolist() == by_class.num_matched.tolist()
        assert table[num, num] == 0
        confused += table[:num, :num].sum() - np.trace(table)
    assert confused or case.seed != RANDOM_CASES[0].seed


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ((0, 0, 0, 0.0), (None, None, None, None)),
        ((0, 0, 3, 0.0), (None, 0.0, 0.0, None)),
        ((0, 3, 0, 0.0), (0.0, None, 0.0, None)),
        ((2, 4, 8, 1.5), (0.5, 0.25, 1 / 3, 0.75)),
        ((3, 3, 3, 3.0000000000000004), (1.0, 1.0, 1.0, 1.0)),
    ],
)
def test_what_is_undefined(counts, expected):
    counts = Counts(*(np.array([value], dtype=float) for value in counts))
    values = [float(v[0]) for v in (counts.precision, counts.recall, counts.f1_score, counts.mean_iou)]
    assert [None if np.isnan(value) else value for value in values] == pytest.approx(list(expected))
    assert values[3] <= 1 or np.isnan(values[3])


def test_ratio():
    assert ratio(np.array([1, 2, 0]), np.array([2, 0, 0])).tolist() == pytest.approx([0.5, np.nan, np.nan], nan_ok=True)
    assert ratio(np.array([[1.0], [2.0]]), np.array([4.0])).tolist() == [[0.25], [0.5]]
