"""Cases worked by hand. Boxes are xywh; the object is a 10 x 10 box at the origin unless the case says more."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from anomdet.evaluation.coco_json import results_from_coco
from anomdet.evaluation.counts import find_matches
from anomdet.evaluation.matching import assign, match
from anomdet.evaluation.pairs import Pairs, overlapping_pairs
from tests.unit.evaluation.cases import Case, gt_dict, pred, results_of

BOX = [0, 0, 10, 10]


def pairs_of(iou: np.ndarray) -> Pairs:
    """All pairs with an overlap, in the order that :class:`Pairs` demands."""
    preds, gts = np.nonzero(iou)
    order = np.lexsort((-gts, -iou[preds, gts], preds))
    preds, gts = preds[order], gts[order]
    return Pairs(preds, gts, iou[preds, gts], np.ones(len(preds), dtype=bool))


def serial(pairs: Pairs, num_pred: int, num_gt: int, shared: np.ndarray) -> list[int]:
    """The definition: each prediction in turn takes the first of its pairs whose object is free."""
    free, found = [True] * num_gt, [-1] * num_pred
    for row, gt in zip(pairs.pred.tolist(), pairs.gt.tolist(), strict=True):
        if found[row] < 0 and (free[gt] or shared[gt]):
            found[row], free[gt] = gt, False
    return found


@pytest.mark.parametrize("levels", [1, 2, 5, None], ids=lambda levels: f"{levels} distinct IoU")
def test_assign_is_the_serial_greedy_loop(levels):
    rng = np.random.default_rng(0)
    busy = 0
    for _ in range(150):
        num_pred, num_gt = rng.integers(0, 25, 2)
        iou = rng.random((num_pred, num_gt)) * (rng.random((num_pred, num_gt)) < rng.choice([0.1, 0.5, 1.0]))
        iou = iou if levels is None else np.ceil(iou * levels) / levels
        pairs, shared = pairs_of(iou), rng.random(num_gt) < rng.choice([0, 0.3])
        found = assign(pairs, num_pred, num_gt, shared)
        assert found.tolist() == serial(pairs, num_pred, num_gt, shared)
        assert assign(pairs, num_pred, num_gt).tolist() == serial(pairs, num_pred, num_gt, np.zeros(num_gt, bool))
        busy += int((found >= 0).sum())
    assert busy > 500


def test_assign_with_any_order_of_preference():
    rng = np.random.default_rng(1)
    for _ in range(100):
        preds, gts = np.nonzero(rng.random((12, 9)) < 0.6)
        order = np.lexsort((rng.random(len(preds)), preds))
        pairs = Pairs(preds[order], gts[order], np.ones(len(preds)), np.ones(len(preds), bool))
        assert assign(pairs, 12, 9).tolist() == serial(pairs, 12, 9, np.zeros(9, bool))


def test_a_long_chain():
    """Each prediction is pushed on by the one before it: as many rounds as predictions."""
    number = 200
    iou = np.zeros((number, number))
    for i in range(number):
        iou[i, : i + 1] = np.linspace(0.9, 0.6, i + 1)
    assert assign(pairs_of(iou), number, number).tolist() == list(range(number))


@pytest.mark.parametrize(
    ("iou", "iou_thr", "expected"),
    [
        pytest.param([[0.6], [0.9]], 0.5, [0, -1], id="the first takes it though the second fits better"),
        pytest.param([[0.6, 0.8], [0.7, 0.9]], 0.5, [1, 0], id="the second takes what is left"),
        pytest.param([[0.6, 0.8], [0.4, 0.9]], 0.5, [1, -1], id="what is left is too far"),
        pytest.param([[0.7, 0.7]], 0.5, [1], id="of equals the last, as COCO does"),
        pytest.param([[0.7, 0.7], [0.7, 0.7], [0.7, 0.7]], 0.5, [1, 0, -1], id="three on two equal objects"),
        pytest.param([[0.5]], 0.5, [0], id="the threshold itself is enough"),
        pytest.param([[0.4999]], 0.5, [-1], id="just under the threshold"),
        pytest.param([[1 - 1e-12]], 1.0, [0], id="rounding does not spoil a perfect overlap"),
        pytest.param([[0.0]], 0.5, [-1], id="no overlap"),
    ],
)
def test_match(iou, iou_thr, expected):
    iou = np.array(iou)
    found = match(pairs_of(iou), *iou.shape, iou_thr=iou_thr, crowd=np.zeros(iou.shape[1], dtype=bool))
    assert found.tolist() == expected


@pytest.mark.parametrize(
    ("iou", "expected"),
    [
        pytest.param([[0.6, 0.9]], [0], id="an object before a crowd that fits better"),
        pytest.param([[0.6, 0.9], [0.6, 0.9], [0.0, 0.8]], [0, 1, 1], id="the rest share the crowd"),
        pytest.param([[0.4, 0.9]], [1], id="only the crowd is near enough"),
    ],
)
def test_match_with_a_crowd(iou, expected):
    iou = np.array(iou)
    assert match(pairs_of(iou), *iou.shape, iou_thr=0.5, crowd=np.array([False, True])).tolist() == expected


@pytest.mark.parametrize("shape", [(0, 0), (3, 0), (0, 3)])
def test_match_of_nothing(shape):
    found = match(pairs_of(np.zeros(shape)), *shape, iou_thr=0.5, crowd=np.zeros(shape[1], dtype=bool))
    assert found.tolist() == [-1] * shape[0]


def test_other_classes_do_not_match():
    pairs = Pairs(np.array([0, 0]), np.array([0, 1]), np.array([0.9, 0.6]), np.array([False, True]))
    assert match(pairs, 1, 2, iou_thr=0.5, crowd=np.zeros(2, dtype=bool)).tolist() == [1]


def found_iou(ground_truth: dict, predictions: list[dict], iou_thr: float = 0.5) -> list[float]:
    """IoU of each matched prediction, by falling score; 0 for the others."""
    results = results_from_coco(ground_truth, predictions)
    return find_matches(results, overlapping_pairs(results, 0.1), iou_thr).iou.tolist()


def test_the_higher_score_goes_first_whatever_the_order_in_the_file():
    # The better box (IoU 1) has the lower score, so the worse one (IoU 0.6) takes the object.
    predictions = [pred(0, 1, BOX, 0.3), pred(0, 1, [0, 0, 10, 6], 0.7)]
    for order in (predictions, predictions[::-1]):
        assert found_iou(gt_dict((0, 1, BOX)), order) == pytest.approx([0.6, 0])


def test_of_equal_scores_the_first_in_the_file_goes_first():
    worse, better = pred(0, 1, [0, 0, 10, 6], 0.5), pred(0, 1, BOX, 0.5)
    assert found_iou(gt_dict((0, 1, BOX)), [worse, better]) == pytest.approx([0.6, 0])
    assert found_iou(gt_dict((0, 1, BOX)), [better, worse]) == pytest.approx([1.0, 0])


def test_classes_and_images_do_not_mix():
    truth = gt_dict((0, 1, BOX), (1, 2, BOX))
    assert found_iou(truth, [pred(0, 2, BOX, 0.9), pred(1, 1, BOX, 0.9)]) == [0, 0]


def test_crowded_row_of_overlapping_objects():
    # Ten objects, 10 wide, every 4 pixels: neighbours overlap by 6 of 14 (IoU 0.43). Predictions sit 1 pixel to the
    # right (IoU 9 / 11 with their own, 7 / 13 with the next): each must find its own.
    truth = gt_dict(*[(0, 1, [4 * i, 0, 10, 10]) for i in range(10)])
    predictions = [pred(0, 1, [4 * i + 1, 0, 10, 10], 0.5 + 0.01 * i) for i in range(10)]
    assert found_iou(truth, predictions) == pytest.approx([9 / 11] * 10)


def test_a_prediction_without_area_finds_nothing():
    assert found_iou(gt_dict((0, 1, BOX)), [pred(0, 1, [2, 2, 0, 5], 0.9)], 0.1) == [0]


@pytest.mark.parametrize("case", [Case(1), Case(2, score_levels=2, crowd_share=0.3, predictions_per_gt=3)], ids=str)
def test_the_matches_from_a_score_on_are_those_of_these_predictions_alone(case):
    results = results_of(case)
    matches = find_matches(results, overlapping_pairs(results, 0.1), 0.5)
    for score_thr in np.unique(results.pred.score)[::3]:
        rows = results.pred.score >= score_thr
        own = results.pred
        cut = replace(own, **{name: getattr(own, name)[rows] for name in ("image", "label", "bboxes_xywh", "score")})
        fewer = replace(results, pred=cut)
        again = find_matches(fewer, overlapping_pairs(fewer, 0.1), 0.5)
        assert again.found.tolist() == matches.found[rows].tolist()
        assert again.counted.tolist() == matches.counted[rows].tolist()
