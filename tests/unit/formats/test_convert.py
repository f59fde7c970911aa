"""A whole conversion: what is refused, what is left behind, what is reported."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
import yaml

from anomdet.errors import UserError
from anomdet.formats import pictures
from tests.unit.formats.cases import run, write_files, write_image

SOURCE = {
    "images/a.png": None,
    "images/sub/b c.png": None,
    "labels/a.txt": "7 10.25 20 30 40\n-3 1 2 3 4\n",
    "labels/sub/b c.txt": "",
}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write_files(tmp_path / "source", SOURCE)


def refused(*arguments: object, **options: object) -> str:
    with pytest.raises(UserError) as raised:
        run(*arguments, **options)  # type: ignore[arg-type]
    assert raised.value.exit_code == 2
    return str(raised.value)


def test_images_are_linked_or_copied_and_the_source_stays(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = run(source, "anomdet", "coco", tmp_path / "linked")
    assert (done.num_linked, done.num_copied) == (2, 0)
    assert (tmp_path / "linked/images/sub/b c.png").samefile(source / "images/sub/b c.png")

    def no_links(*_: object) -> None:
        raise OSError

    monkeypatch.setattr(pictures.os, "link", no_links)
    done = run(source, "anomdet", "coco", tmp_path / "copied")
    assert (done.num_linked, done.num_copied) == (0, 2)
    assert (tmp_path / "copied/images/a.png").read_bytes() == (source / "images/a.png").read_bytes()
    assert sorted(str(path.relative_to(source)) for path in source.rglob("*.*")) == sorted(SOURCE)


def test_a_linked_image_is_the_file_and_not_the_link(source: Path, tmp_path: Path) -> None:
    (source / "images/a.png").rename(tmp_path / "elsewhere.png")
    (source / "images/a.png").symlink_to("../../elsewhere.png")
    run(source, "anomdet", "coco", tmp_path / "out", follow_links=True)
    assert not (tmp_path / "out/images/a.png").is_symlink()
    assert (tmp_path / "out/images/a.png").read_bytes() == (tmp_path / "elsewhere.png").read_bytes()


def test_without_images(source: Path, tmp_path: Path) -> None:
    run(source, "anomdet", "coco", tmp_path / "out", with_images=False)
    assert not (tmp_path / "out/images").exists()
    message = refused(tmp_path / "out", "coco", "voc", tmp_path / "voc")
    assert "expected the image a.png, got nothing; name their folder with --images, or leave" in message
    done = run(tmp_path / "out", "coco", "voc", tmp_path / "voc", with_images=False)
    assert (done.num_images, done.num_normal) == (2, 1)
    done = run(tmp_path / "out", "coco", "anomdet", tmp_path / "back", images=source / "images")
    assert done.num_linked == 2


def test_out_must_be_new_or_empty_and_appears_whole(source: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    run(source, "anomdet", "yolo", tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "classes.yaml",
        "data.yaml",
        "images",
        "labels",
    ]
    assert "an empty or new folder" in refused(source, "anomdet", "yolo", tmp_path / "out")
    assert "a file" in refused(source, "anomdet", "yolo", source / "labels/a.txt")
    (source / "labels/a.txt").write_text("oops")
    refused(source, "anomdet", "yolo", tmp_path / "deep/er/out")
    assert not (tmp_path / "deep").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "source"]


def test_a_failure_while_writing_leaves_nothing(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pictures.os, "link", full)
    monkeypatch.setattr(pictures.shutil, "copy2", full)
    message = refused(source, "anomdet", "yolo", tmp_path / "out")
    assert message.startswith("--out: expected a folder that can be written, got ")
    assert "out (No space left on device)" in message
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


def test_wrong_arguments_are_all_told_at_once(source: Path, tmp_path: Path) -> None:
    message = refused(source, "pascal", "masks", source, images=tmp_path / "none")
    assert "--from: expected one of anomdet, coco, csv, cvat, deeppcb, " in message
    assert "--to: expected one of anomdet, coco, cvat, labelme, " in message
    assert "which can only be read" in message
    assert "--images: expected a folder of images" in message
    assert "--out: expected an empty or new folder" in message
    assert "anomdet has its images inside SRC" in refused(source, "anomdet", "coco", tmp_path / "out", images=source)
    assert "which is not there" in refused(tmp_path / "gone", "coco", "anomdet", tmp_path / "out")


@pytest.mark.parametrize(
    "format_name", ["anomdet", "coco", "cvat", "deeppcb", "labelme", "labelstudio", "masks", "voc", "yolo"]
)
def test_an_empty_folder_is_told(format_name: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "expected" in refused(tmp_path / "empty", format_name, "coco", tmp_path / "out")


def test_problems_are_capped(source: Path, tmp_path: Path) -> None:
    (source / "labels/a.txt").write_text("1 2 3\n" * 500)
    message = refused(source, "anomdet", "coco", tmp_path / "out")
    assert message.startswith("Nothing was written; the source has 500 problems:\n  labels/a.txt:1: expected 5 numbers")
    assert message.endswith("\n  ... and 480 more")


def test_problems_of_many_kinds_at_once(source: Path, tmp_path: Path) -> None:
    write_files(source, {"labels/a.txt": "1 2 3\n1 500 0 5 5\n", "labels/stray.txt": "", "images/c.png": None})
    (source / "images/sub/b c.png").write_bytes(b"no image")
    message = refused(source, "anomdet", "coco", tmp_path / "out")
    for text in (
        "labels/a.txt:1: expected 5 numbers",
        "labels/a.txt:2: expected a box within the image of 160 x 100 pixels (width x height), got x 500 to 505",
        "labels/stray.txt: expected an image images/stray.*, got nothing",
        "images/c.png: expected labels/c.txt, got nothing; rename labels/stray.txt, which has no image, if it is meant",
        "; else write an empty file for a normal image",
        "b c.png: expected a readable image, got a file that starts with b'no image'",
    ):
        assert text in message, message


def test_a_bad_image_is_told_once(tmp_path: Path) -> None:
    files = {"images/a.png": b"no image", "labels/a.txt": "0 0.5 0.5 1 1\n", "images/b.png": None}
    message = refused(write_files(tmp_path / "yolo", files), "yolo", "coco", tmp_path / "out")
    assert "the source has 1 problem:" in message


def test_two_images_with_one_label_file(source: Path, tmp_path: Path) -> None:
    coco = {"images": [{"id": i, "file_name": f"a.{kind}"} for i, kind in enumerate(("png", "jpg"))]}
    write_files(
        tmp_path / "coco", {"c.json": coco | {"annotations": [], "categories": []}, "a.png": None, "a.jpg": None}
    )
    assert "which would share a label file" in refused(tmp_path / "coco", "coco", "anomdet", tmp_path / "out")
    assert run(tmp_path / "coco", "coco", "cvat", tmp_path / "out").num_images == 2


@pytest.mark.parametrize(
    "name", ["/etc/a.png", "../a.png", "x/../../a.png", "C:/a.png", "a\n.png", " a.png", "\ud800.png"]
)
def test_names_that_lead_out_are_refused(name: str, tmp_path: Path) -> None:
    coco = {"images": [{"id": 1, "file_name": name, "width": 9, "height": 9}], "annotations": [], "categories": []}
    write_files(tmp_path / "coco", {"c.json": json.dumps(coco)})
    message = refused(tmp_path / "coco", "coco", "anomdet", tmp_path / "out", with_images=False)
    assert "an image name inside the folder of the images" in message


def test_another_size_than_the_file_has(tmp_path: Path) -> None:
    coco = {
        "images": [{"id": 1, "file_name": "a.png", "width": 320, "height": 200}],
        "annotations": [],
        "categories": [],
    }
    write_files(tmp_path / "coco", {"c.json": coco, "a.png": None})
    message = refused(tmp_path / "coco", "coco", "anomdet", tmp_path / "out")
    assert "expected the image's size 160 x 100 (width x height), got 320 x 200" in message
    coco["images"][0] |= {"width": 100, "height": 160}
    reported = refused(write_files(tmp_path / "coco", {"c.json": coco}), "coco", "anomdet", tmp_path / "out")
    assert "got 100 x 160; width and height may be exchanged; if the boxes fit the image, correct the two" in reported


def test_class_names_and_numbers(source: Path, tmp_path: Path) -> None:
    done = run(source, "anomdet", "voc", tmp_path / "plain")
    assert done.names == {-3: "-3", 7: "7"}
    write_files(tmp_path, {"run.yaml": "model: {name: x}\ndata:\n  classes: {7: dent, -3: Öse, 9: unused}\n"})
    done = run(source, "anomdet", "voc", tmp_path / "named", classes=tmp_path / "run.yaml")
    assert done.names == {-3: "Öse", 7: "dent", 9: "unused"}
    (tmp_path / "named/classes.yaml").unlink()
    done = run(tmp_path / "named", "voc", "anomdet", tmp_path / "counted")
    assert done.names == {1: "dent", 2: "Öse"}  # by name, from 1
    done = run(tmp_path / "named", "voc", "anomdet", tmp_path / "back", classes=tmp_path / "run.yaml")
    assert (tmp_path / "back/labels/a.txt").read_text() == SOURCE["labels/a.txt"]
    assert yaml.safe_load(done.settings)["data"]["classes"] == {-3: "Öse", 7: "dent", 9: "unused"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("data: {}", "data.classes: expected a mapping as {1: scratch, 2: dent}, got nothing"),
        ("data: {classes: {x: y}}", "data.classes.x: expected an integer as class number, got 'x'"),
        ("data: {classes: {1: yes}}", "data.classes.1: expected a text as name, got True; put it in quotes"),
        ("data: {classes: {1: a, 2: a}}", "data.classes.2: expected a name of its own, got 'a', as 1"),
        ("data: [", "expected YAML"),
        ("data: {classes: {1: ' a'}}", "class 1: expected a name without outer blanks and control characters"),
        ("data: {classes: {7: '-3'}}", "class 7: expected a name of its own, got '-3', as class -3"),
    ],
)
def test_wrong_classes(text: str, message: str, source: Path, tmp_path: Path) -> None:
    write_files(tmp_path, {"c.yaml": text})
    assert message in refused(source, "anomdet", "voc", tmp_path / "out", classes=tmp_path / "c.yaml")


@pytest.mark.parametrize(
    "text", ["data: {classes: {7: dent, -3: hole}}", "classes: {7: dent, -3: hole}", "7: dent\n-3: hole\n"]
)
def test_class_names_beside_the_labels_as_many_write_them(text: str, source: Path, tmp_path: Path) -> None:
    write_files(source, {"classes.yaml": text})
    assert run(source, "anomdet", "coco", tmp_path / "out").names == {-3: "hole", 7: "dent"}
    assert run(source, "anomdet", "coco", tmp_path / "2", classes=source / "classes.yaml").names == {
        -3: "hole",
        7: "dent",
    }


@pytest.mark.parametrize("text", ["- dent\n", "dent: 0\n", "names: {}\n"])
def test_a_file_of_classes_that_names_none_is_reported(text: str, source: Path, tmp_path: Path) -> None:
    (source / "classes.yaml").write_text(text)
    done = run(source, "anomdet", "coco", tmp_path / "out")
    assert done.names == {-3: "-3", 7: "7"}
    assert "1 x classes.yaml without numbers and names, as 1: dent: left out (classes.yaml)" in done.notes


def test_a_class_that_the_file_does_not_know(source: Path, tmp_path: Path) -> None:
    run(source, "anomdet", "labelme", tmp_path / "labelme")
    write_files(tmp_path, {"c.yaml": "data: {classes: {1: dent}}"})
    message = refused(tmp_path / "labelme", "labelme", "coco", tmp_path / "out", classes=tmp_path / "c.yaml")
    assert "a.json: shapes[0]: expected a class of dent, got '7'; add it to the list" in message


def test_what_is_not_carried_over_is_told_and_kept(tmp_path: Path) -> None:
    segment = {"image_id": 1, "category_id": 1, "bbox": [-5, 2, 9, 4], "segmentation": [[-5, 2, 4, 2, 4, 6]]}
    image = {"id": 1, "file_name": "a.png", "width": 160, "height": 100}
    coco = {"images": [image], "annotations": [segment] * 3, "categories": [{"id": 1, "name": "x"}]}
    write_files(tmp_path / "coco", {"c.json": coco, "a.png": None})
    done = run(tmp_path / "coco", "coco", "anomdet", tmp_path / "out")
    assert done.notes == (
        "3 x box that leaves its image in part: kept as it is (c.json: images[0])",
        "2 x object that is there twice: kept; `anomdet check --fix` removes the copy (c.json: images[0])",
        "3 x segment: only its box kept (c.json: a.png)",
    )
    rows = list(csv.reader((tmp_path / "out/conversion.csv").read_text().splitlines()))
    assert rows[0] == ["what", "fate", "count", "file"]
    assert rows[3] == ["segment", "only its box kept", "3", "c.json: a.png"]
    assert (tmp_path / "out/labels/a.txt").read_text() == "1 -5 2 9 4\n" * 3


def test_the_settings_fit_the_output(source: Path, tmp_path: Path) -> None:
    write_files(source, {"splits/train.txt": "a.png\n", "splits/test.txt": "sub/b c.png\n"})
    done = run(source, "anomdet", "anomdet", tmp_path / "two")
    assert "split_files" not in done.settings  # they need train and val
    assert (tmp_path / "two/splits/test.txt").read_text() == "sub/b c.png\n"
    write_image(source / "images/v.png")
    write_files(source, {"labels/v.txt": "", "splits/val.txt": "v.png\n"})
    done = run(source, "anomdet", "anomdet", tmp_path / "all three")
    settings = yaml.safe_load(done.settings)["data"]
    assert settings["data_dir"] == str(tmp_path / "all three")
    assert all(Path(path).exists() for path in settings["split_files"].values())
    (source / "splits/test.txt").unlink()
    done = run(source, "anomdet", "anomdet", tmp_path / "no test")
    assert list(yaml.safe_load(done.settings)["data"]["split_files"]) == ["train", "val"]
    write_files(source, {"splits/val.txt": "gone.png\n"})
    message = refused(source, "anomdet", "coco", tmp_path / "out")
    assert "splits/val.txt:1: expected the name of an image, got 'gone.png'" in message
