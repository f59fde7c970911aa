"""Rows become detections in the image's own pixels, and nothing that is no number passes in silence."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from mmdet.structures.bbox import scale_boxes

from anomdet.inference.postprocess import Detections, at_or_above, clipped, lowest, suppress, to_original, valid
from anomdet.ops.suppression import suppress as suppress_in_torch


def random_detections(count=400, seed=0):
    rng = np.random.default_rng(seed)
    corner = rng.random((count, 2)) * 200
    boxes = np.concatenate([corner, corner + 1 + rng.random((count, 2)) * 40], axis=1).astype(np.float32)
    return Detections(boxes, rng.random(count, dtype=np.float32), rng.integers(0, 3, count))


def test_back_to_the_image_as_mmdetection():
    boxes, scale = random_detections().bboxes_xyxy, np.array([320 / 641, 240 / 479])
    theirs = scale_boxes(torch.from_numpy(boxes), [1 / s for s in scale.tolist()])
    np.testing.assert_array_equal(to_original(boxes, scale), theirs.numpy())


@pytest.mark.parametrize("max_kept", [5, 1000])
@pytest.mark.parametrize("num_scores", [10**6, 3])
def test_suppression_as_in_torch_with_and_without_equal_scores(max_kept, num_scores):
    found = random_detections()
    found = replace(found, scores=np.round(found.scores * num_scores) / np.float32(num_scores))
    tensors = (torch.from_numpy(column) for column in (found.bboxes_xyxy, found.scores, found.labels))
    rows = suppress_in_torch(*tensors, iou_threshold=0.3, max_kept=max_kept).numpy()
    kept = suppress(found, iou_threshold=0.3, max_kept=max_kept)
    assert 0 < len(kept) < 400
    for column in ("bboxes_xyxy", "scores", "labels"):
        np.testing.assert_array_equal(getattr(kept, column), getattr(found, column)[rows])


def test_suppression_of_nothing():
    empty = Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64))
    assert len(suppress(empty, iou_threshold=0.5, max_kept=10)) == 0


def test_what_is_no_number_is_left_out_and_counted():
    boxes = np.tile(np.array([1, 2, 3, 4], np.float32), (5, 1))
    boxes[0, 2] = np.nan
    boxes[1, 0] = np.inf
    scores = np.array([0.5, 0.5, np.nan, 1.5, 0.25], np.float32)
    found, num_dropped = valid(Detections(boxes, scores, np.zeros(5, np.int64)), 1, "")
    assert (num_dropped, found.scores.tolist()) == (4, [0.25])


def test_by_falling_score_equal_ones_in_their_order():
    found, _ = valid(
        Detections(np.zeros((4, 4), np.float32), np.array([0.1, 0.9, 0.1, 0.9], np.float32), np.array([0, 1, 2, 3])),
        4,
        "",
    )
    assert found.labels.tolist() == [1, 3, 0, 2]


def test_a_box_turned_inside_out_has_no_size():
    boxes = np.array([[10, 10, 5, 20]], np.float32)
    found, num_dropped = valid(Detections(boxes, np.array([0.5], np.float32), np.array([0])), 1, "")
    assert (found.bboxes_xyxy.tolist(), num_dropped) == ([[10, 10, 10, 20]], 0)


def test_cut_to_the_image():
    boxes = np.array([[-5, 2, 300, 40]], np.float32)
    found = clipped(Detections(boxes, np.array([0.5], np.float32), np.array([0])), (30, 100))
    assert (found.bboxes_xyxy.tolist(), found.bboxes_xyxy.dtype) == ([[0, 2, 100, 30]], np.float32)


def test_a_threshold_is_reached_by_its_equal_in_float64():
    score = np.array([0.3], np.float32)  # 0.30000001192...
    assert at_or_above(score, np.array([1]), float(score[0])).all()
    assert at_or_above(score, np.array([1]), 0.3).all()
    assert not at_or_above(np.array([0.7], np.float32), np.array([1]), 0.7).any(), "float32(0.7) lies below 0.7"


def test_the_lowest_threshold_of_all_classes():
    assert lowest({3: 0.5, 1: 0.25}) == 0.25
    assert lowest(0.4) == 0.4
