"""YOLO as Ultralytics, Roboflow, Label Studio, LabelImg and CVAT (darknet) lay it out."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from anomdet.errors import UserError
from tests.unit.formats.cases import boxes_of, notes_of, problems_of, read, run, write_files

LINE = "1 0.5 0.5 0.25 0.5\n"
BOX = (60, 25, 40, 50)


def test_ultralytics(tmp_path: Path) -> None:
    files = {
        "data.yaml": "path: /data/elsewhere\ntrain: images/train\nval: [images/val]\nnames:\n  0: person\n  1: dent\n",
        "images/train/a.jpg": None,
        "images/val/b.jpg": None,
        "labels/train/a.txt": LINE,
    }
    for path in (write_files(tmp_path, files), tmp_path / "data.yaml"):
        dataset, findings = read("yolo", path)
        assert not findings.problems
        assert boxes_of(dataset) == {"train/a.jpg": [("dent", *BOX)], "val/b.jpg": []}
        assert [picture.split for picture in dataset.pictures] == ["train", "val"]
        assert dataset.numbers == {"person": 0, "dent": 1}
        assert notes_of(findings) == {"image without a label file": 1}


def test_roboflow(tmp_path: Path) -> None:
    files = {
        "data.yaml": "train: ../train/images\nval: ../valid/images\n\nnc: 2\nnames: ['0', dent]\n",
        "train/images/a_jpg.rf.0123.jpg": None,
        "train/labels/a_jpg.rf.0123.txt": LINE,
        "valid/images/b.jpg": None,
        "valid/labels/b.txt": "",
    }
    dataset, findings = read("yolo", write_files(tmp_path, files))
    assert not findings.problems
    assert boxes_of(dataset) == {"train/a_jpg.rf.0123.jpg": [("dent", *BOX)], "valid/b.jpg": []}


def test_label_studio_and_labelimg_list_the_names(tmp_path: Path) -> None:
    for i, name in enumerate(("classes.txt", "labels/classes.txt")):
        files = {name: "scratch\ndent\n", "images/a.png": None, "labels/a.txt": LINE}
        dataset, findings = read("yolo", write_files(tmp_path / str(i), files))
        assert not findings.problems
        assert boxes_of(dataset) == {"a.png": [("dent", *BOX)]}


def test_darknet_beside_the_images(tmp_path: Path) -> None:
    files = {"obj.names": "scratch\ndent\n", "obj_train_data/a b.png": None, "obj_train_data/a b.txt": LINE}
    dataset, _ = read("yolo", write_files(tmp_path, files))
    assert boxes_of(dataset) == {"obj_train_data/a b.png": [("dent", *BOX)]}


@pytest.mark.parametrize("name", ["_darknet.labels", "board.names"])
def test_names_in_files_of_roboflow_and_darknet(name: str, tmp_path: Path) -> None:
    names = {f"{folder}/{name}": "scratch\ndent\n" for folder in ("train", "valid")}
    files = {"train/a.png": None, "train/a.txt": LINE, "valid/b.png": None, "valid/b.txt": ""}
    dataset, findings = read("yolo", write_files(tmp_path, {**files, **names}))
    assert not findings.problems
    assert boxes_of(dataset) == {"train/a.png": [("dent", *BOX)], "valid/b.png": []}


def test_files_of_class_names_that_contradict_each_other(tmp_path: Path) -> None:
    """Label Studio's classes.txt may be in another order than its numbers, which stand in notes.json."""
    images = {"images/a.png": None, "labels/a.txt": LINE}
    notes = {"categories": [{"id": "1", "name": "scratch"}, {"id": "0", "name": "dent"}]}
    files = {**images, "classes.txt": "scratch\ndent\n", "notes.json": notes}
    told = problems_of(read("yolo", write_files(tmp_path / "a", files))[1])
    assert len(told) == 1
    assert told[0].startswith("notes.json: expected the name 'dent' for class 1, as in classes.txt, got 'scratch'")
    alike = {"categories": [{"id": 1, "name": "dent"}, {"id": 0, "name": "scratch"}]}
    _, findings = read("yolo", write_files(tmp_path / "b", {**files, "notes.json": alike}))
    assert not findings.problems and not findings.notes
    dataset, findings = read("yolo", write_files(tmp_path / "c", {**files, "data.yaml": "names: [pore, crack]\n"}))
    assert boxes_of(dataset) == {"a.png": [("crack", *BOX)]}
    assert notes_of(findings)["file of class names that contradicts the settings"] == 2


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("Classes.txt", "scratch\ndent\n"),
        ("labels/classes.TXT", "scratch\ndent\n"),
        ("DATA.YAML", "names: [scratch, dent]\n"),
        ("classes.yaml", "names: [scratch, dent]\n"),  # as ours is called
        ("board.NAMES", "scratch\ndent\n"),
        ("labels.txt", "scratch\ndent\n"),  # makesense.ai's
    ],
)
def test_side_files_in_other_letter_case(file: str, text: str, tmp_path: Path) -> None:
    """As on Windows; their classes were called 0 and 1, and of DATA.YAML nothing was said."""
    dataset, findings = read("yolo", write_files(tmp_path, {"images/a.png": None, "labels/a.txt": LINE, file: text}))
    assert not findings.problems and not findings.notes
    assert boxes_of(dataset) == {"a.png": [("dent", *BOX)]}


