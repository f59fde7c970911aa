"""Nothing that an earlier run left is overwritten."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from anomdet.errors import UserError
from anomdet.outputs import make_folder, move_aside


def fill(folder: Path, *names: str) -> None:
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).write_text(name, encoding="utf-8")


def test_named_results_move_and_the_rest_stays(tmp_path: Path) -> None:
    fill(tmp_path, "training.log", "notes.txt")
    fill(tmp_path / "evaluation", "metrics.json")
    target = move_aside(tmp_path, ("training.log", "evaluation", "missing"))
    assert target is not None
    assert target.parent == tmp_path / "previous"
    assert (target / "training.log").read_text(encoding="utf-8") == "training.log"
    assert (target / "evaluation" / "metrics.json").is_file()
    assert {path.name for path in tmp_path.iterdir()} == {"previous", "notes.txt"}


def test_nothing_to_move_makes_nothing(tmp_path: Path) -> None:
    assert move_aside(tmp_path, ("training.log",)) is None
    assert move_aside(tmp_path / "not there", ("training.log",)) is None
    assert list(tmp_path.iterdir()) == []


def test_runs_within_one_second_keep_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.strftime", lambda _: "20260101_000000")
    targets = []
    for number in range(3):
        fill(tmp_path, "last.pth")
        (tmp_path / "last.pth").write_text(str(number), encoding="utf-8")
        targets.append(move_aside(tmp_path, ("last.pth",)))
    assert len(set(targets)) == 3
    assert [(target / "last.pth").read_text(encoding="utf-8") for target in targets if target] == ["0", "1", "2"]


def test_make_folder(tmp_path: Path) -> None:
    assert make_folder(tmp_path / "a" / "b", "logging.log_dir").is_dir()
    assert list((tmp_path / "a" / "b").iterdir()) == []
    fill(tmp_path, "file")
    with pytest.raises(UserError, match=r"logging\.log_dir: expected a folder that can be written"):
        make_folder(tmp_path / "file", "logging.log_dir")
    with pytest.raises(UserError, match="file"):
        make_folder(tmp_path / "file" / "below", "logging.log_dir")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_the_right_to_write(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(UserError, match="can be written"):
        make_folder(tmp_path, "--out")
    tmp_path.chmod(0o700)
