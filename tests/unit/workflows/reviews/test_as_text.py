"""What the console says of a review."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from anomdet.quality.review.suspects import KINDS
from anomdet.workflows.review import as_text


def text(**kinds: tuple[float | None, float, int, float]) -> str:
    """Kind to assumed rate, errors expected, planted errors and the share of them that was noticed."""
    keys = ("assumed_rate", "expected_errors", "num_planted", "planted_found_share")
    rows: dict[str, Any] = {
        name: {"num_suspects": 0, **dict(zip(keys, kinds.get(name, (0.01, 1.0, 90, 0.8)), strict=True))}
        for name in KINDS
    }
    document = {"kinds": rows, "num_labels": 100, "num_images": 50, "suspects": [], "hard_normals": []}
    return as_text(document, Path("review.html"))


def test_all_kinds_known() -> None:
    assert "among 100 labels of 50 images; about 6 errors expected (6.0% of the labels)\nopen" in text()


def test_what_is_unknown_is_no_error_less() -> None:
    said = text(**{"class": (None, 0.0, 0, 0.0)})
    assert "about 5 errors expected (5.0% of the labels) of the kinds missing, box, " in said
    assert "; of the others it is unknown\nopen" in said


def test_detectors_that_notice_nothing_are_said() -> None:
    blind = (None, 0.0, 40, 0.0)
    said = text(missing=blind, box=blind, **{"class": blind})
    assert "of 120 errors that were planted to see what the detectors notice, they noticed none: they have" in said
    said = text(**dict.fromkeys(KINDS, blind))
    assert "how many errors are to be expected is unknown" in said and "noticed none" in said
