"""Another tool's labels in place of the data, and lists and class names beside it."""

from __future__ import annotations

from pathlib import Path

import pytest

from anomdet.config.schema_data import DataSettings
from anomdet.errors import UserError
from anomdet.formats.convert import Job, convert
from anomdet.workflows.check import check
from anomdet.workflows.data_folder.beside_data import refuse_raw_data, split_folders, unused_files
from anomdet.workflows.init import init
from anomdet.workflows.propose import propose_settings
from anomdet.workflows.train import train
from tests.unit.formats.cases import write_files
from tests.unit.formats.test_accounting import UNLABELLED
from tests.unit.formats.test_names import coco

RAW = {
    "coco": {"train/_annotations.coco.json": coco("a.png"), "train/a.png": None},
    "voc": {"Annotations/a.xml": "<annotation/>", "JPEGImages/a.png": None},
    "labelme": UNLABELLED["labelme"],
    "yolo": {"train/images/a.png": None, "train/labels/a.txt": "0 0.5 0.5 0.1 0.1\n", "data.yaml": "names: [a]\n"},
}


@pytest.mark.parametrize("verb", ["init", "train", "check"])
@pytest.mark.parametrize("format_name", RAW)
def test_the_command_that_converts_is_named(format_name: str, verb: str, tmp_path: Path) -> None:
    folder = write_files(tmp_path / "my data", RAW[format_name])
    with pytest.raises(UserError) as raised:
        if verb == "init":
            propose_settings(folder)
        elif verb == "check":
            check(folder)
        else:
            train({"data": {"data_dir": str(folder)}})
    command = f"anomdet convert '{folder}' --from {format_name} --to anomdet --out '{folder}_anomdet'"
    assert str(raised.value).startswith(f"{folder}: expected a folder with images/ and labels/, got labels of ")
    assert str(raised.value).endswith(f"; convert it: {command}")


@pytest.mark.parametrize("rule", ["error", "normal", "skip"])
def test_labels_of_another_tool_in_labels_are_no_missing_ones(rule: str, tmp_path: Path) -> None:
    """With data.missing_labels: normal all images would be normal parts."""
    folder = write_files(tmp_path / "data", {"images/x/a.png": None, "labels/x/a.xml": "<annotation/>"})
    with pytest.raises(UserError, match=f"convert {folder} --from voc --to anomdet --out {folder}_anomdet"):
        propose_settings(folder, [f"data.missing_labels={rule}"])
    refuse_raw_data(write_files(folder, {"labels/x/b.txt": ""}))


def test_the_output_for_the_working_folder_is_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was ._anomdet, a hidden folder within the source, which convert refuses."""
    monkeypatch.chdir(write_files(tmp_path / "data", RAW["voc"]))
    with pytest.raises(UserError, match=f"convert . --from voc --to anomdet --out {tmp_path}/data_anomdet"):
        refuse_raw_data(".")


def test_several_formats_and_none(tmp_path: Path) -> None:
    write_files(tmp_path / "two", {"a.xml": "<annotation/>", "b.xml": "<annotations/>"})
    with pytest.raises(UserError, match=r"Pascal VOC \(a.xml\) or CVAT \(b.xml\); convert it: .*--from FORMAT"):
        refuse_raw_data(tmp_path / "two")
    refuse_raw_data(write_files(tmp_path / "none", {"images/a.png": None}))
    refuse_raw_data(tmp_path / "nowhere")
    refuse_raw_data(
        write_files(tmp_path / "good", {"images/a.png": None, "labels/.keep": "", "data.yaml": "names: [a]"})
    )
    refuse_raw_data(write_files(tmp_path / "ours", {"images/a.png": None, "labels/a.txt": "", "x.json": coco("a")}))


LISTS = {"splits/train.txt": "0.png\n1.png\n2.png\n", "splits/val.txt": "3.png\n", "splits/test.txt": "4.png\n"}
DATA = {f"images/{i}.png": None for i in range(5)} | {f"labels/{i}.txt": "7 10 20 30 40\n" for i in range(5)}


def test_init_takes_the_lists_and_names(tmp_path: Path) -> None:
    write_files(tmp_path, {**DATA, **LISTS, "classes.yaml": "data: {classes: {7: dent}}"})
    found = propose_settings(tmp_path)
    files = found.settings.data.split_files
    assert files is not None
    assert files.model_dump() == {split: str(tmp_path / f"splits/{split}.txt") for split in ("train", "val", "test")}
    assert found.settings.data.classes == {7: "dent"}
    assert "  splits        lists found in splits/: train 3, val 1, test 1" in found.notes
    assert (
        propose_settings(
            tmp_path, ["data.train_split=0.6", "data.val_split=0.2", "data.test_split=0.2"]
        ).settings.data.split_files
        is None
    )


def test_init_takes_lists_without_test(tmp_path: Path) -> None:
    """As YOLO's data sets have them: no image that was kept apart is trained on."""
    write_files(tmp_path, {**DATA, **LISTS, "splits/val.txt": "3.png\n4.png\n"})
    (tmp_path / "splits/test.txt").unlink()
    found = propose_settings(tmp_path)
    files = found.settings.data.split_files
    assert files is not None and (Path(files.val).name, files.test) == ("val.txt", None)
    line = "  splits        lists found in splits/: train 3, val 1, test 1; none of test: that of val is shared out"
    assert line in found.notes


