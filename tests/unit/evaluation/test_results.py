from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from anomdet.evaluation.results import by_image, make_ground_truth, make_predictions
from tests.unit.evaluation.cases import Case, results_of


def test_predictions_are_put_in_order():
    image, label = np.array([1, 0, 1, 0, 1]), np.array([0, 1, 2, 3, 4])
    boxes, score = np.arange(20.0).reshape(5, 4), np.array([0.5, 0.1, 0.9, 0.1, 0.5])
    made = make_predictions(image, label, boxes, score)
    assert (made.image.tolist(), made.label.tolist()) == ([0, 0, 1, 1, 1], [1, 3, 2, 0, 4]), "equal scores as they came"
    assert made.score.tolist() == [0.1, 0.1, 0.9, 0.5, 0.5]
    assert made.bboxes_xywh.tolist() == boxes[made.label].tolist()
    assert by_image(made, 4).tolist() == [0, 2, 5, 5, 5]


def test_objects_are_put_in_order():
    made = make_ground_truth(np.array([1, 0, 1]), np.array([0, 1, 2]), np.arange(12.0).reshape(3, 4))
    assert (made.image.tolist(), made.label.tolist(), made.crowd.any()) == ([0, 1, 1], [1, 0, 2], False)
    assert made.coco_area.tolist() == made.area.tolist() == [42, 6, 110]
    made = make_ground_truth(
        np.array([1, 0]), np.array([0, 1]), np.ones((2, 4)), np.array([5.0, 7.0]), np.array([True, False])
    )
    assert (made.coco_area.tolist(), made.crowd.tolist()) == ([7, 5], [False, True])


@pytest.mark.parametrize(
    ("names", "unique"),
    [
        (["a", "b", "c"], ["a", "b", "c"]),
        (["a", "b", "a"], ["a (-1)", "b", "a (7)"]),
        (["a", "a (-1)", "a"], ["a (-1)", "a (-1) (0)", "a (7)"]),
    ],
)
def test_unique_names(names, unique):
    results = results_of(Case(0, class_nums=(-1, 0, 7), classes_with_gt=3))
    assert replace(results, class_names=names).unique_names == unique


def test_parts():
    results = results_of(Case(0, num_images=4))
    assert (results.part_of_image.tolist(), results.num_parts) == ([0, 1, 2, 3], 4)
    grouped = replace(results, parts=["b", "a", "b", "c"])
    assert (grouped.part_of_image.tolist(), grouped.num_parts) == ([1, 0, 1, 2], 3)
    assert results_of(Case(0, num_images=0)).num_parts == 0
