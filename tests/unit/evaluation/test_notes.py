"""What a reader must know beside the numbers."""

from __future__ import annotations

from anomdet.evaluation.coco_json import results_from_coco
from anomdet.evaluation.operating_point import NO_CLASS, fixed
from anomdet.evaluation.results import part_name
from anomdet.evaluation.summary import measure
from tests.unit.evaluation.cases import Case, draw_case


def notes(ground_truth: dict, predictions: list, *, complete: bool = True) -> list[str]:
    return measure(results_from_coco(ground_truth, predictions), fixed(0.3), complete=complete).metrics["notes"]


def test_images_without_a_part_beside_others_are_said():
    """A second camera whose names are written otherwise: each of its images would be judged alone."""
    ground_truth, predictions = draw_case(Case(0, num_images=9))
    for image in ground_truth["images"]:
        image["part"] = part_name(image["file_name"], r"part_([0-6])")
    said = "2 of 9 images are each a part of their own, as "
    assert [note for note in notes(ground_truth, predictions) if note.startswith(said)]
    for image in ground_truth["images"]:
        image["part"] = part_name(image["file_name"], r"part_(\d)")
    assert not [note for note in notes(ground_truth, predictions) if "part of their own" in note]


def test_classes_that_no_network_learned_are_not_silent() -> None:
    """Of a run on good parts alone: to train it longer would change nothing."""
    truth, _ = draw_case(Case(0, num_images=9))
    assert [note for note in notes(truth, []) if "train it longer" in note]
    alone = measure(results_from_coco(truth, []), fixed(0.5, "default", NO_CLASS), complete=True).metrics["notes"]
    assert not [note for note in alone if "train it longer" in note]


def test_more_objects_than_coco_looks_at_are_said() -> None:
    """The rest count as missed, whatever a detector finds of them."""
    objects = [
        {"id": at, "image_id": 2, "category_id": 1, "bbox": [x, y, 4, 4]}
        for at, (x, y) in enumerate((x, y) for x in range(0, 100, 8) for y in range(0, 80, 8))
    ]
    truth = {"images": [{"id": 2}], "annotations": objects, "categories": [{"id": 1, "name": "dent"}]}
    found = [{**one, "score": 0.9} for one in objects]
    (note,) = notes(truth, found)
    assert note.startswith("1 image has more than 100 objects of a class, 130 at most: COCO's numbers")
    assert notes(truth, found, complete=False) == []
    assert notes({**truth, "annotations": objects[:100]}, found) == []
    assert notes({**truth, "annotations": []}, []) == []
