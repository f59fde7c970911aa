"""Two evaluations are compared only where they are of one test set."""

from __future__ import annotations

import pytest

from anomdet.errors import UserError
from anomdet.evaluation.comparison import compared
from anomdet.evaluation.operating_point import fixed
from anomdet.evaluation.summary import Measured, measure
from tests.unit.evaluation.test_two_splits import split


def measured(*names: str) -> Measured:
    results = split("abcde", dict(enumerate(names, start=1)), "ab")
    return measure(results, fixed(0.3, "default", ""), iou_thresholds=[0.5], matching_iou_threshold=0.5)


def test_names_of_classes_that_changed_places_are_refused() -> None:
    with pytest.raises(UserError, match="got names that changed places: dent, spur and spur, dent"):
        compared(measured("dent", "spur"), measured("spur", "dent"), num_resamples=10, confidence=0.9)
    compared(measured("1", "2"), measured("dent", "spur"), num_resamples=10, confidence=0.9)
