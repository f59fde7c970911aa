from __future__ import annotations

import numpy as np
import pytest

from anomdet.boxes import area_xyxy, clip_xyxy, looks_like_two_corners, pairwise_iou, xywh_to_xyxy, xyxy_to_xywh


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
def test_conversions_keep_the_dtype_and_the_input(dtype):
    bboxes_xywh = np.array([[1, 2, 3, 4], [0, 0, 5, 1]], dtype=dtype)
    before = bboxes_xywh.copy()
    bboxes_xyxy = xywh_to_xyxy(bboxes_xywh)
    assert bboxes_xyxy.tolist() == [[1, 2, 4, 6], [0, 0, 5, 1]]
    assert bboxes_xyxy.dtype == dtype
    back = xyxy_to_xywh(bboxes_xyxy)
    assert np.array_equal(back, before) and back.dtype == dtype
    assert np.array_equal(bboxes_xywh, before)


def test_clip():
    bboxes_xyxy = np.array(
        [[-5, -5, 5, 5], [90, 40, 120, 60], [10, 10, 20, 20], [200, 200, 300, 300]], dtype=np.float32
    )
    clipped = clip_xyxy(bboxes_xyxy, height=50, width=100)
    assert clipped.tolist() == [[0, 0, 5, 5], [90, 40, 100, 50], [10, 10, 20, 20], [100, 50, 100, 50]]
    assert clipped.dtype == np.float32
    assert area_xyxy(clipped).tolist() == [25, 100, 100, 0]


def test_area_of_an_inside_out_box_is_0():
    # Both sides turned: the product of the two negative sides must not pass for an area.
    assert area_xyxy(np.array([[5.0, 5.0, 1.0, 1.0], [5.0, 1.0, 1.0, 5.0], [1.0, 1.0, 5.0, 4.0]])).tolist() == [
        0,
        0,
        12,
    ]


def test_iou_by_hand():
    a = np.array([[0.0, 0, 10, 10], [20, 20, 30, 30]])
    b = np.array([[0.0, 0, 10, 10], [5, 0, 15, 10], [10, 0, 20, 10], [0, 0, 5, 5], [20, 20, 30, 25]])
    expected = [[1, 50 / 150, 0, 0.25, 0], [0, 0, 0, 0, 0.5]]
    np.testing.assert_allclose(pairwise_iou(a, b), expected, atol=1e-12)
    np.testing.assert_allclose(pairwise_iou(b, a), np.transpose(expected), atol=1e-12)


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (3, 0)])
def test_iou_of_nothing(shape):
    assert pairwise_iou(np.ones((shape[0], 4)), np.ones((shape[1], 4))).shape == shape


def test_iou_of_boxes_without_area():
    empty = np.array([[3.0, 3, 3, 3], [9, 9, 2, 2]])
    assert pairwise_iou(empty, empty).tolist() == [[0, 0], [0, 0]]
    assert pairwise_iou(empty, np.array([[0.0, 0, 10, 10]])).tolist() == [[0], [0]]


def test_iou_of_whole_numbers():
    assert pairwise_iou(np.array([[0, 0, 10, 10]]), np.array([[0, 0, 10, 5]])).tolist() == [[0.5]]


def test_iou_is_symmetric_and_within_bounds():
    rng = np.random.default_rng(0)
    a = rng.uniform(0, 100, (40, 4))
    a[:, 2:] += a[:, :2]
    iou = pairwise_iou(a, a)
    assert np.array_equal(iou, iou.T)
    assert iou.min() >= 0 and iou.max() <= 1
    assert (np.diag(iou) == 1).all()


@pytest.mark.parametrize("num_boxes", [2, 3, 40])
def test_two_corners_are_told_from_a_corner_and_a_size(num_boxes):
    rng = np.random.default_rng(num_boxes)
    first, size = rng.uniform(50, 60, (num_boxes, 2)), rng.uniform(5, 20, (num_boxes, 2))
    sizes_wh = np.full((num_boxes, 2), 100.0)
    assert looks_like_two_corners(np.hstack([first, size]), sizes_wh) is None
    leaves = looks_like_two_corners(np.hstack([first, first + size]), sizes_wh)
    assert leaves is not None and leaves.sum() >= 0.2 * num_boxes


def test_boxes_that_leave_their_image_are_not_always_corners():
    sizes_wh = np.full((5, 2), 100.0)
    at_the_border = np.array([[90.0, 90, 30, 30]] * 5)
    assert looks_like_two_corners(at_the_border, sizes_wh) is None
    assert looks_like_two_corners(np.array([[45.0, 45, 60, 60]]), sizes_wh[:1]) is None, "one box shows nothing"