def test_labels_of_an_image_that_is_called_as_the_names_are(tmp_path: Path) -> None:
    """The first line of its labels was the name of class 0."""
    files = {"images/classes.png": None, "labels/classes.txt": LINE, "labels.png": None, "labels.txt": LINE}
    dataset, findings = read("yolo", write_files(tmp_path, files))
    assert not findings.problems and not findings.notes
    assert boxes_of(dataset) == {"classes.png": [(1, *BOX)], "labels.png": [(1, *BOX)]}


def test_the_list_of_labelme_does_not_count_from_0(tmp_path: Path) -> None:
    files = {"images/a.png": None, "labels/a.txt": LINE, "labels.txt": "__ignore__\n_background_\nscratch\n"}
    dataset, findings = read("yolo", write_files(tmp_path, files))
    assert boxes_of(dataset) == {"a.png": [(1, *BOX)]}
    assert notes_of(findings) == {"text file that is not of labels": 1}


def test_settings_without_names_still_name_the_splits(tmp_path: Path) -> None:
    """Without a word all images went into one pile, of which those to test on could be learned."""
    files = {"images/a.png": None, "labels/a.txt": LINE, "images/b.png": None, "labels/b.txt": ""}
    files |= {"data.yaml": "nc: 2\ntrain: train.txt\nval: [val.txt]\n", "args.yaml": "train: null\nval: true\n"}
    files |= {"train.txt": "images/a.png\n", "val.txt": "images/b.png\n"}
    for names, label in (({}, 1), ({"classes.txt": "scratch\ndent\n"}, "dent")):
        dataset, findings = read("yolo", write_files(tmp_path, {**files, **names}))
        assert not findings.problems
        assert {picture.file_name: picture.split for picture in dataset.pictures} == {"a.png": "train", "b.png": "val"}
        assert boxes_of(dataset)["a.png"] == [(label, *BOX)]
        assert notes_of(findings) == {"settings without names of the classes": 1}


def test_settings_that_contradict_each_other(tmp_path: Path) -> None:
    images = {"images/a.png": None, "labels/a.txt": LINE, "weights.yaml": "nc: 80\nnames: [scratch, dent]\n"}
    for name, others in (("data", "[dent, scratch]"), ("line", "[dent, scratch]")):
        files = {**images, f"{name}.yaml": f"names: {others}\ntrain: images\n"}
        dataset, findings = read("yolo", write_files(tmp_path / name, files))
        if name == "data":
            assert boxes_of(dataset) == {"a.png": [("scratch", *BOX)]}
            assert notes_of(findings)["settings that name the classes otherwise"] == 1
        else:
            (shown,) = problems_of(findings)
            assert shown.startswith(
                "weights.yaml: expected the name 'dent' for class 0, as in line.yaml, got 'scratch'"
            )
    assert not read("yolo", tmp_path / "line/line.yaml")[1].problems


def test_without_names_the_numbers_stay(tmp_path: Path) -> None:
    dataset, findings = read("yolo", write_files(tmp_path, {"images/a.png": None, "labels/a.txt": LINE}))
    assert not findings.problems
    assert boxes_of(dataset) == {"a.png": [(1, *BOX)]}


