"""``--classes`` for a source with numbers of its own, which has counted its classes anew."""

from pathlib import Path

import pytest

from tests.unit.formats.cases import run, write_files
from tests.unit.formats.test_convert import refused

BOX = {"image_id": 1, "bbox": [5, 2, 9, 4]}
IMAGE = {"id": 1, "file_name": "a.png", "width": 160, "height": 100}


def _coco(names: dict[int, str], used: list[int]) -> dict:
    categories = [{"id": number, "name": name} for number, name in names.items()]
    boxes = [BOX | {"id": number, "category_id": number, "bbox": [5, 2, 9, 4 + number]} for number in used]
    return {"images": [IMAGE], "annotations": boxes, "categories": categories}


@pytest.mark.parametrize("kind", ["coco", "anomdet"])
def test_classes_that_were_counted_anew_get_the_numbers_of_the_file(kind: str, tmp_path: Path) -> None:
    coco = _coco({1: "burr", 2: "crack", 3: "dent"}, [1, 2, 3])
    source = write_files(tmp_path / "coco", {"c.json": coco, "a.png": None})
    write_files(tmp_path, {"c.yaml": "{1: crack, 2: dent, 3: stain, 4: burr}", "few.yaml": "{1: crack, 2: dent}"})
    if kind == "anomdet":
        run(source, "coco", "anomdet", tmp_path / "text")
        source = tmp_path / "text"
    done = run(source, kind, "anomdet", tmp_path / "out", classes=tmp_path / "c.yaml")
    assert done.objects == {1: 1, 2: 1, 3: 0, 4: 1} and done.names[4] == "burr"
    assert [line[0] for line in (tmp_path / "out/labels/a.txt").read_text().splitlines()] == ["4", "1", "2"]
    assert sum("class 1, 'burr': class 4, 'burr', as --classes says" in note for note in done.notes) == 1
    message = refused(source, kind, "anomdet", tmp_path / "2", classes=tmp_path / "few.yaml")
    assert "expected a class of crack, dent, got 'burr'; add it to the list" in message


def test_other_names_for_the_same_numbers_are_reported(tmp_path: Path) -> None:
    coco = _coco({1: "crack", 2: "zinc"}, [1, 2])
    source = write_files(tmp_path / "coco", {"c.json": coco, "a.png": None})
    write_files(tmp_path, {"c.yaml": "{1: crack, 2: stain}"})
    done = run(source, "coco", "anomdet", tmp_path / "out", classes=tmp_path / "c.yaml")
    assert done.names == {1: "crack", 2: "stain"}
    (note,) = done.notes
    assert note.startswith("1 x class 2, 'zinc': class 2, 'stain', as --classes says")


def test_what_keeps_the_numbers_is_said(tmp_path: Path) -> None:
    source = write_files(tmp_path / "coco", {"c.json": _coco({1: "crack", 2: "zinc"}, [1, 2]), "a.png": None})
    done = run(source, "coco", "anomdet", tmp_path / "out")
    keep = f"--classes {tmp_path}/out/classes.yaml"
    assert f"later exports may count the classes otherwise: {keep} gives them these numbers" in done.text
    assert not run(source, "coco", "voc", tmp_path / "2", classes=tmp_path / "out/classes.yaml").keep
