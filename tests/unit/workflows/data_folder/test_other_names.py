"""Labels that were converted anew, with other numbers for the same classes."""

from pathlib import Path

from anomdet.config.schema_data import DataSettings
from anomdet.workflows.check import check
from anomdet.workflows.data_folder.beside_data import unused_files
from anomdet.workflows.data_folder.other_names import other_names
from tests.unit.formats.cases import write_files

CONVERTED = "data: {classes: {1: burr, 2: crack, 3: dent}}"
BEFORE = {1: "crack", 2: "dent", 3: "stain"}


def test_numbers_that_mean_other_classes_are_said(tmp_path: Path) -> None:
    files = {"images/a.png": None, "labels/a.txt": "1 10 20 30 40\n2 10 20 30 40\n3 50 20 30 40\n"}
    write_files(tmp_path, {**files, "classes.yaml": CONVERTED})
    (line,) = unused_files(DataSettings(data_dir=str(tmp_path), classes=BEFORE))
    said = "1: burr, 2: crack, 3: dent"
    assert f"classes.yaml says {said}, data.classes 1: crack, 2: dent, 3: stain: correct the wrong one" in line
    found = check(settings={"data": {"data_dir": str(tmp_path), "classes": BEFORE}}).findings
    (named,) = [one for one in found if one.code == "class-named"]
    assert (named.file, named.got) == ("classes.yaml", said) and "convert them with --classes" in named.hint


def test_names_that_agree_or_are_all_others_say_nothing(tmp_path: Path) -> None:
    assert other_names(tmp_path, BEFORE) == ("", "")
    write_files(tmp_path, {"classes.yaml": CONVERTED})
    same = {1: "burr", 2: "crack", 3: "dent", 4: "stain"}
    translated = {1: "Grat", 2: "Riss", 3: "Delle"}
    assert all(other_names(tmp_path, names) == ("", "") for names in (None, same, translated))
    assert other_names(tmp_path, {1: "burr", 2: "crack", 3: "bump"}) == ("3: dent", "3: bump")
    write_files(tmp_path, {"classes.yaml": "data: {classes: {one: burr}}"})
    assert other_names(tmp_path, BEFORE) == ("", "")
