"""Cases worked by hand. Boxes are xywh; the ground truth is a 10 x 10 box at the origin unless the case says more."""

from __future__ import annotations

import numpy as np
import pytest

from anomdet.evaluation.matching import Counts, count_matches, match

BOX = [0, 0, 10, 10]


def gt_dict(*objects: tuple[int, int, list[float]]) -> dict:
    """Objects as (image, class, box); classes 1 and 2, images 0 and 1."""
    annotations = [
        {"id": i, "image_id": image_id, "category_id": class_num, "bbox": bbox, "area": 1, "iscrowd": 0}
        for i, (image_id, class_num, bbox) in enumerate(objects, start=1)
    ]
    images = [{"id": i, "file_name": f"{i}.png", "width": 100, "height": 100} for i in (0, 1)]
    return {
        "images": images,
        "annotations": annotations,
        "categories": [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}],
    }


def pred(image_id: int, class_num: int, bbox: list[float], score: float) -> dict:
    return {"image_id": image_id, "file_name": "", "category_id": class_num, "bbox": bbox, "score": score}


def count(
    ground_truth: dict, predictions: list[dict], iou_thr: float = 0.5, score_thr: float = 0.0
) -> dict[int, Counts]:
    return count_matches(ground_truth, predictions, iou_thr=iou_thr, score_thr=score_thr)


@pytest.mark.parametrize(
    ("iou", "iou_thr", "expected"),
    [
        pytest.param([[0.6], [0.9]], 0.5, [0, -1], id="the first takes it though the second fits better"),
        pytest.param([[0.6, 0.8], [0.7, 0.9]], 0.5, [1, 0], id="the second takes what is left"),
        pytest.param([[0.6, 0.8], [0.4, 0.9]], 0.5, [1, -1], id="what is left is too far"),
        pytest.param([[0.7, 0.7]], 0.5, [0], id="of equals the first"),
        pytest.param([[0.7, 0.7], [0.7, 0.7], [0.7, 0.7]], 0.5, [0, 1, -1], id="three on two equal objects"),
        pytest.param([[0.5]], 0.5, [0], id="the threshold itself is enough"),
        pytest.param([[0.4999]], 0.5, [-1], id="just under the threshold"),
        pytest.param([[1 - 1e-12]], 1.0, [0], id="rounding does not spoil a perfect overlap"),
        pytest.param([[0.0]], 0.5, [-1], id="no overlap"),
    ],
)
def test_match(iou, iou_thr, expected):
    assert match(np.array(iou), iou_thr).tolist() == expected


@pytest.mark.parametrize("shape", [(0, 0), (3, 0), (0, 3)])
def test_match_of_nothing(shape):
    assert match(np.zeros(shape), 0.5).tolist() == [-1] * shape[0]


def test_match_leaves_the_iou_as_it_was():
    iou = np.array([[0.9, 0.3], [0.8, 0.6]])
    before = iou.copy()
    match(iou, 0.5)
    assert np.array_equal(iou, before)


def test_one_hit_one_miss_one_false_alarm():
    truth = gt_dict((0, 1, BOX), (0, 1, [50, 50, 10, 10]))
    # IoU of the first: 10 x 8 shared of 10 x 10 in all = 0.8.
    counts = count(truth, [pred(0, 1, [0, 0, 10, 8], 0.9), pred(0, 1, [80, 0, 10, 10], 0.8)])[1]
    assert counts == Counts(num_matched=1, num_predictions=2, num_gt=2, iou_sum=pytest.approx(0.8))
    assert (counts.precision, counts.recall, counts.f1_score, counts.mean_iou) == pytest.approx((0.5, 0.5, 0.5, 0.8))


def test_a_duplicate_is_a_false_alarm():
    counts = count(gt_dict((0, 1, BOX)), [pred(0, 1, BOX, 0.9), pred(0, 1, BOX, 0.8)])[1]
    assert (counts.precision, counts.recall, counts.f1_score) == pytest.approx((0.5, 1.0, 2 / 3))


def test_the_higher_score_goes_first_whatever_the_order_in_the_file():
    # The better box (IoU 1) has the lower score, so the worse one (IoU 0.6) takes the object.
    predictions = [pred(0, 1, BOX, 0.3), pred(0, 1, [0, 0, 10, 6], 0.7)]
    for order in (predictions, predictions[::-1]):
        assert count(gt_dict((0, 1, BOX)), order)[1].iou_sum == pytest.approx(0.6)


def test_of_equal_scores_the_first_in_the_file_goes_first():
    worse, better = pred(0, 1, [0, 0, 10, 6], 0.5), pred(0, 1, BOX, 0.5)
    assert count(gt_dict((0, 1, BOX)), [worse, better])[1].iou_sum == pytest.approx(0.6)
    assert count(gt_dict((0, 1, BOX)), [better, worse])[1].iou_sum == pytest.approx(1.0)


def test_classes_and_images_do_not_mix():
    truth = gt_dict((0, 1, BOX), (1, 2, BOX))
    counts = count(truth, [pred(0, 2, BOX, 0.9), pred(1, 1, BOX, 0.9)])
    assert counts == {1: Counts(0, 1, 1, 0.0), 2: Counts(0, 1, 1, 0.0)}


def test_the_score_threshold_itself_counts():
    predictions = [pred(0, 1, BOX, 0.3), pred(0, 1, [50, 50, 5, 5], 0.2999)]
    assert count(gt_dict((0, 1, BOX)), predictions, score_thr=0.3)[1] == Counts(1, 1, 1, 1.0)


def test_crowded_row_of_overlapping_objects():
    # Ten objects, 10 wide, every 4 pixels: neighbours overlap by 6 of 14 (IoU 0.43). Predictions sit 1 pixel to the
    # right (IoU 9 / 11 with their own, 7 / 13 with the next): each must find its own.
    truth = gt_dict(*[(0, 1, [4 * i, 0, 10, 10]) for i in range(10)])
    predictions = [pred(0, 1, [4 * i + 1, 0, 10, 10], 0.5 + 0.01 * i) for i in range(10)]
    counts = count(truth, predictions)[1]
    assert (counts.num_matched, counts.mean_iou) == (10, pytest.approx(9 / 11))


def test_equal_objects_need_a_prediction_each():
    truth = gt_dict((0, 1, BOX), (0, 1, BOX))
    assert count(truth, [pred(0, 1, BOX, 0.9)])[1] == Counts(1, 1, 2, 1.0)
    assert count(truth, [pred(0, 1, BOX, 0.9)] * 3)[1] == Counts(2, 3, 2, 2.0)


def test_a_prediction_without_area_finds_nothing():
    assert count(gt_dict((0, 1, BOX)), [pred(0, 1, [2, 2, 0, 5], 0.9)])[1] == Counts(0, 1, 1, 0.0)


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        (Counts(), (None, None, None, None)),
        (Counts(num_gt=3), (None, 0.0, 0.0, None)),
        (Counts(num_predictions=3), (0.0, None, 0.0, None)),
        (Counts(2, 4, 8, 1.5), (0.5, 0.25, 1 / 3, 0.75)),
    ],
)
def test_what_is_undefined(counts, expected):
    assert (counts.precision, counts.recall, counts.f1_score, counts.mean_iou) == pytest.approx(expected)
