"""Two evaluations are compared only where they are of one test set."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from anomdet.errors import UserError
from anomdet.evaluation.comparison import compared
from anomdet.evaluation.intervals import wilson_interval
from anomdet.evaluation.operating_point import fixed
from anomdet.evaluation.results import make_ground_truth, make_predictions
from anomdet.evaluation.summary import Measured, measure
from tests.unit.evaluation.test_two_splits import split


def measured(*names: str) -> Measured:
    results = split("abcde", dict(enumerate(names, start=1)), "ab")
    return measure(results, fixed(0.3, "default", ""), iou_thresholds=[0.5], matching_iou_threshold=0.5)


def test_names_of_classes_that_changed_places_are_refused() -> None:
    with pytest.raises(UserError, match="got names that changed places: dent, spur and spur, dent"):
        compared(measured("dent", "spur"), measured("spur", "dent"), num_resamples=10, confidence=0.9)
    compared(measured("1", "2"), measured("dent", "spur"), num_resamples=10, confidence=0.9)


def with_scores(*scores: float) -> Measured:
    one = measured("dent", "spur")
    rows = np.arange(len(scores))
    boxes = np.tile([0.0, 0.0, 9.0, 9.0], (len(scores), 1))
    pred = make_predictions(rows % 5, rows % 2, boxes, np.array(scores))
    return measure(replace(one.results, pred=pred), fixed(0.3, "default", ""), matching_iou_threshold=0.5)


def test_the_same_predictions_twice_are_said() -> None:
    said = "Both have the same predictions, box for box"
    scores = 0.9, 0.8, 0.7, 0.2
    twice = compared(with_scores(*scores), with_scores(*scores), num_resamples=10, confidence=0.9)
    assert twice["sentences"][0].startswith(said)
    other = compared(with_scores(*scores), with_scores(*scores[:3], 0.1), num_resamples=10, confidence=0.9)
    nothing = compared(with_scores(), with_scores(), num_resamples=10, confidence=0.9)
    assert not any(said in one for table in (other, nothing) for one in table["sentences"])


def detects(num_parts: int, *scores: float) -> Measured:
    """Each part has an object, which is found with the next of these scores."""
    rows, boxes = np.arange(num_parts), np.tile([0.0, 0.0, 9.0, 9.0], (num_parts, 1))
    labels = np.zeros(num_parts, dtype=np.int64)
    results = replace(
        split("abcdefghijkl"[:num_parts], {1: "dent"}, ""),
        gt=make_ground_truth(rows, labels, boxes),
        pred=make_predictions(rows, labels, boxes, np.resize(scores, num_parts)),
    )
    return measure(results, fixed(0.3, "default", ""), matching_iou_threshold=0.5)


def test_where_no_part_differs_the_number_of_parts_bounds_the_difference() -> None:
    """Two detectors that find all of 12 parts may differ on the next one."""
    table = compared(detects(12, 0.9, 0.8), detects(12, 0.7, 0.9), num_resamples=20, confidence=0.95)
    most = wilson_interval(0, 12, 0.95)[1]
    for name in ("escape_rate", "mAP_50", "f1_score"):
        assert table["numbers"][name]["interval"] == [-most, most], name
    assert "escape_rate: no difference is shown; it lies between -0.242 and +0.242." in table["sentences"]


def test_few_parts_that_do_not_differ_are_too_few() -> None:
    table = compared(detects(4, 0.9, 0.8), detects(4, 0.7, 0.9), num_resamples=20, confidence=0.95)
    assert table["numbers"]["escape_rate"]["interval"] is None
    assert "escape_rate: the test set is too small to decide." in table["sentences"]
