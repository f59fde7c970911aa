"""Label Studio puts eight hex digits and a dash before the names of uploads; the owner's images do not have them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from anomdet.errors import UserError
from tests.unit.formats.cases import notes_of, read, run, write_files

NOTE = "image found by its name without Label Studio's prefix"
_BOX = {"image_id": 0, "category_id": 0, "bbox": [1, 2, 3, 4]}
_XML = "<annotation><filename>{0}.png</filename></annotation>"


def coco(*names: str) -> str:
    images = [{"id": number, "file_name": name} for number, name in enumerate(names)]
    return json.dumps({"images": images, "categories": [{"id": 0, "name": "dent"}], "annotations": [_BOX]})


def tasks(*names: str) -> str:
    return json.dumps([{"data": {"image": name}, "annotations": [{"result": []}]} for name in names])


@pytest.mark.parametrize(
    ("from_format", "name", "content"),
    [
        ("coco", "result.json", coco("images/abcdef12-part_1.png")),
        ("coco", "result.json", coco("../../label-studio/data/media/upload/1/abcdef12-part_1.png")),
        ("labelstudio", "tasks.json", tasks("/data/upload/1/abcdef12-part_1.png")),
        ("labelstudio", "tasks.json", tasks("/data/local-files/?d=upload/abcdef12-part_1.png")),
        ("voc", "Annotations/abcdef12-part_1.xml", _XML.format("abcdef12-part_1")),
        ("voc", "Annotations/abcdef12-part_1.xml", _XML.format("images\\abcdef12-part_1")),
    ],
)
def test_the_image_has_the_name_without_the_prefix(tmp_path: Path, from_format: str, name: str, content: str) -> None:
    for number, image in enumerate(("part_1.png", "Part (1).png", "sub/part 1.png")):
        source = write_files(tmp_path / str(number), {name: content, f"pictures/{image}": None, "pictures/b.png": None})
        at = source if from_format == "voc" else source / name
        dataset, findings = read(from_format, at, source / "pictures")
        assert not findings.problems
        assert dataset.pictures[0].path == source / "pictures" / image
        assert notes_of(findings)[NOTE] == 1


def test_the_whole_name_goes_first(tmp_path: Path) -> None:
    files = {"a.json": coco("abcdef12-part.png"), "p/abcdef12-part.png": None, "p/part.png": None}
    source = write_files(tmp_path, files)
    dataset, findings = read("coco", source / "a.json", source / "p")
    assert dataset.pictures[0].path == source / "p/abcdef12-part.png"
    assert NOTE not in notes_of(findings)


@pytest.mark.parametrize(
    ("names", "images", "expected"),
    [
        (["abcdef12-part.png"], ["line 1/part.png", "line 2/part.png"], "got 2: line 1/part.png, line 2/part.png"),
        (["abcdef12-part.png"], ["part.png", "line 2/part.png"], "got 2: line 2/part.png, part.png"),
        (["abcdef12-part_1.png"], ["part 1.png", "part (1).png"], "got 2: part (1).png, part 1.png"),
        (["abcdef12-part.png", "12345678-part.png"], ["part.png"], "an image file of its own, got part.png"),
        (["abcdef12-part.png", "part.png"], ["part.png"], "an image file of its own, got part.png"),
        (["abcdef1-part.png"], ["part.png"], "the image abcdef1-part.png, got nothing"),
        (["abcdefgh-part.png"], ["part.png"], "the image abcdefgh-part.png, got nothing"),
    ],
)
@pytest.mark.parametrize("from_format", ["coco", "labelstudio"])
def test_what_is_not_clear_is_refused(
    tmp_path: Path, from_format: str, names: list[str], images: list[str], expected: str
) -> None:
    content = coco(*names) if from_format == "coco" else tasks(*(f"/data/upload/1/{name}" for name in names))
    source = write_files(tmp_path, {"export.json": content} | dict.fromkeys(f"p/{image}" for image in images))
    for number, image in enumerate(images):  # files of one name that are not copies
        (source / "p" / image).write_bytes((source / "p" / image).read_bytes() + b"\n" * number)
    with pytest.raises(UserError) as raised:
        run(source / "export.json", from_format, "anomdet", tmp_path / "out", images=source / "p")
    assert expected in str(raised.value)


def test_label_files_of_yolo(tmp_path: Path) -> None:
    files = {
        "labels/abcdef12-part_1.txt": "0 .5 .5 .1 .1\n",
        "labels/12345678-b.txt": "1 .5 .5 .1 .1\n",
        "images/Part 1.png": None,
        "images/b.png": None,
    }
    dataset, findings = read("yolo", write_files(tmp_path, files))
    assert {picture.file_name: picture.boxes[0].label for picture in dataset.pictures} == {"Part 1.png": 0, "b.png": 1}
    assert not findings.problems
    assert notes_of(findings) == {"label file with Label Studio's prefix before its image's name": 2}


@pytest.mark.parametrize(
    "files",
    [
        {"labels/abcdef12-a.txt": "0 .5 .5 .1 .1\n", "labels/12345678-a.txt": "", "images/a.png": None},
        {"labels/abcdef12-a_1.txt": "0 .5 .5 .1 .1\n", "images/a 1.png": None, "images/a_1.png": None},
    ],
)
def test_label_files_of_yolo_that_may_be_of_several(tmp_path: Path, files: dict) -> None:
    dataset, findings = read("yolo", write_files(tmp_path, files | {"classes.txt": "dent\n"}))
    assert not any(picture.boxes for picture in dataset.pictures)
    assert "expected an image of the same name" in str(findings.problems[0])
