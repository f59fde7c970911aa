"""Label Studio's JSON-MIN, as version 1 writes it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from anomdet.formats.recognise import recognise
from tests.unit.formats.cases import boxes_of, notes_of, problems_of, read, write_files

SIZE = {"original_width": 160, "original_height": 100}
PLACE = {"x": 12.5, "y": 20.0, "width": 25.0, "height": 30.5, "rotation": 0}
BOX = (20, 20, 40, 30.5)


def mark(**more: Any) -> dict:
    return {**PLACE, **SIZE, "rectanglelabels": ["dent"], **more}


def entry(image: str, number: int = 1, **more: Any) -> dict:
    own = {"id": number, "annotator": 1, "created_at": "2026-01-15T08:13:45Z", "lead_time": 3.2}
    return {"image": image, "annotation_id": 7, **own, **more}


def test_names_boxes_and_normal_images(tmp_path: Path) -> None:
    entries = [
        entry("/data/upload/4/0a1b2c3d-Pr%C3%BCfling_1.png", 1, label=[mark()]),
        entry("/data/local-files/?d=line/b.png", 2),
        entry("https://x.org/c.png?sig=1", 3, label=[mark(rectanglelabels=["dent", "spur"])], poly=[]),
    ]
    files = {"e.json": entries, "images/0a1b2c3d-Pr\u00fcfling_1.png": None}
    write_files(tmp_path, files | {"images/line/b.png": None, "images/c.png": None})
    assert recognise(tmp_path) == {"labelstudio": "e.json"}
    dataset, findings = read("labelstudio", tmp_path)
    assert not findings.problems
    boxes = {"0a1b2c3d-Pr\u00fcfling_1.png": [("dent", *BOX)], "line/b.png": []}
    assert boxes_of(dataset) == {**boxes, "c.png": [("dent", *BOX), ("spur", *BOX)]}


def test_polygons_ellipses_and_marks_without_a_label(tmp_path: Path) -> None:
    points = [[10, 20], [30, 20], [30, 60]]
    entries = [
        entry("a.png", 1, shapes=[{"points": points, "polygonlabels": ["dent"], **SIZE}], label=[mark()]),
        entry("b.png", 2, label=[{**PLACE, **SIZE}]),
        entry("c.png", 3, brush=[{"format": "rle", "rle": [1, 2], "brushlabels": ["dent"], **SIZE}]),
    ]
    dataset, findings = read("labelstudio", write_files(tmp_path, {"e.json": entries, "a.png": None}))
    assert boxes_of(dataset)["a.png"] == [("dent", 16, 20, 32, 40), ("dent", *BOX)]
    assert {picture.file_name for picture in dataset.pictures if picture.left_out} == {"b.png", "c.png"}
    assert not findings.problems


@pytest.mark.parametrize(("field", "value"), [("verdict", "scratched"), ("tags", {"choices": ["dent", "spur"]})])
def test_a_text_may_be_a_choice_that_names_a_defect(field: str, value: Any, tmp_path: Path) -> None:
    entries = [entry("a.png", 1, **{field: value}), entry("b.png", 2, label=[mark()], **{field: value})]
    dataset, findings = read("labelstudio", write_files(tmp_path, {"e.json": entries, "a.png": None, "b.png": None}))
    assert [picture.file_name for picture in dataset.pictures if picture.left_out] == ["a.png"]
    assert boxes_of(dataset)["b.png"] == [("dent", *BOX)]
    assert not findings.problems


def test_several_annotators_are_one_task(tmp_path: Path) -> None:
    entries = [entry("a.png", 1, label=[mark()]), entry("a.png", 1, label=[mark(), mark()])]
    dataset, findings = read("labelstudio", write_files(tmp_path, {"e.json": entries, "a.png": None}))
    assert boxes_of(dataset) == {"a.png": [("dent", *BOX)]}
    assert notes_of(findings) == {"further annotation of a task": 1}


def test_not_labelled_is_not_normal(tmp_path: Path) -> None:
    entries = [
        entry("a.png", 1, label=[mark()]),
        {"id": 2, "image": "b.png"},
        {**entry("c.png", 3), "annotation_id": None},
    ]
    dataset, findings = read("labelstudio", write_files(tmp_path, {"e.json": entries}))
    assert list(boxes_of(dataset)) == ["a.png"]
    assert notes_of(findings) == {"task without a submitted annotation": 2}


def test_problems_name_the_entry(tmp_path: Path) -> None:
    entries = [entry("a.png", 1, label=[7, mark()]), 7, entry("no image", 3), entry("b.png", {}, label=[mark(x="a")])]
    told = "\n".join(problems_of(read("labelstudio", write_files(tmp_path, {"e.json": entries}))[1]))
    for text in (
        "[0].annotations[0].result[0]: expected an object",
        "[1]: expected an object",
        "[2].data: expected",
        "[3].",
    ):
        assert text in told, told
