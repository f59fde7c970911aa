"""Boxes of another tool in other units are refused or reported: measured as they are, they would only be wrong."""

from __future__ import annotations

import pytest

from anomdet.errors import UserError
from anomdet.evaluation.box_units import check_box_units
from anomdet.evaluation.coco_json import results_from_coco
from anomdet.evaluation.results import Results


def results(
    *boxes: tuple[float, float, float, float], width: int | None = 100, truth: tuple = (10, 10, 20, 20)
) -> Results:
    image = {"id": 1, "file_name": "a.png"} | ({"width": width, "height": 80} if width else {})
    annotation = {"id": 1, "image_id": 1, "category_id": 1, "bbox": list(truth)}
    content = {"images": [image], "annotations": [annotation], "categories": [{"id": 1, "name": "dent"}]}
    predictions = [{"image_id": 1, "category_id": 1, "bbox": list(box), "score": 0.5} for box in boxes]
    return results_from_coco(content, predictions)


def test_pixels_are_left_alone() -> None:
    for boxes in ([], [(10, 10, 20, 20)], [(90, 70, 30, 30)] * 5, [(0, 0, 1, 1)], [(0, 0, 100, 80)] * 4):
        assert check_box_units(results(*boxes), "g.json", "p.json") == []


def test_fractions_are_refused_and_the_file_is_named() -> None:
    with pytest.raises(
        UserError, match=r"p\.json: expected boxes in pixels, got boxes that all lie within the first pixel"
    ):
        check_box_units(results((0.1, 0.1, 0.2, 0.2), (0.5, 0.5, 0.5, 0.5)), "g.json", "p.json")
    with pytest.raises(UserError, match=r"g\.json: expected boxes in pixels"):
        check_box_units(results((10, 10, 20, 20), truth=(0.1, 0.1, 0.2, 0.2)), "g.json", "p.json")


@pytest.mark.parametrize("num_inside", [0, 12])
def test_two_corners_are_reported(num_inside: int) -> None:
    corners = [(60, 50, 95, 75), (50, 40, 90, 70), (70, 10, 80, 20), *[(10, 10, 20, 20)] * num_inside]
    (note,) = check_box_units(results(*corners), "g.json", "p.json")
    assert note.startswith(f"p.json: the boxes look like two corners: 3 of {3 + num_inside} leave their image")
    assert check_box_units(results(*corners, (50, 50, 20, 20)), "g.json", "p.json") == [], "no corner: it goes back"
    assert check_box_units(results(*corners, width=None), "g.json", "p.json") == [], "nothing to compare with"


@pytest.mark.parametrize("width", [None, 100])
def test_two_corners_are_told_by_their_numbers_alone(width: int | None) -> None:
    """Of a data set without sizes, or with all objects in a quarter of the image, nothing leaves an image."""
    corners = [(5 + at, 2 + at % 7 * 3, 8 + at, 6 + at % 7 * 3) for at in range(20)]
    (note,) = check_box_units(results(*corners, width=width), "g.json", "p.json")
    assert note.startswith("p.json: the boxes look like two corners: each of the 20 is wider than its x")
    assert check_box_units(results(*corners[:19], width=width), "g.json", "p.json") == []
    sizes = [(x, y, x2 - x, y2 - y) for x, y, x2, y2 in corners]
    assert check_box_units(results(*sizes, width=width), "g.json", "p.json") == []


def test_objects_that_fill_images_of_many_sizes_are_no_corners() -> None:
    large = [(side / 9, side / 7, side / 2, side / 2) for side in range(200, 2200, 100)]
    assert check_box_units(results(*large, width=None), "g.json", "p.json") == []


def test_boxes_outside_of_the_image_are_counted() -> None:
    notes = check_box_units(results((500, 10, 20, 20), (10, 90, 20, 20), (10, 10, 20, 20)), "g.json", "p.json")
    assert notes == ["p.json: 2 boxes that lie wholly outside of the image"]