def test_polygons_and_keypoints_keep_their_box(tmp_path: Path) -> None:
    write_files(tmp_path / "a", {"images/a.png": None, "labels/a.txt": "0 0.25 0.5 0.5 0.25 0.75 0.5\n"})
    dataset, findings = read("yolo", tmp_path / "a")
    assert boxes_of(dataset) == {"a.png": [(0, 40, 25, 80, 25)]}
    assert notes_of(findings) == {"polygon or rotated box": 1}
    pose = {"data.yaml": "train: images\nkpt_shape: [1, 3]\nnames: [a, b]\n", "images/a.png": None}
    write_files(tmp_path / "b", {**pose, "labels/a.txt": LINE.strip() + " 0.5 0.5 2\n"})
    dataset, findings = read("yolo", tmp_path / "b")
    assert boxes_of(dataset) == {"a.png": [("b", *BOX)]}
    assert notes_of(findings) == {"keypoints": 1}


def test_class_numbers_of_a_saved_table(tmp_path: Path) -> None:
    """As numpy.savetxt writes them."""
    lines = f"{LINE.replace('1 ', '1.000000e+00 ', 1)}{LINE.replace('1 ', '2.0 ', 1)}"
    dataset, findings = read("yolo", write_files(tmp_path, {"images/a.png": None, "labels/a.txt": lines}))
    assert not findings.problems
    assert boxes_of(dataset) == {"a.png": [(1, *BOX), (2, *BOX)]}


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("1 0,5 0,5 0,25 0,5", "write decimals with a point"),
        ("1,0.5,0.5,0.25,0.5", "separate the numbers with spaces"),
        ("1, 0.5, 0.5, 0.25, 0.5", "separate the numbers with spaces"),
        ("1 0.5 0.5 0.25 0.5 0.93", "the last number seems to be the score of a prediction; delete it"),
        ("1 0.5 0.5 0.25 0.5 0.93 1", "a prediction's score and track; delete them"),
        ("1 0.5 0.5 0.25 0.5 0.4 0.4 2 0.6 0.6 2 0 0 0", "write kpt_shape: [number, 3] into data.yaml"),
        ("1 50 50 25 50", "these look like pixels; divide them by the image's size"),
    ],
)
def test_what_to_do_about_a_bad_line(line: str, hint: str, tmp_path: Path) -> None:
    _, findings = read("yolo", write_files(tmp_path, {"images/a.png": None, "labels/a.txt": line}))
    (problem,) = problems_of(findings)
    assert problem.startswith("labels/a.txt:1: expected ")
    assert hint in problem


def test_every_bad_line_is_told(tmp_path: Path) -> None:
    lines = ["0 0.5 0.5 0.1", "0,0.5,0.5,0.1,0.1", "x 0.5 0.5 0.1 0.1", "0 0.5 nan 0.1 0.1", "0 80 50 20 20", LINE]
    lines += ["0 0.5 0.5 0 0.1", "-1 0.5 0.5 0.1 0.1", "7 0.5 0.5 0.1 0.1"]
    files = {"images/a.png": None, "labels/a.txt": "\n".join(line.strip() for line in lines), "classes.txt": "a\nb\n"}
    dataset, findings = read("yolo", write_files(tmp_path, files))
    told = problems_of(findings)
    assert [text.split(": ")[0] for text in told] == [f"labels/a.txt:{n}" for n in (1, 2, 3, 4, 5, 7, 8, 9)]
    assert "separate the numbers with spaces" in told[1]
    assert "these look like pixels" in told[4]
    assert "expected a class of the names (0 to 1), got 7" in told[-1]
    assert boxes_of(dataset) == {"a.png": [("b", *BOX)]}


def test_bad_yaml(tmp_path: Path) -> None:
    for i, (text, told) in enumerate(
        (
            ("names: [a\n", "data.yaml:2: expected YAML"),
            ("names: 3\n", "data.yaml: names: expected a list of names"),
            ("names: [yes, no]\n", "data.yaml: names.0: expected a text, got True; put it in quotes"),
            ("train: nowhere\nnames: [a]\n", "data.yaml: train: expected a folder or a list of images, got 'nowhere'"),
        )
    ):
        _, findings = read("yolo", write_files(tmp_path / str(i), {"data.yaml": text, "images/a.png": None}))
        assert any(told in text for text in problems_of(findings)), problems_of(findings)


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [x, x]\nnames: [*a, *a]\n",
        "names: [a]\nday: !!timestamp 2024-99-99\n",
        "names: !!python/object/apply:os.getcwd []\n",
        "nc: " + "9" * 5000 + "\nnames: [a]\n",
        "names: {0: a, 0: b}\n",
    ],
    ids=["grows", "date", "tag", "integer", "key twice"],
)
def test_yaml_of_a_stranger(text: str, tmp_path: Path) -> None:
    _, findings = read("yolo", write_files(tmp_path, {"data.yaml": text, "images/a.png": None}))
    assert any("data.yaml" in told and "expected YAML" in told for told in problems_of(findings)), problems_of(findings)


