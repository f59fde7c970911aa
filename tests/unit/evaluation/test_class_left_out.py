"""How many parts of a class that was not in the training are rejected."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from anomdet.evaluation.class_left_out import COUNTED, left_out_text, row_of, total_of
from anomdet.evaluation.coco_json import results_from_coco
from anomdet.evaluation.intervals import wilson_interval
from anomdet.evaluation.operating_point import fixed
from anomdet.evaluation.summary import Measured, measure
from anomdet.evaluation.unseen import fused

BOX = [0, 0, 10, 10]
# Of each image its classes, the score of its box (of class 1), and its normal-only score; the thresholds are 0.5 and 1.
PARTS: list[tuple[tuple[int, ...], float, float]] = [
    ((2,), 0.9, 0.1),
    ((2,), 0.3, 2.0),
    ((2,), 0.25, 0.1),
    ((2,), 0.05, 0.1),
    ((1, 2), 0.9, 2.0),
    ((1,), 0.9, 2.0),
    ((), 0.6, 0.1),
    ((), 0.1, 2.0),
    ((), 0.2, 0.1),
    ((), 0.0, 0.1),
]


def evaluation() -> Measured:
    truth = {
        "images": [{"id": at, "file_name": f"{at}.png", "width": 40, "height": 40} for at in range(len(PARTS))],
        "annotations": [
            {"id": 10 * at + num, "image_id": at, "category_id": num, "bbox": BOX, "area": 100, "iscrowd": 0}
            for at, (classes, _, _) in enumerate(PARTS)
            for num in classes
        ],
        "categories": [{"id": 1, "name": "dent"}, {"id": 2, "name": "scratch"}],
    }
    found = [{"image_id": at, "category_id": 1, "bbox": BOX, "score": score} for at, (_, score, _) in enumerate(PARTS)]
    measured = measure(results_from_coco(truth, found), fixed(0.5))
    return fused(measured, np.array([score for _, _, score in PARTS]), 1.0, 0.5)


@pytest.fixture(scope="module")
def row() -> dict[str, Any]:
    return row_of(evaluation().metrics, "scratch", 0.95)


def test_only_parts_that_show_this_class_and_no_other_count(row: dict[str, Any]) -> None:
    assert (row["num_parts"], row["num_with_others"], row["num_good"]) == (4, 1, 4)
    counts = {way: row["rejected"][way]["count"] for way in COUNTED}
    assert counts == {"detector": 1, "normal_only": 1, "fused": 2, "detector_at_equal_overkill": 3}
    assert {way: share["count"] for way, share in row["overkill"].items()} == {
        "detector": 1,
        "normal_only": 1,
        "fused": 2,
    }
    assert row["rejected"]["fused"]["interval"] == wilson_interval(2, 4, 0.95)


def test_the_lowered_detector_rejects_no_more_good_parts_than_the_fused_verdict() -> None:
    """Both reject 0.6 and one more good part: the boxes at 0.6 and 0.2 do, so that 0.25 is above the next, 0.1."""
    lowered = row_of(evaluation().metrics, "scratch", 0.95)["rejected"]["detector_at_equal_overkill"]
    assert lowered["count"] == 3, "0.9, 0.3 and 0.25, but not 0.05"


def test_all_classes_together_count_each_part_once_and_the_same_good_parts(row: dict[str, Any]) -> None:
    other = row_of(evaluation().metrics, "dent", 0.95)
    total = total_of([row, other], 0.95)
    assert total["num_parts"] == 5 and total["num_good"] == 4
    assert total["rejected"]["fused"] == {
        "count": 3,
        "of": 5,
        "share": 0.6,
        "interval": wilson_interval(3, 5, 0.95),
    }
    assert total["overkill"]["fused"]["count"] == 2 and total["overkill"]["fused"]["of"] == 4


def test_a_class_without_parts_of_its_own_has_no_share(row: dict[str, Any]) -> None:
    empty = {
        **row,
        "num_parts": 0,
        "rejected": {way: {"count": 0, "of": 0, "share": None, "interval": None} for way in COUNTED},
    }
    text = left_out_text({"unit": "image", "confidence": 0.95, "classes": [empty], "total": None})
    assert text.splitlines()[2].split() == ["scratch", "0", "-", "-", "-", "-"]


def test_the_console_has_a_line_for_each_class_and_one_for_all(row: dict[str, Any]) -> None:
    total = total_of([row, row], 0.95)
    text = left_out_text({"unit": "image", "confidence": 0.95, "classes": [row, row], "total": total})
    lines = text.splitlines()
    assert lines[0] == "rejected images of a class that the model was not trained on, % (95 % interval)"
    assert lines[4].startswith("  all") and "50.0 (" in lines[4]
    assert max(map(len, lines)) <= 120
