"""Boxes, classes and marks of another tool that can be measured, but hardly are what was meant."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from anomdet.errors import UserError
from anomdet.evaluation.coco_json import results_from_coco
from anomdet.evaluation.file_doubts import file_doubts

Box = list[float]
READINGS: dict[str, Callable[[Box], Box]] = {
    "x1, y1, x2, y2": lambda b: [b[0], b[1], b[0] + b[2], b[1] + b[3]],
    "the centre, width and height": lambda b: [b[0] + b[2] / 2, b[1] + b[3] / 2, b[2], b[3]],
    "y1, x1, y2, x2": lambda b: [b[1], b[0], b[1] + b[3], b[0] + b[2]],
    "y, x, height, width": lambda b: [b[1], b[0], b[3], b[2]],
}


def truth(num: int = 4, **annotation: Any) -> dict[str, Any]:
    """Small objects near the corner, so that no other reading leaves the image; classes 1, 2 in turn."""
    images = [{"id": i, "file_name": f"{i}.png", "width": 200, "height": 200} for i in range(num + 1)]
    objects = [
        {"id": i, "image_id": i, "category_id": 1 + i % 2, "bbox": [40 + i, 10 + 2 * i, 20, 14], **annotation}
        for i in range(num)
    ]
    names = {0: "none", 1: "dent", 2: "scratch"}
    return {"images": images, "annotations": objects, "categories": [{"id": i, "name": n} for i, n in names.items()]}


def found(content: dict[str, Any], **changed: Any) -> list[dict[str, Any]]:
    return [
        {"score": 0.5, **{key: one[key] for key in ("image_id", "category_id", "bbox")}} | changed
        for one in content["annotations"]
    ]


def doubts(content: dict[str, Any], predictions: list[dict[str, Any]]) -> list[str]:
    return file_doubts(results_from_coco(content, predictions, gt_file="g.json"), "g.json", "p.json")


def test_files_that_agree_raise_no_doubt() -> None:
    content = truth()
    assert doubts(content, found(content)) == []
    assert doubts(content, []) == []


def test_no_objects_at_all_are_told() -> None:
    (note,) = doubts(truth(0), [])
    assert note.startswith("g.json: no image has an object: mAP, recall and escapes have no value")


@pytest.mark.parametrize("name", READINGS)
def test_boxes_that_fit_when_read_otherwise_are_reported(name: str) -> None:
    content = truth()
    low = [{**one, "bbox": [150, 150, 9, 9], "score": 0.1} for one in found(content)] * 3
    boxes = [{**one, "bbox": READINGS[name](one["bbox"])} for one in found(content)] + low
    notes = doubts(content, boxes)
    assert notes[0].startswith("p.json: the boxes") and f"look like {name}: read so, 4 of the 4 best" in notes[0]
    assert not any("look like" in note for note in doubts(truth(2), boxes[:2])), "two boxes prove nothing"


TURNED: dict[str, Callable[[Box], Box]] = {  # in an image of 200 x 150 pixels
    "pixels of the image mirrored left to right": lambda b: [200 - b[0] - b[2], b[1], b[2], b[3]],
    "y counted from the bottom of the image": lambda b: [b[0], 150 - b[1] - b[3], b[2], b[3]],
    "pixels of the image turned by 180 degrees": lambda b: [200 - b[0] - b[2], 150 - b[1] - b[3], b[2], b[3]],
    "pixels of the image turned by 90 degrees, as one without its EXIF orientation": lambda b: [
        b[1],
        200 - b[0] - b[2],
        b[3],
        b[2],
    ],
}


@pytest.mark.parametrize("name", TURNED)
@pytest.mark.parametrize("in_truth", [False, True])
def test_boxes_of_a_turned_image_are_reported(name: str, in_truth: bool) -> None:
    """They were measured as wrong ones, without a word."""
    content = truth()
    for image in content["images"]:
        image["width"], image["height"] = (150, 200) if in_truth and "90" in name else (200, 150)
    boxes = found(content)
    for one in content["annotations"] if in_truth else boxes:
        one["bbox"] = TURNED[name](one["bbox"])
    (note,) = doubts(content, boxes)
    assert note.startswith(f"p.json: the boxes (or those of g.json) look like {name}: read so, 4 of the 4 best")


@pytest.mark.parametrize("padded", [False, True])
def test_boxes_in_the_pixels_of_the_network_are_reported(padded: bool) -> None:
    content = truth()
    for image in content["images"]:
        image["height"] = 100
    margin = 160 if padded else 0  # 200 x 100 pixels become 640 x 320 in a square of 640
    scaled = [[3.2 * b[0], 3.2 * b[1] + margin, 3.2 * b[2], 3.2 * b[3]] for b in (o["bbox"] for o in found(content))]
    notes = doubts(content, [{**one, "bbox": box} for one, box in zip(found(content), scaled, strict=True)])
    assert notes[-1].startswith("p.json: the boxes look like pixels of the image resized to 640 x 640: read so, 4 of")


def test_ground_truth_in_another_reading_is_named() -> None:
    content = truth()
    boxes = found(content)
    for one in content["annotations"]:
        one["bbox"] = READINGS["x1, y1, x2, y2"](one["bbox"])
    (note,) = doubts(content, boxes)
    assert note.startswith("g.json: the boxes look like x1, y1, x2, y2")


def test_classes_that_changed_places_are_reported() -> None:
    content = truth(6)
    swapped = [{**one, "category_id": 3 - one["category_id"]} for one in found(content)]
    (note,) = doubts(content, swapped)
    assert "those of 1 (dent) on 2 (scratch); those of 2 (scratch) on 1 (dent)" in note
    counted_from_0 = [{**one, "category_id": one["category_id"] - 1} for one in found(content)]
    (note,) = doubts(content, counted_from_0)
    assert "those of 0 (none) on 1 (dent); those of 1 (dent) on 2 (scratch)" in note


def test_a_class_taken_for_another_one_is_the_detectors_own_mistake() -> None:
    content = truth(12)
    assert doubts(content, found(content, category_id=1)) == []


def test_objects_that_are_not_measured_are_reported() -> None:
    note, nothing = doubts(truth(3, iscrowd=1), [])
    assert nothing.startswith("g.json: no image has an object")
    assert note.startswith("g.json: 3 objects are marked as a region of many (iscrowd: 1) and not measured")
    assert "3 images that hold nothing else count as good" in note
    content = truth()
    content["annotations"][0]["bbox"] = [1, 1, 0, 5]
    assert doubts(content, found(truth()))[:1] == [
        "g.json: 1 object has no width or no height: no box can find it, it counts as missed"
    ]


def test_a_crowd_is_a_number() -> None:
    with pytest.raises(UserError, match=r"annotations\[0\]\.iscrowd: expected 0 or 1, a number, got '0'"):
        doubts(truth(iscrowd="0"), [])
    assert doubts(truth(iscrowd=0.0), found(truth())) == doubts(truth(iscrowd=False), found(truth())) == []


def test_a_crowd_without_a_size_counts_as_nothing_and_no_images_are_not_told() -> None:
    content = truth()
    content["annotations"].append({**content["annotations"][0], "id": 9, "bbox": [1, 1, 0, 5], "iscrowd": 1})
    (note,) = doubts(content, found(truth()))
    assert "1 object is marked as a region of many" in note and "hold" not in note


def test_of_many_readings_one_that_fits_a_few_boxes_by_chance_is_not_told() -> None:
    content = truth(200)
    content["images"] = [{**one, "width": 2048, "height": 1500} for one in content["images"]]
    read = READINGS["the centre, width and height"]
    at_centre = [{**one, "bbox": read(one["bbox"])} for one in found(content)]
    elsewhere = [{**one, "bbox": [1500, 900, 9, 9]} for one in found(content)]
    boxes = [{**one, "score": one["score"] - i / 1000} for i, one in enumerate(at_centre[:10] + elsewhere[10:])]
    assert not any("look like" in note for note in doubts(content, boxes))
    assert "look like the centre" in doubts(content, at_centre[:30] + elsewhere[30:])[0]


@pytest.mark.parametrize("step", [1, -1])
def test_images_counted_from_another_start_are_reported(step: int) -> None:
    content = truth(8)
    content["annotations"] = [{**one, "bbox": [20 * one["id"], 9, 15, 9]} for one in content["annotations"][1:-1]]
    boxes = [{**one, "image_id": one["image_id"] + step} for one in found(content)]
    notes = doubts(content, boxes)
    assert len(notes) == 1 and notes[0].startswith("p.json: image_id looks counted from another start: 6 of the 6 best")
    assert f"the image {'before' if step > 0 else 'after'} theirs, and 0 in their own" in notes[0]


@pytest.mark.parametrize("area", [0, 0.01, 20 * 14 * 2])
def test_areas_that_are_not_of_the_boxes_are_reported(area: float) -> None:
    content = truth(area=area)
    (note,) = doubts(content, found(content))
    assert note.startswith("g.json: area does not fit the box of 4 of 4 objects")
    assert doubts(truth(area=50), found(content)) == []  # a mask's


@pytest.mark.parametrize(
    "mark", [{"ignore": 1}, {"difficult": True}, {"attributes": {"difficult": True}}, {"ignore": 1, "iscrowd": 1}]
)
def test_marks_that_are_not_gone_by_are_reported(mark: dict[str, Any]) -> None:
    content = truth()
    content["annotations"][1].update(mark)
    (note,) = doubts(content, found(content))
    assert ("1 object is marked as a region" if "iscrowd" in mark else "1 object is marked as") in note
    content["annotations"][1].update({key: None for key in mark})
    assert doubts(content, found(content)) == []


def test_scores_that_are_cut_or_no_scores_are_reported() -> None:
    content = truth(30)
    scores = [0.25 + 0.01 * i for i in range(30)]
    boxes = [{**one, "score": score} for one, score in zip(found(content), scores, strict=True)]
    (note,) = doubts(content, boxes)
    assert note.startswith("p.json: no score is below 0.25: were the weaker predictions left out?")
    (note,) = doubts(content, found(content, score=1))
    assert note.startswith("p.json: all 30 predictions have the score 1")
    assert doubts(content, [*boxes, {**boxes[0], "score": 0.01}]) == []
    assert doubts(content, boxes[:19]) == []


def test_boxes_in_the_pixels_of_mmdetections_configs_are_reported() -> None:
    content = truth()
    boxes = [{**one, "bbox": [4 * side for side in one["bbox"]]} for one in found(content)]
    (note,) = doubts(content, boxes)
    assert "look like pixels of the image resized to 1333 x 800 at most: read so, 4 of the 4 best" in note


def test_images_that_were_not_predicted_are_reported() -> None:
    """The ground truth of all splits, the predictions of one: what was not looked at is no miss."""
    content = truth(12)
    many = [{**one, "bbox": [1, 1, 9 + i, 9], "score": 0.01 + 0.01 * i} for one in found(content) for i in range(6)]
    (note,) = doubts(content, [one for one in many if one["image_id"] < 6])
    assert note.startswith("p.json: 7 images have no prediction at any score, the other 6 have 6 each: was every image")
    assert doubts(content, [one for one in many if one["image_id"] < 10]) == [], "a detector may see nothing on two"
    content["annotations"] = content["annotations"][:6]
    assert doubts(content, [one for one in many if one["image_id"] < 6]) == [], "good parts, on which nothing is found"
