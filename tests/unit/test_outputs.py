"""Files appear whole or not at all."""

import csv
import io
import os
import stat
import subprocess
import sys

import pytest

from anomdet.outputs import atomic_write, csv_text, remove_leftovers, write_text


def test_an_error_inside_the_block_leaves_the_old_file_and_no_other(tmp_path):
    path = write_text(tmp_path / "a.txt", "old")
    with pytest.raises(ValueError, match="stop"), atomic_write(path) as file:
        file.write(b"half of the new")
        raise ValueError("stop")
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.txt"]


def test_the_content_is_on_the_disk_before_the_name_changes(tmp_path, monkeypatch):
    path = write_text(tmp_path / "a.txt", "old")
    seen = []
    real = os.fsync
    monkeypatch.setattr("os.fsync", lambda handle: (seen.append(path.read_text()), real(handle)))
    write_text(path, "new")
    assert seen == ["old"]
    assert path.read_text() == "new"


def test_text_is_utf_8_and_readable_for_others(tmp_path):
    path = write_text(tmp_path / "a.txt", "Prüfteil ✓\n")
    assert path.read_bytes() == "Prüfteil ✓\n".encode()
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~mask


def test_a_long_name_has_a_temporary_file_too(tmp_path):
    path = write_text(tmp_path / f"{'ü' * 120}.txt", "whole")
    assert path.read_text() == "whole"


def test_only_what_the_dead_left_is_removed(tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    with atomic_write(tmp_path / "last.pth"):
        (own,) = tmp_path.iterdir()
        left = own.with_name(own.name.replace(f"-{os.getpid()}.", f"-{dead.pid}."))
        kept = {".last.pth.bak", ".last.pth.otherhost-1.abcdefgh", ".best_model.pth.x", own.name}
        for name in (*kept - {own.name}, left.name):
            (tmp_path / name).write_text("x")
        remove_leftovers(tmp_path, ["last.pth"])
        assert {path.name for path in tmp_path.iterdir()} == kept


@pytest.mark.parametrize("text", ["=1+1", "+cmd", "-2+3", "@SUM(1)", "\t=1", " =1", "\r=1", "\n=1", "-"])
def test_a_spreadsheet_runs_no_cell_as_a_formula(text):
    (row,) = csv.reader(io.StringIO(csv_text([(text, "x")])))
    assert row[0].startswith("'") and row[1] == "x"


@pytest.mark.parametrize("value", ["-0.5", "1e-3", "-7", ".5", "a=b", "a-1.png", -0.5, 3])
def test_numbers_and_plain_texts_stay(value):
    assert csv_text([(value,)]) == f"{value}\n"


def test_a_folder_that_cannot_be_written_is_reported_by_the_name_of_the_file(tmp_path):
    """Not by that of the temporary file, which nobody has asked for."""
    with pytest.raises(OSError) as raised:
        write_text(tmp_path / "gone/run.yaml", "")
    assert raised.value.filename == str(tmp_path / "gone/run.yaml")
