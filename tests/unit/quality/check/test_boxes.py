"""Boxes against images, against each other, and their classes."""

from __future__ import annotations

import numpy as np
import pytest

from anomdet.boxes import pairwise_iou, xywh_to_xyxy
from anomdet.quality.check.classes import check_classes
from anomdet.quality.check.duplicates import check_duplicates, exact_duplicates
from anomdet.quality.check.geometry import check_geometry
from anomdet.quality.check.table import Boxes


def make(
    values: list | np.ndarray, class_nums: list | np.ndarray | None = None, file_at: np.ndarray | None = None
) -> Boxes:
    """Boxes in images of 100 x 80 pixels, all in one file unless told otherwise."""
    values = np.array(values, float).reshape(-1, 4)
    num = len(values)
    file_at = np.zeros(num, np.int64) if file_at is None else file_at
    files = [f"labels/{at}.txt" for at in range(int(file_at.max(initial=0)) + 1)]
    nums = np.ones(num, np.int64) if class_nums is None else np.array(class_nums)
    return Boxes(files, file_at, np.arange(1, num + 1), nums, values, np.tile([100.0, 80.0], (num, 1)))


@pytest.mark.parametrize(
    ("box", "code", "got"),
    [
        ([10, 10, 20, 20], None, ""),
        ([0, 0, 90, 80], None, ""),
        ([90, 10, 20, 20], "box-reaches-out", "10 px (50 % of its width) beyond the right border"),
        (
            [-3, 75, 12, 10],
            "box-reaches-out",
            "3 px (25 % of its width) beyond the left border and 5 px (50 % of its height)",
        ),
        ([100, 10, 20, 20], "box-outside", "x 100 to 120, y 10 to 30"),
        ([10, -30, 20, 30], "box-outside", "y -30 to 0"),
        ([0, 0, 100, 80], "box-whole-image", "100 x 80 px in an image of 100 x 80 px"),
        ([5, 5, 1.5, 20], "box-tiny", "1.5 x 20"),
        ([5, 5, -4, 20], "label-size-not-positive", "-4 x 20"),
    ],
)
def test_a_box_against_its_image(box, code, got):
    boxes = make([box])
    found = list(check_geometry(boxes, boxes.values))
    assert [one.code for one in found] == ([code] if code else [])
    assert not found or got in found[0].got


def test_an_unknown_image_says_nothing():
    boxes = make([[-5, 5, 500, 500]])
    boxes.size_wh[:] = np.nan
    assert not list(check_geometry(boxes, boxes.values))


def test_exact_duplicates_name_the_first():
    boxes = make([[1, 1, 9, 9], [2, 2, 9, 9], [1, 1, 9, 9], [1, 1, 9, 9]], [1, 1, 1, 2])
    again, first = exact_duplicates(boxes)
    assert again.tolist() == [2] and first.tolist() == [0]
    found = {one.line: one for one in check_duplicates(boxes, boxes.values)}
    assert {line: one.code for line, one in found.items()} == {3: "box-exact-duplicate", 4: "box-two-classes"}
    assert "line 1" in found[4].got and "class 1 there and 2 here" in found[4].got


@pytest.mark.parametrize("seed", range(20))
def test_near_duplicates_are_those_of_all_pairs(seed):
    rng = np.random.default_rng(seed)
    base = np.hstack([rng.uniform(0, 60, (40, 2)), rng.uniform(5, 30, (40, 2))])
    values = np.vstack([base, base + rng.normal(0, 0.4, base.shape)])[rng.permutation(80)]
    file_at = np.sort(rng.integers(0, 3, 80))
    boxes = make(values, rng.integers(1, 3, 80), file_at)
    iou = pairwise_iou(xywh_to_xyxy(values), xywh_to_xyxy(values))
    near = (iou > 0.9) & (file_at[:, None] == file_at) & np.tri(80, k=-1, dtype=bool)
    found = list(check_duplicates(boxes, values))
    assert {one.line - 1 for one in found} == set(np.flatnonzero(near.any(axis=1)).tolist())
    assert len(found) == near.any(axis=1).sum() > 0


def test_many_boxes_at_one_place_take_no_time():
    boxes = make(np.tile([5.0, 5, 20, 20], (50_000, 1)))
    assert len(list(check_duplicates(boxes, boxes.values))) == 49_999


def test_no_boxes():
    boxes = make([])
    assert not list(check_geometry(boxes, boxes.values)) and not list(check_duplicates(boxes, boxes.values))
    assert not list(check_classes(boxes, None))


def test_classes():
    boxes = make(np.tile([5.0, 5, 20, 20], (5, 1)), [1, 1, 2, 7, 7])
    assert [(found.code, found.line) for found in check_classes(boxes, None)] == [("class-once", 3)]
    found = [(one.code, one.line) for one in check_classes(boxes, {1: "a", 2: "b", 3: "c"})]
    assert found == [("class-unknown", 4), ("class-unknown", 5), ("class-unused", 0), ("class-once", 3)]


def test_a_class_of_good_parts():
    boxes = make(np.tile([5.0, 5, 20, 20], (5, 1)), [1, 1, 2, 2, 2])
    (found,) = check_classes(boxes, {1: "scratch", 2: "No-Defect"})
    assert (found.code, found.line, found.got) == ("class-normal", 3, "class 2 (No-Defect), 3 objects")
    assert not list(check_classes(boxes, {1: "scratch", 2: "not ok"})) and not list(check_classes(boxes, None))