@pytest.mark.parametrize("kind", ["device", "pipe"])
def test_yaml_that_never_ends_is_not_read(kind: str, tmp_path: Path) -> None:
    write_files(tmp_path / "source", {"images/a.png": None, "labels/a.txt": LINE})
    path = tmp_path / "source" / "data.yaml"
    if kind == "device":
        path.symlink_to("/dev/zero")
    else:
        os.mkfifo(path)
    _, findings = read("yolo", path.parent)
    assert problems_of(findings) == ["data.yaml: expected a regular file, got a pipe, a device or a broken link"]
    with pytest.raises(UserError, match=r"SRC: .*, got data.yaml, which is not a regular file"):
        run(path, "yolo", "coco", tmp_path / "out")


def test_names_that_no_file_can_have(tmp_path: Path) -> None:
    files = {"data.yaml": f"path: {'p' * 400}\ntrain: [train.txt, {'t' * 400}]\nnames: [a]\n"}
    _, findings = read("yolo", write_files(tmp_path, files | {"train.txt": f"{'i' * 400}.png\n", "images/a.png": None}))
    told = problems_of(findings)
    assert any("expected a folder or a list of images, got 'ttt" in text for text in told)
    assert any("train.txt:1: expected an image that is there, got 'iii" in text for text in told)


def test_ultralytics_finds_what_is_written(tmp_path: Path) -> None:
    """The rules of its documentation: names from 0 without gaps, ./images in lists, labels mirror the last /images/."""
    source = {
        "images/images/a.png": None,
        "labels/images/a.txt": "-3 60 25 40 50\n40 1 2 3 4\n",
        "splits/train.txt": "images/a.png",
    }
    run(write_files(tmp_path / "source", source), "anomdet", "yolo", tmp_path / "out")
    assert (tmp_path / "out/train.txt").read_text() == "./images/images/a.png\n"
    assert (tmp_path / "out/images/labels/a.txt").read_text().split("\n")[0] == "0 0.5 0.5 0.25 0.5"
    assert (tmp_path / "out/data.yaml").read_text() == 'train: train.txt\nnames:\n  0: "-3"\n  1: "40"\n'


def test_class_names_that_lie_beside_the_labels(tmp_path: Path) -> None:
    """As LabelImg leaves them in every folder."""
    files = {"images/a.png": None, "images/a.txt": LINE, "images/classes.txt": "scratch\ndent\n"}
    dataset, findings = read("yolo", write_files(tmp_path / "1", files))
    assert boxes_of(dataset) == {"a.png": [("dent", *BOX)]}
    assert not findings.notes
    files |= {"images/more/b.png": None, "images/more/b.txt": LINE, "images/more/classes.txt": "scratch\nhole\n"}
    _, findings = read("yolo", write_files(tmp_path / "2", files))
    assert "expected the same class names in each folder, got other names than in" in problems_of(findings)[0]


def test_a_blank_name_in_data_yaml_is_no_class(tmp_path: Path) -> None:
    files = {"data.yaml": "names: [scratch, '', dent]\n", "images/a.png": None, "labels/a.txt": "2 0.5 0.5 0.25 0.5\n"}
    dataset, _ = read("yolo", write_files(tmp_path, files))
    assert boxes_of(dataset) == {"a.png": [("dent", *BOX)]}
    assert dataset.numbers == {"scratch": 0, "dent": 2}


def test_a_path_that_goes_up_and_down_is_the_same_image(tmp_path: Path) -> None:
    files = {"data.yaml": "train: images/../images/train\nval: val.txt\nnames: [scratch, dent]\n"}
    files |= {"val.txt": "./images/train/../val/b.png\n", "labels/train/a.txt": LINE, "labels/val/b.txt": LINE}
    dataset, findings = read(
        "yolo", write_files(tmp_path, {**files, "images/train/a.png": None, "images/val/b.png": None})
    )
    assert not findings.problems
    assert not findings.notes
    assert {picture.file_name: picture.split for picture in dataset.pictures} == {
        "train/a.png": "train",
        "val/b.png": "val",
    }


