"""The format of a source by its files: each one's own layouts, what could be two, and what is none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from anomdet.errors import UserError
from anomdet.formats.recognise import recognise, recognise_one
from tests.unit.formats.cases import run, write_files
from tests.unit.formats.test_accounting import UNLABELLED
from tests.unit.formats.test_any_dataset import TWO_WAY
from tests.unit.formats.test_names import coco

LINE = "0 0.5 0.5 0.25 0.5\n"
PIXELS = "1 10 20 30 40\n"
LABELME = {"json": {"shapes": [], "imagePath": "a.png"}}


@pytest.mark.parametrize("format_name", UNLABELLED)
def test_each_format(format_name: str, tmp_path: Path) -> None:
    assert list(recognise(write_files(tmp_path, UNLABELLED[format_name]))) == [format_name]


@pytest.mark.parametrize("format_name", TWO_WAY)
def test_what_we_write(format_name: str, tmp_path: Path) -> None:
    source = {
        "images/a.png": None,
        "labels/a.txt": PIXELS,
        "splits/train.txt": "a.png\n",
        "classes.yaml": "data: {classes: {1: a}}",
    }
    run(write_files(tmp_path / "in", source), "anomdet", format_name, tmp_path / "out")
    assert list(recognise(tmp_path / "out")) == [format_name]


@pytest.mark.parametrize(
    ("files", "format_name"),
    [
        ({"images/a.png": None, "labels/a.txt": PIXELS, "classes.txt": "dent\n"}, "anomdet"),
        ({"images/a.png": None, "labels/a.txt": LINE, "classes.txt": "dent\n"}, "yolo"),
        ({"images/a.png": None, "labels/a.txt": "", "data.yaml": "names: [dent]\n"}, "yolo"),
        ({"obj.data": "names = obj.names\n", "obj_train_data/a.txt": LINE, "obj_train_data/a.png": None}, "yolo"),
        ({"images/a.png": None, "labels/a.txt": "0 0.1 0.1 0.5 0.1 0.5 0.5\n"}, "yolo"),
        (
            {
                "annotations/instances_train2017.json": coco("a.png"),
                "annotations/captions_train2017.json": coco("a.png"),
            },
            "coco",
        ),
        (
            {
                "train/images/c/a.png": None,
                "train/annotations/a.xml": '<?xml version="1.0"?>\n<!-- x -->\n<annotation/>',
            },
            "voc",
        ),
        ({"test/good/a.png": None, "test/hole/a.png": None, "ground_truth/hole/a_mask.png": None}, "masks"),
        ({f"{part}/a.{end}": LABELME.get(end) for part in ("images", "masks") for end in ("png", "json")}, "labelme"),
        (
            {f"{part}/a.{end}": LABELME.get(end) for part in ("test", "ground_truth") for end in ("png", "json")},
            "labelme",
        ),
        ({"a.xml": '<?xml version="1.0" encoding="utf-16"?><annotation/>'.encode("utf-16")}, "voc"),
        ({"c.json": json.dumps(coco("a.png")).encode("utf-16")}, "coco"),
        ({"Data/Images/Anomaly/a.JPG": None, "Data/Masks/Anomaly/a.png": None}, "masks"),
    ],
)
def test_layouts_of_other_tools(files: dict, format_name: str, tmp_path: Path) -> None:
    assert list(recognise(write_files(tmp_path, files))) == [format_name]


def test_images_in_folders_called_images_and_labels(tmp_path: Path) -> None:
    source = {f"images/{folder}/a.png": None for folder in ("images", "labels")}
    source |= {f"labels/{folder}/a.txt": "" for folder in ("images", "labels")}
    write_files(tmp_path / "in", {**source, "classes.yaml": "data: {classes: {1: a}}"})
    run(tmp_path / "in", "anomdet", "labelme", tmp_path / "out")
    assert list(recognise(tmp_path / "out")) == ["labelme"]


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({"images/a.png": None, "labels/a.txt": ""}, "anomdet (labels/a.txt) or yolo (labels/a.txt)"),
        ({"c.json": coco("a.png"), "labels/a.txt": LINE, "images/a.png": None}, "yolo (labels/a.txt) or coco (c.json)"),
        ({"a.xml": "<annotation/>", "b.xml": "<annotations/>"}, "voc (a.xml) or cvat (b.xml)"),
        ({"images/a.png": None}, "shows none; name it with --from"),
        ({"export.zip": b"PK"}, "shows none; name the archive itself: "),
    ],
)
def test_several_or_none_is_an_error_that_lists_them(files: dict, told: str, tmp_path: Path) -> None:
    with pytest.raises(UserError) as raised:
        recognise_one(write_files(tmp_path, files))
    assert told in str(raised.value)


def test_a_file(tmp_path: Path) -> None:
    write_files(
        tmp_path, {"c.json": coco("a.png"), "a.xml": "<annotations/>", "data.yaml": "names: [a]\n", "x.json": [1]}
    )
    found = {name: list(recognise(tmp_path / name)) for name in ("c.json", "a.xml", "data.yaml", "x.json", "none.json")}
    assert found == {"c.json": ["coco"], "a.xml": ["cvat"], "data.yaml": ["yolo"], "x.json": [], "none.json": []}
