"""Entries that stand twice in COCO files are measured, and reported: nobody would look for them."""

from __future__ import annotations

from typing import Any

from anomdet.evaluation.coco_json import results_from_coco
from anomdet.evaluation.repeated import repeated

IMAGES = [{"id": 1, "file_name": "a.png"}, {"id": 2, "file_name": "b.png"}]
DENT = {"id": 1, "name": "dent"}
OBJECT = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [10, 10, 20, 20]}
FOUND = {"image_id": 1, "category_id": 1, "bbox": [10, 10, 20, 20], "score": 0.5}


def notes(images: Any = IMAGES, objects: Any = (OBJECT,), found: Any = (FOUND,), categories: Any = (DENT,)) -> list:
    content = {"images": list(images), "annotations": list(objects), "categories": list(categories)}
    return repeated(results_from_coco(content, list(found)), "g.json", "p.json")


def test_what_differs_in_anything_is_no_copy() -> None:
    others = [{**FOUND, "score": 0.4}, {**FOUND, "bbox": [10, 10, 20, 21]}, {**FOUND, "image_id": 2}]
    assert notes(found=[FOUND, *others], objects=[OBJECT, {**OBJECT, "image_id": 2}]) == []
    assert notes(found=[], objects=[]) == []
    assert notes(objects=[{**OBJECT, "iscrowd": 1}] * 2) == [], "they cost nothing"


def test_predictions_of_two_runs_in_one_file() -> None:
    (note,) = notes(found=[FOUND, {**FOUND, "score": 0.4}] * 2)
    assert note.startswith("p.json: 2 predictions are there twice, of the same image, class, box and score")


def test_objects_that_were_labelled_twice() -> None:
    (note,) = notes(objects=[OBJECT, {**OBJECT, "id": 2}])
    assert note == "g.json: 1 object is there twice, of the same image, class and box: the copy counts as missed"


def test_images_of_one_file() -> None:
    (note,) = notes(images=[*IMAGES, {"id": 3, "file_name": "a.png"}])
    assert note.startswith("g.json: 1 file is that of several images (a.png)")


def test_classes_of_one_name() -> None:
    """Roboflow lists a group under the name of its class: it has no boxes, and says nothing."""
    twice = [DENT, {"id": 2, "name": "dent"}]
    assert notes(categories=twice) == []
    (note,) = notes(categories=twice, found=[{**FOUND, "category_id": 2}])
    assert note == "g.json: categories 1 and 2 are both called 'dent': measured apart"