def test_keypoints_that_nothing_declares_are_not_read_as_a_polygon(tmp_path: Path) -> None:
    """Their box would be another; with kpt_shape, or without it for polygons, the user has said so."""
    files = {"images/a.png": None, "labels/a.txt": LINE.strip() + " 0.45 0.4 0.55 0.6\n" + LINE}
    for shape, box in (("", None), ("kpt_shape: [2, 2]\n", BOX), ("kpt_shape: null\n", (40, 40, 48, 20))):
        yaml = f"train: images\n{shape}names: [a, b]\n"
        dataset, findings = read("yolo", write_files(tmp_path, {**files, "data.yaml": yaml}))
        told = problems_of(findings)
        if box is None:
            (problem,) = told
            assert problem.startswith(
                "labels/a.txt:1: expected a box or a polygon, not a box and keypoints, got 1 such line"
            )
        else:
            assert not told
            assert boxes_of(dataset)["a.png"][0] == ("b", *box)


def test_one_polygon_among_the_lines_shows_that_they_are_polygons(tmp_path: Path) -> None:
    lines = LINE.strip() + " 0.45 0.4 0.55 0.6\n" + "0 0.1 0.1 0.3 0.1 0.3 0.4 0.1 0.3 0.05 0.2\n"
    _, findings = read("yolo", write_files(tmp_path, {"images/a.png": None, "labels/a.txt": lines}))
    assert not findings.problems
    assert notes_of(findings) == {"polygon or rotated box": 2}


def test_names_whose_numbers_are_texts_and_a_count_that_contradicts_them(tmp_path: Path) -> None:
    yaml = "train: images\nnc: 3\nnames: {'0': a, '1': dent}\n"
    dataset, findings = read(
        "yolo", write_files(tmp_path, {"data.yaml": yaml, "images/a.png": None, "labels/a.txt": LINE})
    )
    assert boxes_of(dataset) == {"a.png": [("dent", *BOX)]}
    assert notes_of(findings) == {"nc: 3 beside names of 2 classes": 1}


def test_text_in_utf_16_and_a_windows_path_in_double_quotes(tmp_path: Path) -> None:
    files = {
        "images/a.png": None,
        "labels/a.txt": LINE.encode("utf-16"),
        "classes.txt": "a\r\ndent\r\n".encode("utf-16"),
    }
    dataset, findings = read("yolo", write_files(tmp_path, files))
    assert not findings.problems
    assert boxes_of(dataset) == {"a.png": [("dent", *BOX)]}
    _, findings = read("yolo", write_files(tmp_path, {"data.yaml": 'path: "C:\\Users\\x"\nnames: [a]\n'}))
    assert "write / or single quotes" in problems_of(findings)[0]


def test_labels_without_any_image_say_where_to_put_them(tmp_path: Path) -> None:
    """CVAT and Label Studio export labels alone unless they are asked for more."""
    files = {"labels/abcdef12-a.txt": "0 0.5 0.5 0.1 0.1\n", "classes.txt": "dent\n"}
    _, findings = read("yolo", write_files(tmp_path, files))
    (problem,) = problems_of(findings)
    assert problem == (
        "SRC: expected images beside the labels, got nothing; exports may leave them out: put them into images/, "
        "under the names of their label files in labels/"
    )
    _, findings = read("yolo", write_files(tmp_path / "other", {"annotations.xml": "<annotations/>"}))
    assert not findings.problems  # whoever converts says that there is nothing to convert


def test_a_split_without_any_label_file_is_not_one_of_normal_images(tmp_path: Path) -> None:
    files = {f"{part}/images/{part}{i}.png": None for part in ("train", "test") for i in range(3)}
    files |= {
        "train/labels/train0.txt": "0 0.5 0.5 0.1 0.1\n",
        "data.yaml": "names: [dent]\ntrain: train\ntest: test\n",
    }
    source = write_files(tmp_path / "in", files)
    _, findings = read("yolo", source)
    assert problems_of(findings) == [
        "data.yaml: test: expected label files for its images, got none for 3 of them; "
        "--unlabelled normal takes images without labels as normal, skip leaves them out"
    ]
    assert run(source, "yolo", "anomdet", tmp_path / "normal", unlabelled="normal").num_normal == 5
    assert run(source, "yolo", "anomdet", tmp_path / "skip", unlabelled="skip").num_images == 1
