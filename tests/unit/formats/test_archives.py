"""A zip archive as a source: read like the folder, safely, and nothing of it stays."""

from __future__ import annotations

import stat
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import pytest

from anomdet.errors import UserError
from anomdet.formats import archives
from tests.unit.formats.cases import run, write_files
from tests.unit.formats.test_accounting import UNLABELLED


def pack(folder: Path, target: Path, prefix: str = "") -> Path:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, prefix + path.relative_to(folder).as_posix())
    return target


def refused(source: Path, out: Path) -> str:
    with pytest.raises(UserError) as raised:
        run(source, None, "anomdet", out)
    assert not out.exists()
    assert not [path for path in out.parent.iterdir() if path.name.startswith(".")]
    return str(raised.value)


@pytest.mark.parametrize("prefix", ["", "my export/", "deep/er/"])
@pytest.mark.parametrize("format_name", sorted(set(UNLABELLED) - {"anomdet"}))
def test_an_archive_is_read_as_its_folder(format_name: str, prefix: str, tmp_path: Path) -> None:
    folder = write_files(tmp_path / "in", UNLABELLED[format_name])
    archive = pack(folder, tmp_path / "export.zip", prefix)
    from_folder = run(folder, format_name, "anomdet", tmp_path / "1", unlabelled="skip")
    from_archive = run(archive, None, "anomdet", tmp_path / "2", unlabelled="skip")
    assert from_archive.recognised.startswith(f"{format_name} (")
    assert from_archive.notes == from_folder.notes
    assert from_archive.objects == from_folder.objects
    labels = [{path.name: path.read_text() for path in (tmp_path / out).rglob("*.txt")} for out in "12"]
    assert labels[0] == labels[1]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1", "2", "export.zip", "in"]


def test_images_outlive_the_folder_that_they_were_unpacked_into(tmp_path: Path) -> None:
    archive = pack(write_files(tmp_path / "in", UNLABELLED["voc"]), tmp_path / "export.zip")
    done = run(archive, "voc", "yolo", tmp_path / "new/out")
    assert done.num_linked == 1
    assert (tmp_path / "new/out/images/a.png").read_bytes() == (tmp_path / "in/a.png").read_bytes()


def entry(name: str, mode: int = stat.S_IFREG | 0o644) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    info.create_system = 3
    return info


