"""Predictions in a COCO data set: its ids are its own."""

from __future__ import annotations

from typing import Any

import pytest

from anomdet.errors import UserError
from anomdet.evaluation.coco_json import results_from_coco
from tests.unit.evaluation.test_reconcile import NAMES, ONE, found, is_perfect, truth


def saved(gt: dict, names: dict[int, str]) -> dict[str, Any]:
    """Perfect predictions as ``anomdet predict --save coco`` writes them: the images in another order, from 1 on."""
    files = {image["id"]: image["file_name"] for image in gt["images"]}
    order = sorted(files, key=lambda number: files[number], reverse=True)
    images = [{"id": at, "file_name": files[number]} for at, number in enumerate(order, start=1)]
    entries = [{**one, "image_id": order.index(one["image_id"]) + 1} for one in found(gt, ONE)]
    categories = [{"id": number, "name": name} for number, name in names.items()]
    return {"images": images, "annotations": entries, "categories": categories}


def named(gt: dict) -> dict:
    gt["categories"] = [{"id": number, "name": name} for number, name in ((1, "dent"), (2, "spur"), (3, "hole"))]
    return gt


def test_images_are_found_by_their_files_and_classes_by_their_names() -> None:
    gt = named(truth(ONE, NAMES))
    content = saved(gt, {1: "dent", 2: "spur", 3: "hole"})
    results = results_from_coco(gt, content)
    assert is_perfect(results)
    assert results.notes == (
        "a COCO data set with scores, not a list of results: images are found by their files, classes by their names",
    )
    for entry in content["annotations"]:
        entry["category_id"] -= 1
    content["categories"] = [
        {"id": number - 1, "name": name} for number, name in ((1, "dent"), (2, "spur"), (3, "hole"))
    ]
    assert is_perfect(results_from_coco(gt, content))


def test_classes_of_other_names_go_by_their_numbers() -> None:
    gt = named(truth(ONE, NAMES))
    results = results_from_coco(gt, saved(gt, {1: "Delle", 2: "Grat", 3: "Loch"}))
    assert is_perfect(results) and results.notes[0].endswith("classes by their numbers")


def test_files_that_the_ground_truth_does_not_have_are_named() -> None:
    gt = named(truth(ONE, NAMES))
    content = saved(gt, {1: "dent", 2: "spur", 3: "hole"})
    content["images"][0]["file_name"] = "other.jpg"
    with pytest.raises(UserError, match=r"expected the id of an image in the ground truth, got 'other\.jpg'"):
        results_from_coco(gt, content)


def test_a_data_set_without_scores_is_no_list_of_results() -> None:
    gt = named(truth(ONE, NAMES))
    with pytest.raises(UserError, match="expected a JSON array, got an object with 'images', 'annotations'"):
        results_from_coco(gt, gt)
