"""labelme's JSON as labelme 5 writes it."""

from __future__ import annotations

from pathlib import Path

from tests.unit.formats.cases import boxes_of, notes_of, problems_of, read, write_files


def shape(kind: str, points: list, **more: object) -> dict:
    own = {"label": "dent", "points": points, "group_id": None, "description": "", "shape_type": kind, "flags": {}}
    return {**own, "mask": None, **more}


def content(*shapes: dict, **more: object) -> dict:
    own = {"version": "5.4.1", "flags": {}, "shapes": list(shapes), "imagePath": "a 1.png", "imageData": "iVBORw0K"}
    return {**own, "imageHeight": 100, "imageWidth": 160, **more}


def test_a_kind_of_shape_that_is_no_text(tmp_path: Path) -> None:
    for number, kind in enumerate((["rectangle"], {"a": 1}, 3)):
        shapes = [shape(kind, [[30.5, 40.25], [10.0, 20.0]])]
        source = write_files(tmp_path / str(number), {"a.json": content(*shapes), "a 1.png": None})
        (problem,) = problems_of(read("labelme", source)[1])
        assert "shape_type: expected text, as 'polygon'" in problem


def test_rectangle_between_any_two_corners(tmp_path: Path) -> None:
    written = content(shape("rectangle", [[30.5, 40.25], [10.0, 20.0]]))
    dataset, findings = read("labelme", write_files(tmp_path, {"sub/a 1.json": written, "sub/a 1.png": None}))
    assert not findings.problems
    assert not findings.notes
    assert boxes_of(dataset) == {"sub/a 1.png": [("dent", 10, 20, 20.5, 20.25)]}


def test_images_elsewhere(tmp_path: Path) -> None:
    files = {"json/a 1.json": content(imagePath="..\\pictures\\a 1.png"), "pictures/a 1.png": None}
    dataset, _ = read("labelme", write_files(tmp_path, files))
    assert dataset.pictures[0].path is not None
    dataset, _ = read("labelme", tmp_path / "json", tmp_path / "pictures")
    assert dataset.pictures[0].path == tmp_path / "pictures/a 1.png"
    assert boxes_of(dataset) == {"a 1.png": []}


def test_other_shapes_and_attributes_are_reported(tmp_path: Path) -> None:
    shapes = (
        shape("polygon", [[1, 2], [5, 2], [5, 9]], group_id=3),
        shape("circle", [[50, 50], [53, 54]]),
        shape("mask", [[10, 10], [20, 30]], mask="iVBOR"),
        shape("point", [[1, 2]]),
        shape("linestrip", [[1, 2], [3, 4]], flags={"sure": False}),
        shape("rectangle", [[1, 2], [3, 4]], flags={"sure": True}, description="edge"),
    )
    files = {"a 1.json": content(*shapes, flags={"checked": True, "bad": False}), "a 1.png": None, "b.png": None}
    dataset, findings = read("labelme", write_files(tmp_path, files))
    assert boxes_of(dataset)["a 1.png"] == [
        ("dent", 1, 2, 4, 7),
        ("dent", 45, 45, 10, 10),
        ("dent", 10, 10, 10, 20),
        ("dent", 1, 2, 2, 2),
        ("dent", 1, 2, 2, 2),
    ]
    assert dataset.pictures[0].left_out == "shape 'point'"
    assert notes_of(findings) == {
        "shape 'polygon'": 1,
        "shape 'circle'": 1,
        "shape 'mask'": 1,
        "shape 'point'": 1,
        "shape 'linestrip'": 1,
        "shape's 'group_id'": 1,
        "shape's 'flags'": 2,
        "shape's 'description'": 1,
        "flag of an image": 1,
        "image without a JSON file": 1,
    }


def test_problems_name_the_path(tmp_path: Path) -> None:
    bad = content(shape("rectangle", [[1, 2]]), shape("polygon", []), shape("rectangle", [[1, 2], [1, 9]]))
    bad["shapes"].append(shape("rectangle", [[1, 2], [3, 4]], label=7))
    files = {"a.json": bad, "b.json": [], "c.json": content(imagePath=None, imageWidth="160"), "d.json": {"x": 1}}
    files |= {"b.png": None, "d.png": None}
    told = "\n".join(problems_of(read("labelme", write_files(tmp_path, files))[1]))
    for text in (
        "a.json: shapes[0].points: expected points [[x1, y1], [x2, y2]], got [[1, 2]]",
        "a.json: shapes[1].points: expected points [[x, y], ...], got []",
        "a.json: shapes[2]: expected a box with a width and a height > 0",
        "a.json: shapes[3].label: expected a text, got 7",
        "b.json: expected labelme's object with shapes, got list",
        "c.json: imagePath: expected a text, got nothing",
        "c.json: imageWidth: expected a number of pixels, got '160'",
        "d.json: expected labelme's object with shapes, got dict",
    ):
        assert text in told, told


def test_json_of_another_kind_is_left_out(tmp_path: Path) -> None:
    """As the settings of a tool, or COCO's form of the same labels; not what may be the damaged file of an image."""
    files = {
        "a 1.json": content(),
        "a 1.png": None,
        "config.json": {"x": 1},
        "list.json": [],
        "coco.json": {"images": []},
    }
    dataset, findings = read("labelme", write_files(tmp_path, files))
    assert not findings.problems and len(dataset.pictures) == 1
    assert notes_of(findings) == {"JSON file that is not labelme's": 3}
    _, findings = read("labelme", write_files(tmp_path, {"b.json": {"imagePath": "b.png"}}))
    assert problems_of(findings) == ["b.json: expected labelme's object with shapes, got dict"]


def test_shapes_of_one_group_and_label_are_one_object(tmp_path: Path) -> None:
    """A scratch that is covered in the middle is drawn in two parts."""
    shapes = [
        shape("rectangle", [[10, 10], [20, 20]], group_id=1),
        shape("rectangle", [[50, 5], [60, 15]], group_id=1),
        shape("rectangle", [[30, 30], [40, 40]], group_id=1, label="hole"),
        shape("rectangle", [[70, 70], [80, 80]], group_id=2),
        shape("rectangle", [[90, 70], [95, 80]]),
        shape("rectangle", [[100, 70], [105, 80]]),
    ]
    dataset, findings = read(
        "labelme", write_files(tmp_path, {"a.json": content(*shapes, imagePath="a.png"), "a.png": None})
    )
    assert boxes_of(dataset)["a.png"] == [
        ("dent", 10, 5, 50, 15),
        ("hole", 30, 30, 10, 10),
        ("dent", 70, 70, 10, 10),
        ("dent", 90, 70, 5, 10),
        ("dent", 100, 70, 5, 10),
    ]
    assert notes_of(findings)["shape of a group with the same label"] == 1
