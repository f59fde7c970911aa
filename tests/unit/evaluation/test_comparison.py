"""Two evaluations are compared only where they are of one test set."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from anomdet.errors import UserError
from anomdet.evaluation.comparison import compared
from anomdet.evaluation.operating_point import fixed
from anomdet.evaluation.results import make_predictions
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