@pytest.mark.parametrize(
    ("entries", "told"),
    [
        ([("../outside.txt", "x")], "a name inside the archive, got one that leads out of it"),
        ([("/tmp/outside.txt", "x")], "a name inside the archive, got one that leads out of it"),
        ([("..\\outside.txt", "x")], "a name inside the archive, got one that leads out of it"),
        ([(".\\", "x")], "a name, got none"),
        ([("C:/outside.txt", "x")], "a name inside the archive, got one that leads out of it"),
        ([("a/../../outside.txt", "x")], "a name inside the archive, got one that leads out of it"),
        ([(entry("link", stat.S_IFLNK | 0o777), "/etc/passwd")], "a plain file, got a link or a device"),
        ([("a.txt", "1"), ("a\\..\\a.txt", "2")], "leads out"),
        ([("sub/a.txt", "1"), ("sub\\a.txt", "2")], "each file once, got it twice"),
        ([("a", "1"), ("a/b", "2")], "a name that this disk can hold beside the others, got File exists ('b')"),
        ([(f"{'y' * 300}.txt", "1")], "a name that this disk can hold beside the others, got File name too long ('yyy"),
        (
            [("task_1.zip", "1"), ("b/task_2.ZIP", "2")],
            "got 2 archives in it, the first is 'task_1.zip'; unpack",
        ),
    ],
)
def test_what_is_not_safe_is_refused(entries: list[tuple[Any, str]], told: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as archive:
        for name, text in entries:
            archive.writestr(name, text)
    assert told in refused(tmp_path / "bad.zip", tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["bad.zip"]
    assert not (tmp_path.parent / "outside.txt").exists()


def test_a_bomb_is_stopped_by_what_it_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever sizes the archive claims."""
    monkeypatch.setattr(archives, "_FREE_BYTES", 1 << 20)
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.txt", b"0" * (8 << 20))
    told = refused(tmp_path / "bomb.zip", tmp_path / "out")
    assert "content of at most 100 times the archive's size that fits on the disk, got more" in told


def test_a_damaged_or_encrypted_archive_and_other_kinds(tmp_path: Path) -> None:
    whole = pack(write_files(tmp_path / "in", UNLABELLED["voc"]), tmp_path / "whole.zip").read_bytes()
    at = whole.index(b"a.png") + 5
    spoilt = whole[:at] + bytes(byte ^ 255 for byte in whole[at : at + 40]) + whole[at + 40 :]
    (tmp_path / "spoilt.zip").write_bytes(spoilt)
    assert "expected a whole zip archive, got " in refused(tmp_path / "spoilt.zip", tmp_path / "out")
    (tmp_path / "cut.zip").write_bytes(whole[: len(whole) // 2])
    assert "which is no zip archive that can be read; it may be cut off" in refused(
        tmp_path / "cut.zip", tmp_path / "out"
    )
    for name in ("e.tar.gz", "e.7z", "e.rar"):
        (tmp_path / name).write_bytes(b"x")
        assert "unpack it first" in refused(tmp_path / name, tmp_path / "out")
    locked = bytearray(whole)
    locked[whole.index(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "locked.zip").write_bytes(locked)
    assert "expected a file that is not encrypted" in refused(tmp_path / "locked.zip", tmp_path / "out")


@pytest.mark.slow
@pytest.mark.parametrize(("method", "name"), [(zipfile.ZIP_BZIP2, "bzip2"), (zipfile.ZIP_LZMA, "LZMA")])
def test_a_packing_that_cannot_be_read_bit_by_bit(tmp_path: Path, method: int, name: str) -> None:
    """Two kilobytes of bzip2 were 2 GB of memory before a byte was counted."""
    with zipfile.ZipFile(tmp_path / "e.zip", "w", method) as archive:
        archive.writestr("labels.json", "{}")
        archive.writestr("images/a.png", bytes(10**8))
    tracemalloc.start()
    told = refused(tmp_path / "e.zip", tmp_path / "out")
    assert f"images/a.png': expected a file packed by deflate, or not packed, got {name}; unpack it first" in told
    assert tracemalloc.get_traced_memory()[1] < 5e7
    tracemalloc.stop()
    assert not list(tmp_path.glob(".*"))


def test_names_in_utf8_that_the_archive_does_not_declare(tmp_path: Path) -> None:
    """As the zip program of macOS writes them."""
    pack(
        write_files(tmp_path / "in", {"images/\u00fc.png": None, "labels/\u00fc.txt": "0 0.5 0.5 0.1 0.1\n"}),
        tmp_path / "e.zip",
    )
    data = (tmp_path / "e.zip").read_bytes()
    for head, at in ((b"PK\x03\x04", 7), (b"PK\x01\x02", 9)):
        parts = data.split(head)
        data = head.join(
            [parts[0], *(part[: at - 4] + bytes([part[at - 4] & ~8]) + part[at - 3 :] for part in parts[1:])]
        )
    (tmp_path / "e.zip").write_bytes(data)
    assert zipfile.ZipFile(tmp_path / "e.zip").namelist()[0] != "images/\u00fc.png"
    run(tmp_path / "e.zip", "yolo", "anomdet", tmp_path / "out")
    assert (tmp_path / "out/labels/\u00fc.txt").read_text()


def test_names_whose_letters_the_archive_does_not_tell(tmp_path: Path) -> None:
    """As packed by Windows in Japan: they come out as other letters, which must be said."""
    name = "画像".encode("cp932")
    with zipfile.ZipFile(tmp_path / "e.zip", "w") as archive:
        archive.writestr("labels/XXXX.txt", "0 0.5 0.5 0.1 0.1\n")
        archive.write(write_files(tmp_path / "in", {"a.png": None}) / "a.png", "images/XXXX.png")
    (tmp_path / "e.zip").write_bytes((tmp_path / "e.zip").read_bytes().replace(b"XXXX", name))
    done = run(tmp_path / "e.zip", "yolo", "anomdet", tmp_path / "out")
    assert sum(done.objects.values()) == 1
    assert any(
        note.startswith("2 x name in the archive in an encoding that it does not name: read as") for note in done.notes
    )


def test_messages_name_the_archive(tmp_path: Path) -> None:
    folder = write_files(
        tmp_path / "in", {"annotations.xml": "<annotations><image/></annotations>", "images/a.png": b"x"}
    )
    told = refused(pack(folder, tmp_path / "export.zip"), tmp_path / "out")
    assert told.startswith("Nothing was written; export.zip (unpacked) has ")
    assert "unpacked/" not in told
