"""One verdict a part."""

from __future__ import annotations

import pytest

from anomdet.errors import UserError
from anomdet.inference.outcome import FailedImage
from anomdet.inference.parts import compile_group, group_by, part_of
from tests.unit.inference.test_result import result


def test_the_worst_image_decides() -> None:
    good = {"verdict": "accept", "threshold": 0.95}
    outcomes = [
        result(image="p1_top.png", **good),
        result(image="p2_top.png", **good),
        FailedImage("p2_side.png", "an empty file"),
        result(image="p1_side.png"),
        FailedImage("p1_back.png", "an empty file"),
        result(image="p3.png", **good),
    ]
    parts = group_by(outcomes, r"p(\d+)")
    assert {name: part.verdict for name, part in parts.items()} == {"1": "reject", "2": "undecided", "3": "accept"}
    assert (parts["1"].num_images, parts["1"].num_rejected, parts["1"].num_failed) == (3, 1, 1)
    assert parts["1"].part_score == pytest.approx(0.9)


def test_names_without_a_part_are_reported_all_at_once() -> None:
    with pytest.raises(UserError) as refused:
        group_by([FailedImage("x.png", ""), FailedImage("y.png", ""), FailedImage("p1.png", "")], r"p\d")
    assert len(refused.value.problems) == 2
    with pytest.raises(UserError, match="a regular expression"):
        group_by([], "(")


def test_a_pattern_without_groups_is_the_part_itself() -> None:
    assert part_of(compile_group(r"p\d+"), "a/p12_top.png") == "p12"
    assert part_of(compile_group(r"p(\d+)|q(\d+)"), "q7.png") == "7"
    assert part_of(compile_group(r"x*"), "q7.png") is None
