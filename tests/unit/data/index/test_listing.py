from __future__ import annotations

import os
import socket
from contextlib import contextmanager

import pytest

from anomdet.data.index import listing
from anomdet.data.index.listing import is_unchanged, list_folder


def test_a_folder_is_listed_under_its_own_name(tmp_path, monkeypatch):
    """Whatever order the file system has: links, and links within linked folders, come behind all others."""
    for name in ("data/m/deep", "away/sub"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "x.png").touch()
    for link, target in (
        ("data/a", "data/m/deep"),
        ("data/z", "data/m"),
        ("data/k2", "away"),
        ("data/k1", "away"),
        ("data/b", "away/sub"),
        ("away/up", "data"),
    ):
        (tmp_path / link).symlink_to(tmp_path / target)
    scandir = os.scandir
    for backwards in (False, True):

        @contextmanager
        def ordered(path, backwards=backwards):
            with scandir(path) as entries:
                yield sorted(entries, key=lambda entry: entry.name, reverse=backwards)

        monkeypatch.setattr(listing.os, "scandir", ordered)
        found = list_folder(str(tmp_path / "data"))
        assert found.names == ["b/x.png", "m/deep/x.png"]
        assert sorted(found.folders) == ["", "b", "k1", "m", "m/deep"]


def test_folders_of_the_system_are_left_out(tmp_path):
    """Thumbnails of a network disk, its bin, and those of Windows and macOS: images once more, or deleted ones."""
    for name in ("@eaDir/a.png/SYNOFILE_THUMB_M.png", "part/#recycle/b.png", "$RECYCLE.BIN/c.png", "__MACOSX/d.png"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).touch()
    for name in ("a.png", "lost+found.png", "part/e.png"):
        (tmp_path / name).touch()
    found = list_folder(str(tmp_path))
    assert found.names == ["a.png", "lost+found.png", "part/e.png"]
    assert found.folders == ["", "part"]
    assert is_unchanged(str(tmp_path), found.arrays())


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
def test_what_is_no_regular_file_is_told(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zero").symlink_to("/dev/zero")
    (tmp_path / "dangling").symlink_to("nowhere")
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "file")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(tmp_path / "socket"))  # its whole path may be too long for a name of a socket
        found = list_folder(str(tmp_path))
    assert found.names == ["dangling", "file", "link", "pipe", "socket", "zero"]
    assert found.special == {"pipe": "a named pipe", "socket": "a socket", "zero": "a device"}


def test_without_descriptors_of_folders(tmp_path, monkeypatch):
    """As on Windows, where os has no O_CLOEXEC either, and a folder cannot be opened."""
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/\u00e4.png").touch()
    arrays = list_folder(str(tmp_path)).arrays()
    monkeypatch.setattr(listing, "_HAS_DIR_FD", False)
    monkeypatch.delattr(os, "O_CLOEXEC")
    monkeypatch.setattr(os, "open", None)
    assert is_unchanged(str(tmp_path), arrays)
    (tmp_path / "sub/\u00e4.png").write_text("x")
    assert not is_unchanged(str(tmp_path), arrays)
    assert not is_unchanged(str(tmp_path / "none"), arrays)
