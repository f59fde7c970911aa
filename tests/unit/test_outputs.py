"""Files appear whole or not at all."""

import os
import stat

import pytest

from anomdet.outputs import atomic_write, write_text


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
