"""Splits survive in every way that tools keep them, and are never guessed from a word inside a longer name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from anomdet.errors import UserError
from tests.unit.formats.cases import notes_of, read, run, write_files
from tests.unit.formats.test_labelme import content
from tests.unit.formats.test_names import coco, voc

LINE = "0 0.5 0.5 0.25 0.5\n"
PAIR = {"a.jpg": "train", "b.jpg": "val"}
YAML = "names: [dent]\n"


def splits_of(format_name: str, folder: Path) -> dict[str, str]:
    dataset, findings = read(format_name, folder)
    assert not findings.problems
    return {picture.file_name.rpartition("/")[2]: picture.split for picture in dataset.pictures}


@pytest.mark.parametrize(
    "folder",
    ["my-test", "val-2024", "Test_Line_3", "line.test", "contest", "latest", "test", "train", "testing ground"],
)
@pytest.mark.parametrize("name", ["annotations.json", "my_test.json", "train-of-thought.json", "coco.validated.json"])
def test_coco_takes_no_word_of_a_longer_name_and_nothing_above_the_source(
    folder: str, name: str, tmp_path: Path
) -> None:
    files = {f"{folder}/{name}": coco("a.jpg"), f"{folder}/a.jpg": None}
    write_files(tmp_path, files)
    assert splits_of("coco", tmp_path / folder) == {"a.jpg": ""}
    assert splits_of("coco", tmp_path / folder / name) == {"a.jpg": ""}


@pytest.mark.parametrize("folders", [("latest", "contest"), ("train_old", "val.bak"), ("test line", "training line")])
def test_folders_need_the_whole_name(folders: tuple[str, str], tmp_path: Path) -> None:
    for format_name, files in (
        ("yolo", {"images/{}/{}.jpg": None, "labels/{}/{}.txt": LINE}),
        ("voc", {"{}/{}.jpg": None, "{}/{}.xml": voc("")}),
        ("labelme", {"{}/{}.jpg": None, "{}/{}.json": content(imagePath="x.jpg")}),
    ):
        for folder, stem in zip(folders, "ab", strict=True):
            write_files(tmp_path / format_name, {name.format(folder, stem): text for name, text in files.items()})
        assert splits_of(format_name, tmp_path / format_name) == {"a.jpg": "", "b.jpg": ""}


YOLO: dict[str, dict[str, Any]] = {
    "CVAT": {
        "obj.data": "classes = 1\ntrain = data/train.txt\nvalid = data/valid.txt\nnames = data/obj.names\n",
        "obj.names": "dent\n",
        "train.txt": "data/obj_train_data/a.jpg\n",
        "valid.txt": "data/obj_valid_data/b.jpg\n",
        "obj_train_data/a.jpg": None,
        "obj_train_data/a.txt": LINE,
        "obj_valid_data/b.jpg": None,
        "obj_valid_data/b.txt": LINE,
    },
    "lists without obj.data, on Windows": {
        "train.txt": "C:\\data\\images\\a.jpg\r\n",
        "val.txt": "images\\b.jpg\r\n",
        "images/a.jpg": None,
        "labels/a.txt": LINE,
        "images/b.jpg": None,
        "labels/b.txt": LINE,
    },
    "absolute paths of another machine": {
        "data.yaml": YAML + "path: /home/u/set\ntrain: /home/u/set/lists/train.txt\nval: /home/u/set/lists/val.txt\n",
        "lists/train.txt": "/home/u/set/images/a.jpg\n",
        "lists/val.txt": "/home/u/set/images/b.jpg\n",
        "images/a.jpg": None,
        "labels/a.txt": LINE,
        "images/b.jpg": None,
        "labels/b.txt": LINE,
    },
    "folders of data.yaml": {
        "data.yaml": YAML + "train: ../train/images\nval: ../valid/images\n",
        "train/images/a.jpg": None,
        "train/labels/a.txt": LINE,
        "valid/images/b.jpg": None,
        "valid/labels/b.txt": LINE,
    },
    "folders alone": {
        "classes.txt": "dent\n",
        "images/train/a.jpg": None,
        "labels/train/a.txt": LINE,
        "images/Validation/b.jpg": None,
        "labels/Validation/b.txt": LINE,
    },
    "CVAT's folders alone": {
        "obj_train_data/a.jpg": None,
        "obj_train_data/a.txt": LINE,
        "obj_val_data/b.jpg": None,
        "obj_val_data/b.txt": LINE,
    },
}


YOLO["darknet's data/obj.data below the source"] = {
    "data/obj.data": "classes = 1\ntrain = data/train.txt\nvalid = data/valid.txt\nnames = data/obj.names\n",
    "data/obj.names": "dent\n",
    "data/train.txt": "\ufeffC:\\darknet\\data\\obj\\a.jpg\r\n\r\n",
    "data/valid.txt": "/content/darknet/data/obj/b.jpg\n",
    "data/obj/a.jpg": None,
    "data/obj/a.txt": LINE,
    "data/obj/b.jpg": None,
    "data/obj/b.txt": LINE,
}
YOLO["a folder around it"] = {f"export/{name}": content for name, content in YOLO["CVAT"].items()}
YOLO["data.yaml below the source"] = {
    "set 1/data.yaml": "path: /content/set\ntrain: images/train\nval: images/val\nnames: [dent]\n",
    "set 1/images/train/a.jpg": None,
    "set 1/labels/train/a.txt": LINE,
    "set 1/images/val/b.jpg": None,
    "set 1/labels/val/b.txt": LINE,
}


@pytest.mark.parametrize("layout", YOLO)
def test_yolo(layout: str, tmp_path: Path) -> None:
    write_files(tmp_path / "in", YOLO[layout])
    assert splits_of("yolo", tmp_path / "in") == PAIR
    done = run(tmp_path / "in", "yolo", "anomdet", tmp_path / "out")
    assert (done.num_images, done.num_normal) == (2, 0)
    assert (tmp_path / "out/splits/val.txt").read_text().endswith("b.jpg\n")


@pytest.mark.parametrize(
    "names",
    [
        ("annotations/instances_train2017.json", "annotations/instances_val2017.json"),
        ("train.json", "valid.json"),
        ("annotations_train.json", "annotations_val.json"),
        ("train/_annotations.coco.json", "valid/_annotations.coco.json"),
        ("train-v2.json", "validation-v2.json"),
    ],
)
def test_coco(names: tuple[str, str], tmp_path: Path) -> None:
    write_files(
        tmp_path, {names[0]: coco("a.jpg"), names[1]: coco("b.jpg"), "images/a.jpg": None, "images/b.jpg": None}
    )
    assert splits_of("coco", tmp_path) == PAIR


@pytest.mark.parametrize(
    "lists",
    [
        {"train.txt": "a\n", "val.txt": "b\n"},
        {"train.txt": "a\n", "Validation.txt": "b\n"},
        {"train.txt": "a.jpg\n", "val.txt": "b.PNG\n"},
        {"trainval.txt": "a\n", "test.txt": "b\n", "dent_trainval.txt": "a 1\n"},
    ],
)
def test_voc(lists: dict[str, str], tmp_path: Path) -> None:
    files = {f"ImageSets/Main/{name}": text for name, text in lists.items()}
    files |= {f"Annotations/{stem}.xml": voc(f"{stem}.jpg") for stem in "ab"}
    write_files(tmp_path, files | {f"JPEGImages/{stem}.jpg": None for stem in "ab"})
    assert splits_of("voc", tmp_path) == {"a.jpg": "train", "b.jpg": "test" if "test.txt" in lists else "val"}


def test_what_no_list_names_is_kept_with_its_labels_or_listed(tmp_path: Path) -> None:
    files = {"data.yaml": YAML + "train: images/train\n", "images/train/a.jpg": None, "labels/train/a.txt": LINE}
    files |= {"images/more/c.jpg": None, "labels/more/c.txt": LINE, "images/more/d.jpg": None}
    done = run(write_files(tmp_path / "in", files), "yolo", "anomdet", tmp_path / "out")
    assert (done.num_images, done.num_normal) == (2, 0)
    assert (tmp_path / "out/splits/train.txt").read_text() == "train/a.jpg\n"
    assert done.notes == (
        "1 x image without a label file that no list names: left out as not labelled (images/more/d.jpg)",
        "1 x labelled image that no list names: kept, in no split (images/more/c.jpg)",
    )


def test_a_converted_folder_has_its_splits_in_lists_alone(tmp_path: Path) -> None:
    """Its folders may be called anything."""
    files = {"images/train/a.jpg": None, "labels/train/a.txt": "1 1 2 3 4\n", "images/val/b.jpg": None}
    write_files(tmp_path / "in", files | {"labels/val/b.txt": "1 1 2 3 4\n", "splits/test.txt": ""})
    for format_name in ("yolo", "voc", "labelme", "coco"):
        run(tmp_path / "in", "anomdet", format_name, tmp_path / format_name)
        assert set(splits_of(format_name, tmp_path / format_name).values()) == {""}


def test_folders_of_our_own_format(tmp_path: Path) -> None:
    """Where no conversion wrote them, whether or not the owner names the classes."""
    files = {"images/train/a.jpg": None, "images/val/b.jpg": None, "images/c.jpg": None, "classes.yaml": "1: dent"}
    files |= {f"labels/{name}.txt": "1 1 2 3 4\n" for name in ("train/a", "val/b", "c")}
    assert splits_of("anomdet", write_files(tmp_path, files)) == PAIR | {"c.jpg": ""}


def test_lists_may_name_images_that_are_left_out_as_not_labelled(tmp_path: Path) -> None:
    files = {"images/a.png": None, "images/b.png": None, "images/c.png": None, "labels/a.txt": "", "labels/b.txt": ""}
    lists = {"splits/train.txt": "a.png\nc.png\n", "splits/val.txt": "b.png\n", "hard_normals.txt": "c.png\nb.png\n"}
    source = write_files(tmp_path / "source", files | lists)
    run(source, "anomdet", "anomdet", tmp_path / "out", unlabelled="skip")
    assert (tmp_path / "out/splits/train.txt").read_text() == "a.png\n"
    assert (tmp_path / "out/hard_normals.txt").read_text() == "b.png\n"
    with pytest.raises(UserError, match=r"splits/train.txt:1: expected the name of an image, got 'gone.png'"):
        write_files(source, {"splits/train.txt": "gone.png\n"})
        run(source, "anomdet", "anomdet", tmp_path / "other", unlabelled="skip")


@pytest.mark.parametrize("through", ["anomdet", "yolo", "coco", "voc", "labelme", "cvat", "labelstudio"])
def test_hard_normals_come_along(through: str, tmp_path: Path) -> None:
    """Whoever confirmed them would have to do so again."""
    files = {"images/x/a.png": None, "images/b.png": None, "labels/x/a.txt": "", "labels/b.txt": "1 5 5 20 20\n"}
    source = write_files(tmp_path / "source", {**files, "hard_normals.txt": "x/a.png\nb.png\n"})
    first = run(source, "anomdet", through, tmp_path / "out")
    assert any("hard normal that has labels" in note for note in first.notes)
    again = run(tmp_path / "out", through, "anomdet", tmp_path / "again")
    assert not [note for note in again.notes if "hard" in note or "list" in note]
    assert (tmp_path / "again/hard_normals.txt").read_text() == "x/a.png\n"


def test_several_settings_below_the_source_are_refused(tmp_path: Path) -> None:
    """Class 0 of the one may be another than class 0 of the other."""
    files = {f"{part}/data.yaml": f"train: images\nval: images\nnames: [{part}]\n" for part in ("dent", "spur")}
    files |= {"dent/images/a.jpg": None, "dent/labels/a.txt": LINE, "spur/images/b.jpg": None, "spur/labels/b.txt": ""}
    _, findings = read("yolo", write_files(tmp_path, files))
    assert [str(problem) for problem in findings.problems] == [
        "SRC: expected one data.yaml or obj.data, got 2: dent/data.yaml, spur/data.yaml; "
        "they may number their classes differently; convert the folder of each by itself"
    ]


@pytest.mark.parametrize(
    ("train", "val"), [("images", "images"), ("all.txt", "all.txt"), ("[images]", "[images]"), ("images", "./images")]
)
def test_one_list_for_training_and_validation_is_reported(train: str, val: str, tmp_path: Path) -> None:
    files = {"images/a.jpg": None, "labels/a.txt": LINE, "images/b.jpg": None, "labels/b.txt": LINE}
    files |= {"data.yaml": f"train: {train}\nval: {val}\nnames: [dent]\n", "all.txt": "images/a.jpg\nimages/b.jpg\n"}
    done = run(write_files(tmp_path / "in", files), "yolo", "anomdet", tmp_path / "out")
    assert any(note.startswith("2 x image") and ": put in no" in note for note in done.notes)
    assert not (tmp_path / "out/splits").exists()
    run(tmp_path / "out", "anomdet", "yolo", tmp_path / "back")  # YOLO must have both: the file says that they are one
    assert (tmp_path / "back/data.yaml").read_text().startswith("# The source has no splits")


def test_lists_that_nothing_names_are_reported(tmp_path: Path) -> None:
    files = {"images/a.jpg": None, "labels/a.txt": LINE, "lists/train.txt": "images/a.jpg\n"}
    _, findings = read("yolo", write_files(tmp_path, files))
    assert notes_of(findings) == {"list of images that nothing names": 1}


def test_a_listed_image_that_is_not_there_is_named_by_its_line(tmp_path: Path) -> None:
    files = {**YOLO["CVAT"], "valid.txt": "data/obj_valid_data/b.jpg\ndata/obj_valid_data/gone.jpg\n"}
    _, findings = read("yolo", write_files(tmp_path, files))
    assert [str(problem) for problem in findings.problems] == [
        "valid.txt:2: expected an image that is there, got 'data/obj_valid_data/gone.jpg'; put the image there, "
        "since exports may leave the images out, or correct the line"
    ]


def test_the_devkits_lists_below_the_source(tmp_path: Path) -> None:
    """Two years, as VOCdevkit holds them, with names (and here even images) that repeat."""
    files: dict[str, Any] = {}
    for year, split in (("VOC2007", "train"), ("VOC2012", "val")):
        files |= {f"{year}/Annotations/1.xml": voc("1.jpg"), f"{year}/JPEGImages/1.jpg": None}
        files |= {f"{year}/ImageSets/Main/{split}.txt": "1\n", f"{year}/ImageSets/Main/dent_{split}.txt": "1 1\n"}
    dataset, findings = read("voc", write_files(tmp_path, files))
    assert not findings.problems
    splits = {picture.file_name: picture.split for picture in dataset.pictures}
    assert splits == {"VOC2007/1.jpg": "train", "VOC2012/1.jpg": "val"}


def test_voc_lists_of_a_class_say_which_image_is_in_the_split(tmp_path: Path) -> None:
    files: dict[str, Any] = {"ImageSets/Main/train.txt": "a  1\nb.png -1\n", "ImageSets/Main/val.txt": "c 1\nd 7\n"}
    for name in ("a", "b", "c 1", "d 7"):
        files |= {f"Annotations/{name}.xml": "<annotation/>", f"JPEGImages/{name}.png": None}
    dataset, findings = read("voc", write_files(tmp_path, files))
    assert {picture.stem: picture.split for picture in dataset.pictures} == {
        "a": "train",
        "b": "train",
        "c 1": "val",
        "d 7": "val",
    }
    assert not findings.notes


def test_masks_in_folders_of_splits(tmp_path: Path) -> None:
    mask = np.zeros((100, 160), np.uint8)
    mask[10:20, 30:60] = 255
    data = cv2.imencode(".png", mask)[1].tobytes()
    files = {"images/train/a.png": None, "images/test/b.png": None, "images/test/c.png": None}
    masks = {"masks/train/a.png": data, "masks/test/b.png": data}
    dataset, _ = read("masks", write_files(tmp_path, files | masks))
    assert {picture.file_name: picture.split for picture in dataset.pictures} == {
        "train/a.png": "train",
        "test/b.png": "test",
        "test/c.png": "test",
    }


def test_darknet_names_that_are_not_there(tmp_path: Path) -> None:
    files = {**YOLO["CVAT"], "obj.names": None}
    del files["obj.names"]
    _, findings = read("yolo", write_files(tmp_path, files))
    assert [str(problem) for problem in findings.problems] == [
        "obj.data: names: expected a list of class names, got 'data/obj.names'; correct the path"
    ]
