"""What the head of the report advises."""

from __future__ import annotations

import pytest

from anomdet.report.verdict import advice


def advised(escape: float, good: float) -> str:
    """Of a defective part with one box, and a good one."""
    columns = {
        "floor": 0.0,
        "classes": ["dent"],
        "thresholds": [0.5],
        "score": [escape, good],
        "label": [0, 0],
        "part": [0, 1],
        "defective": [1, 0],
    }
    metrics = {"part_level": {"unit": "image", "escapes": 1, "overkill": 0}}
    return advice(metrics, {"rethreshold": columns})[0]


@pytest.mark.parametrize(
    ("escape", "good", "threshold", "rejected"),
    [
        (0.1239, 0.1234, "0.123", 1),  # between the threshold and the escape
        (0.1239, 0.1229, "0.123", 0),
        (0.00047, 0.00046, "0.00047", 0),
        (0.00047, 0.00012, "0.00047", 0),
    ],
)
def test_the_good_parts_are_those_that_the_named_threshold_rejects(escape, good, threshold, rejected):
    text = advised(escape, good)
    assert f"metrics.score_threshold={threshold})" in text
    assert f"no escape remains, and {rejected} of 1 good images are rejected" in text


def test_a_score_of_0_is_a_box_too():
    assert "threshold of 0 for all classes, no escape remains, and 1 of 1 good" in advised(0.0, 0.0)
