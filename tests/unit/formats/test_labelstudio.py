"""Label Studio's JSON export, as version 1 writes it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.unit.formats.cases import boxes_of, notes_of, problems_of, read, run, write_files


def result(kind: str = "rectanglelabels", /, labels: Any = ("dent",), **value: Any) -> dict:
    place = value if value else {"x": 12.5, "y": 20.0, "width": 25.0, "height": 30.5, "rotation": 0}
    own = {"id": "Dx_aB91ISN", "from_name": "label", "to_name": "image", "type": kind, "origin": "manual"}
    size = {"original_width": 160, "original_height": 100, "image_rotation": 0}
    return {**own, **size, "value": {**place, kind: list(labels)}}


def task(image: str, *annotations: dict, **more: Any) -> dict:
    own = {"id": 1, "annotations": list(annotations), "file_upload": "x", "drafts": [], "predictions": [], "meta": {}}
    return {**own, "data": {"image": image}, "created_at": "2024-01-15T08:13:45.0Z", "project": 3, **more}


def annotation(*results: dict, **more: Any) -> dict:
    return {"id": 7, "completed_by": 1, "result": list(results), "was_cancelled": False, "ground_truth": False, **more}


def test_names_and_boxes(tmp_path: Path) -> None:
    tasks = [
        task("/data/upload/3/0a1b2c3d-a_1.png", annotation(result())),
        task("/data/local-files/?d=line%20a/b.png", annotation()),
        task("s3://bucket/x/c.png", annotation(result(labels=["dent", "spur"]))),
        task("/data/local-files/?d=C%3A%5Cparts%5Cd.png", annotation()),
    ]
    files = {
        "export.json": tasks,
        "pictures/d.png": None,
        "pictures/a_1.png": None,
        "pictures/line a/b.png": None,
        "pictures/c.png": None,
    }
    dataset, findings = read("labelstudio", write_files(tmp_path, files) / "export.json", tmp_path / "pictures")
    assert not findings.problems
    box = (20, 20, 40, 30.5)
    assert boxes_of(dataset) == {
        "0a1b2c3d-a_1.png": [("dent", *box)],
        "line a/b.png": [],
        "c.png": [("dent", *box), ("spur", *box)],
        "parts/d.png": [],
    }
    assert all(picture.path is not None for picture in dataset.pictures)
    assert notes_of(findings) == {
        "object with several labels": 1,
        "image found by its name without Label Studio's prefix": 1,
    }


def test_not_labelled_is_not_normal(tmp_path: Path) -> None:
    tasks = [
        task("/data/upload/3/a.png"),
        task("/data/upload/3/b.png", annotation(result(), was_cancelled=True)),
        task("/data/upload/3/c.png", annotation(), annotation(result(), ground_truth=True), predictions=[{}]),
    ]
    dataset, findings = read("labelstudio", write_files(tmp_path, {"export.json": tasks}))
    assert boxes_of(dataset) == {"c.png": [("dent", 20, 20, 40, 30.5)]}
    assert notes_of(findings) == {
        "task without a submitted annotation": 2,
        "further annotation of a task": 1,
        "prediction": 1,
    }


def test_a_draft_may_mark_a_defect(tmp_path: Path) -> None:
    """Who changes an annotation and does not submit it leaves a draft: the image is not known to be a normal one."""
    draft = {"id": 3, "result": [result()]}
    tasks = [
        task("a.png", annotation(), drafts=[draft]),
        task("b.png", annotation(result()), drafts=[draft]),
        task("c.png", annotation(), drafts=[{"id": 4, "result": []}]),
        task("d.png", drafts=[draft]),
    ]
    dataset, findings = read("labelstudio", write_files(tmp_path, {"export.json": tasks}))
    assert {picture.file_name: bool(picture.left_out) for picture in dataset.pictures} == {
        "a.png": True,
        "b.png": False,
        "c.png": False,
    }
    assert notes_of(findings) == {
        "draft that marks something, where the annotation marks nothing": 1,
        "draft": 1,
        "task without a submitted annotation": 1,
    }


def test_other_shapes(tmp_path: Path) -> None:
    results = (
        result(x=50, y=50, width=10, height=10, rotation=90),
        result("polygonlabels", points=[[10, 10], [20, 10], [20, 30]]),
        result("ellipselabels", x=50, y=50, radiusX=10, radiusY=20),
        result("labels", x=10, y=10, width=10, height=10),
        result("keypointlabels", x=1, y=1, width=1),
        result("brushlabels", rle=[1], format="rle"),
        result("choices", labels=["blurred"]),
    )
    dataset, findings = read("labelstudio", write_files(tmp_path, {"e.json": [task("a.png", annotation(*results))]}))
    assert not findings.problems
    assert boxes_of(dataset)["a.png"] == [
        ("dent", 70, 50, 10, 16),  # 16 x 10 pixels at (80, 50) turn clockwise about their corner
        ("dent", 16, 10, 16, 20),
        ("dent", 64, 30, 32, 40),
        ("dent", 16, 10, 16, 10),
    ]
    assert set(notes_of(findings)) == {
        "rotated box",
        "shape 'polygonlabels'",
        "shape 'ellipselabels'",
        "result of type 'keypointlabels'",
        "result of type 'brushlabels'",
        "result of type 'choices'",
    }


def test_an_ellipse_is_turned_about_its_centre(tmp_path: Path) -> None:
    results = (
        result("ellipselabels", x=50, y=50, radiusX=10, radiusY=5, rotation=90),  # 16 x 5 pixels
        result("ellipselabels", x=50, y=50, radiusX=5, radiusY=8, rotation=45),  # a circle of 8 x 8 pixels
    )
    dataset, _ = read("labelstudio", write_files(tmp_path, {"e.json": [task("a.png", annotation(*results))]}))
    assert boxes_of(dataset)["a.png"] == [("dent", 75, 34, 10, 32), ("dent", 72, 42, 16, 16)]


def test_problems_name_the_path(tmp_path: Path) -> None:
    nameless = result()
    nameless["value"] = None
    tasks = [
        task("/data/upload/3/a.png", annotation(result(x=1, y=2), nameless)),
        {"image": "a.png", "label": []},
        task("text only", annotation()),
        7,
        task("b.png", annotation(result(), result() | {"original_width": 170})),
        task("http://[x/c", annotation()),
    ]
    told = "\n".join(problems_of(read("labelstudio", write_files(tmp_path, {"e.json": tasks}))[1]))
    for text in (
        "e.json: [0].annotations[0].result[0].value: expected x, y, width, height in percent",
        "e.json: [0].annotations[0].result[1].value: expected an object, got nothing",
        "e.json: [1]: expected a task with annotations, got none; export it as 'JSON' or 'JSON-MIN'",
        "e.json: [2].data: expected the address of an image",
        "e.json: [3]: expected an object, got 7",
        "e.json: [5].data: expected the address of an image",
        "e.json: [4].annotations[0].result[1]: expected the image's size 160 x 100 (width x height), got 170 x 100",
    ):
        assert text in told, told


def test_what_is_written_can_be_imported(tmp_path: Path) -> None:
    """A labelling interface whose names are those of the results."""
    source = {"images/a.png": None, "labels/a.txt": "3 1 2 3 4\n", "classes.yaml": 'data: {classes: {3: "a & <b>"}}'}
    run(write_files(tmp_path / "source", source), "anomdet", "labelstudio", tmp_path / "out")
    config = (tmp_path / "out/label_config.xml").read_text()
    assert '<Label value="a &amp; &lt;b&gt;"/>' in config
    written = json.loads((tmp_path / "out/tasks.json").read_text())[0]["annotations"][0]["result"][0]
    assert f'<Image name="{written["to_name"]}"' in config
    assert f'<RectangleLabels name="{written["from_name"]}"' in config


def test_boxes_of_a_task_with_two_images(tmp_path: Path) -> None:
    """Whose box it is the export says only where all are drawn on the field of one name."""
    files = {"images/a.png": None, "images/b.png": None}
    for to_names, boxes in ((("image", "image"), 2), (("left", "right"), 0), (("img", "img"), 0)):
        results = [{**result(), "to_name": name} for name in to_names]
        data = {"image": "/data/upload/1/a.png", "reference": "/data/upload/1/b.png"}
        tasks = [{"data": data, "annotations": [annotation(*results)]}]
        dataset, findings = read("labelstudio", write_files(tmp_path / to_names[0], {**files, "e.json": tasks}))
        assert sum(map(len, boxes_of(dataset).values())) == boxes
        assert ["[0].data: expected the address of one image" in text for text in problems_of(findings)] == (
            [] if boxes else [True]
        )
