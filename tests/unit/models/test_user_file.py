"""The user's Python files: run, and their folder left as it is."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from anomdet.models.user_file import keeping_no_bytecode, load_name


def test_nothing_is_written_beside_the_file_and_what_it_imports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    (tmp_path / "neighbour_of_mine.py").write_text("size = 3\n")
    (tmp_path / "mine.py").write_text("from neighbour_of_mine import size\n\n\ndef shape():\n    return size\n")
    assert load_name(tmp_path / "mine.py", "shape", "a function")() == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.py", "neighbour_of_mine.py"]
    assert sys.dont_write_bytecode is False


def test_the_choice_of_before_comes_back_after_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    with pytest.raises(ValueError, match="mine"), keeping_no_bytecode():
        raise ValueError("mine")
    assert sys.dont_write_bytecode is False


def test_two_files_have_each_their_own_neighbours(tmp_path: Path) -> None:
    """Detectors of two folders in one process: the second had the layers of the first."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "layers_of_mine.py").write_text(f"size = {name!r}\n")
        (tmp_path / name / "mine.py").write_text("from layers_of_mine import size\n\n\ndef shape():\n    return size\n")
    found = [load_name(tmp_path / name / "mine.py", "shape", "shape()") for name in ("a", "b", "a")]
    assert [shape() for shape in found] == ["a", "b", "a"]
