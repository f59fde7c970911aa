"""What a review says about the labels as they are now."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from anomdet.quality.review.known import known_suspects

NAMES = ["a.png", "b.png", "c.png"]
LABELS = [(0, 1, [10, 10, 20, 20]), (0, 2, [50, 10, 9, 8]), (2, 1, [5.123, 6, 7, 8])]  # of the images a and c


def suspect(image: str, probability: float | None, remove: list = [], add: list = []) -> Any:  # noqa: B006
    boxes = [[{"class_num": num, "bbox_xywh": box} for num, box in part] for part in (remove, add)]
    return {"id": 0, "image": image, "kind": "x", "probability": probability, "remove": boxes[0], "add": boxes[1]}


def known(suspects: list, images: list[str] = NAMES) -> Any:
    document: Any = {"review": "x", "images": images, "suspects": suspects}
    columns = [np.array([row[at] for row in LABELS]) for at in range(3)]
    return known_suspects(document, NAMES, columns[0], columns[1], columns[2].astype(np.float64))


def test_probabilities_add_up_to_the_errors_to_expect() -> None:
    found = known([
        suspect("a.png", 0.75, [(1, [10, 10, 20, 20])]),
        suspect("c.png", 0.25, [(1, [5.12, 6, 7, 8])]),
        suspect("b.png", 0.5, add=[(1, [1, 1, 9, 9])]),
        suspect("other.png", 0.9),
    ])  # fmt: skip
    assert found.expected_errors == pytest.approx(1.5)
    assert (found.num_images, found.num_labels, found.share) == (3, 3, pytest.approx(0.5))
    assert (found.num_likely, found.images) == (2, ("a.png", "b.png"))


def test_only_reviewed_images_count() -> None:
    found = known([suspect("a.png", 0.75, [(1, [10, 10, 20, 20])])], images=["a.png", "gone.png"])
    assert (found.num_images, found.num_labels) == (1, 2)
    assert known([], images=["b.png"]).share is None, "no label, no share"


@pytest.mark.parametrize(
    "corrected",
    [
        suspect("a.png", 0.9, [(1, [10, 10, 20, 21])]),
        suspect("a.png", 0.9, [(2, [10, 10, 20, 20])]),
        suspect("b.png", 0.9, [(1, [10, 10, 20, 20])]),
        suspect("c.png", 0.9, add=[(2, [5, 6, 7, 8])]),
    ],
    ids=["moved", "another class", "gone", "labelled since"],
)
def test_what_does_not_fit_the_labels_any_more_does_not_count(corrected: Any) -> None:
    found = known([corrected])
    assert (found.num_outdated, found.expected_errors, found.images) == (1, 0, ())


def test_a_suspect_without_a_probability_is_counted_apart() -> None:
    found = known([suspect("b.png", None, add=[(1, [1, 1, 9, 9])])])
    assert (found.num_unknown, found.expected_errors, found.num_likely) == (1, 0, 0)