@pytest.mark.parametrize("name", ["data.yaml", "instances.json"])
def test_a_file_of_another_tool_is_recognised(name: str, tmp_path: Path) -> None:
    files = {"yolo": {"data.yaml": "names: [a]\n"}, "coco": {"instances.json": coco("a.png")}}
    kind = "yolo" if name == "data.yaml" else "coco"
    path = write_files(tmp_path, files[kind]) / name
    source = tmp_path if kind == "yolo" else path
    out = f"{tmp_path}_anomdet" if kind == "yolo" else f"{path.with_suffix('')}_anomdet"
    with pytest.raises(UserError, match=f"convert {source} --from {kind} --to anomdet --out {out}$"):
        init(path, out=tmp_path / "run.yaml")


@pytest.mark.parametrize("spoilt", [{"splits/val.txt": "9.png\n"}, {"splits/val.txt": "0.png\n"}])
def test_init_refuses_faulty_lists(spoilt: dict[str, str], tmp_path: Path) -> None:
    """Other splits in their place would train on images that the user has set apart."""
    write_files(tmp_path, {**DATA, **LISTS, **spoilt})
    with pytest.raises(
        UserError, match=r"(?s)lists in splits/ cannot be used:.*val\.txt:1.*nothing was written; correct"
    ):
        propose_settings(tmp_path)


def test_init_says_which_list_is_missing(tmp_path: Path) -> None:
    write_files(tmp_path, {**DATA, **LISTS})
    (tmp_path / "splits/val.txt").unlink()
    found = propose_settings(tmp_path)
    assert found.settings.data.split_files is None
    assert any(
        line.startswith("! splits        splits/ is not used: expected train.txt and val.txt") for line in found.notes
    )


def test_what_training_does_not_use_is_said(tmp_path: Path) -> None:
    write_files(tmp_path, {**DATA, **LISTS, "classes.yaml": "data: {classes: {7: dent}}"})
    data = DataSettings(data_dir=str(tmp_path))
    lines = unused_files(data)
    assert f"add 'data.split_files={{train: {tmp_path}/splits/train.txt, val: " in lines[0]
    assert "class names that the settings do not use" in lines[1]
    (tmp_path / "splits/test.txt").unlink()
    assert f"val: {tmp_path}/splits/val.txt}}'" in unused_files(data)[0]
    (tmp_path / "splits/val.txt").unlink()
    assert "has train.txt, which is not used: data.split_files needs train and val" in unused_files(data)[0]
    assert unused_files(data.model_copy(update={"data_dir": str(tmp_path / "images")})) == []


def test_folders_called_as_splits_are_said(tmp_path: Path) -> None:
    """Their owner takes images/Test for the test split; convert writes it as a list, which init uses."""
    folders = ("train", "valid", "Test")
    files = {f"images/{folder}/{folder}{i}.png": None for folder in folders for i in range(2)}
    files |= {name.replace("images/", "labels/").replace("png", "txt"): "7 10 20 30 40\n" for name in files}
    data = write_files(tmp_path / "data", files)
    line = (
        "images/train, images/valid, images/Test do not count as splits, images of Test are trained on: "
        f"anomdet convert {data} --from anomdet --to anomdet --out {data}_lists writes lists of them, which anomdet "
        "init uses"
    )
    assert f"! splits        {line}" in propose_settings(data).notes
    assert unused_files(DataSettings(data_dir=str(data))) == [line]
    convert(Job(data, "anomdet", "anomdet", tmp_path / "data_lists"))
    assert "  splits        lists found in splits/: train 2, val 2, test 2" in propose_settings(f"{data}_lists").notes
    assert split_folders(f"{data}_lists") == ""


def test_one_folder_called_train_says_nothing(tmp_path: Path) -> None:
    assert split_folders(write_files(tmp_path, {"images/train/a.png": None, "images/b.png": None})) == ""
