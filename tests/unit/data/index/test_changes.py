"""Files that change after a training has begun."""

from __future__ import annotations

from pathlib import Path

import pytest

from anomdet.data.index.changes import FileStamps
from anomdet.data.index.scan import scan
from tests.unit.conftest import DataMaker


@pytest.fixture
def data_dir(make_data: DataMaker) -> Path:
    return make_data({"a.png": "1 2 3 4 5\n", "b.png": "", "sub/c.d.png": "2 1 1 3 3\n"})


def stamps(data_dir: Path, *positions: int) -> FileStamps:
    return FileStamps(data_dir, scan(data_dir).columns, positions)


def test_nothing_has_changed(data_dir: Path) -> None:
    assert stamps(data_dir, 0, 1, 2).changed(None) == []


def test_changed_files_are_named_once(data_dir: Path) -> None:
    seen = stamps(data_dir, 0, 1, 2)
    (data_dir / "labels" / "sub" / "c.d.txt").write_text("2 1 1 3 4\n2 5 5 3 3\n")
    (data_dir / "images" / "b.png").unlink()
    assert seen.changed(None) == ["images/b.png", "labels/sub/c.d.txt"]
    assert seen.changed(None) == []


def test_another_split_is_not_looked_at(data_dir: Path) -> None:
    seen = stamps(data_dir, 0, 2)
    (data_dir / "labels" / "b.txt").write_text("1 2 3 4 5\n")
    assert seen.changed(None) == []


def test_a_new_link_to_an_image_is_no_change(data_dir: Path) -> None:
    seen = stamps(data_dir, 0)
    (data_dir / "copy.png").hardlink_to(data_dir / "images" / "a.png")
    assert seen.changed(None) == []


def test_a_folder_that_is_gone(data_dir: Path) -> None:
    seen = stamps(data_dir, 0)
    (data_dir / "labels").rename(data_dir / "other")
    assert seen.changed(None) == ["labels/"]


def test_what_there_is_no_time_for_comes_next(make_data: DataMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    data_dir = make_data({f"{at}.png": "1 1 1 2 2\n" for at in range(5)})
    monkeypatch.setattr("anomdet.data.index.changes._BATCH", 2)
    seen = stamps(data_dir, *range(5))
    for at in range(5):
        (data_dir / "labels" / f"{at}.txt").write_text("1 2 3 4 5\n")
    looked = [seen.changed(0) for _ in range(4)]
    assert looked == [["labels/0.txt", "labels/1.txt"], ["labels/2.txt", "labels/3.txt"], ["labels/4.txt"], []]
