"""What a run says of its splits before it starts, and where labels changed between a run and its resume."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from anomdet.data.dataset import TextLabelDataset
from anomdet.data.near_duplicates.across import Looked
from anomdet.data.synth.generate import generate
from anomdet.errors import UserError
from anomdet.workflows.runs.split_record import check_objects, write_splits


def run_on(folder: Path, **more: object) -> SimpleNamespace:
    return SimpleNamespace(train_dataloader=SimpleNamespace(dataset=TextLabelDataset(str(folder), "train", **more)))


def test_training_images_without_an_object_are_refused(tmp_path: Path) -> None:
    """All its epochs were trained, with a warning, and the detector found nothing."""
    generate(tmp_path / "data", num_images=12)
    labels = {path.stem: path.read_text() for path in sorted((tmp_path / "data" / "labels").iterdir())}
    names = {path.stem: path.name for path in (tmp_path / "data" / "images").iterdir()}
    lists = {
        "train": [one for one, text in labels.items() if not text],
        "val": [o for o, text in labels.items() if text],
    }
    for split, stems in lists.items():
        (tmp_path / split).write_text("".join(f"{names[one]}\n" for one in stems))
    check_objects(run_on(tmp_path / "data"))
    with pytest.raises(UserError, match="the train split: expected at least one object, got none in its") as caught:
        check_objects(run_on(tmp_path / "data", split_files={split: str(tmp_path / split) for split in lists}))
    assert "model.name=null" in str(caught.value)


def _reverse_classes(path: Path) -> None:
    """The other class for each object: the same images, the same number of objects."""
    rows = [line.split() for line in path.read_text().splitlines()]
    path.write_text("".join(f"{3 - int(num)} {' '.join(box)}\n" for num, *box in rows))


def _move(path: Path) -> None:
    rows = [line.split() for line in path.read_text().splitlines()]
    path.write_text("".join(f"{num} {x} {y} {float(width) - 1:g} {height}\n" for num, x, y, width, height in rows))


@pytest.mark.parametrize("change", [_reverse_classes, _move])
@pytest.mark.parametrize("split", ["train", "val"])
def test_labels_that_were_changed_before_a_resume_are_said(tmp_path: Path, change, split: str) -> None:
    data, classes = tmp_path / "data", [[1, "a"], [2, "b"]]
    (data / "images").mkdir(parents=True)
    generate(tmp_path / "drawn", num_images=12)
    for at, path in enumerate(sorted((tmp_path / "drawn" / "images").iterdir())):
        (data / "images" / path.name).write_bytes(path.read_bytes())
        (data / "labels").mkdir(exist_ok=True)
        (data / "labels" / path.with_suffix(".txt").name).write_text(f"{1 + at % 2} 3 4 20 30\n" if at % 3 else "")
    run = run_on(data, classes=classes)
    assert write_splits(run, Looked(), tmp_path) == [], "a first start"
    lists = {name: str(tmp_path / "splits" / f"{name}.txt") for name in ("train", "val", "test")}
    again = {"classes": classes, "split_files": lists}  # by the ratios, other classes may be other splits: refused
    assert write_splits(run_on(data, **again), Looked(), tmp_path) == [], "as it was"
    named = (tmp_path / "splits" / f"{split}.txt").read_text().split()
    labels = [data / "labels" / Path(name).with_suffix(".txt") for name in named]
    change(next(path for path in labels if path.read_text()))
    (said,) = write_splits(run_on(data, **again), Looked(), tmp_path)
    assert said.startswith(f"resumed with other labels than before, in the split {split}: they hold from here on")
    assert ("best_model.pth" in said) == (split == "val")
    record = tmp_path / "splits" / "splits.json"
    old = json.loads(record.read_text())
    for one in old["splits"].values():
        del one["objects"]
    record.write_text(json.dumps(old))
    assert write_splits(run, Looked(), tmp_path) == [], "a record of an earlier AnomDet"
