from __future__ import annotations

import os
import platform
import tempfile

from anomdet.data.index.cache_folder import cache_folder, folder_key


def test_where_caches_are(monkeypatch, tmp_path):
    monkeypatch.setenv("ANOMDET_CACHE_DIR", str(tmp_path / "named"))
    assert cache_folder() == tmp_path / "named"
    monkeypatch.delenv("ANOMDET_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "anomdet"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "anomdet"
    assert (tmp_path / ".cache" / "anomdet").is_dir()


def test_a_folder_for_temporary_files_stands_in(monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("ANOMDET_CACHE_DIR", str(tmp_path / "file"))
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path / "temporary"))
    found = cache_folder()
    assert found is not None and found.parent == tmp_path / "temporary"
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path / "file"))
    assert cache_folder() is None


def test_in_the_folder_for_temporary_files_no_link_is_followed(monkeypatch, tmp_path):
    """Anybody may have laid it there; the user's own cache folder may well be a link to a larger disk."""
    for name in ("file", "elsewhere/anomdet", "temporary"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "temporary" / f"anomdet-{os.getuid()}").symlink_to(tmp_path / "elsewhere/anomdet")
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path / "temporary"))
    (tmp_path / "taken").touch()
    monkeypatch.setenv("ANOMDET_CACHE_DIR", str(tmp_path / "taken"))
    assert cache_folder() is None
    monkeypatch.delenv("ANOMDET_CACHE_DIR")
    (tmp_path / "cache").symlink_to(tmp_path / "elsewhere")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert cache_folder() == tmp_path / "cache/anomdet"


def test_a_link_is_the_folder_that_it_leads_to(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "data")
    assert folder_key(tmp_path / "data") == folder_key(tmp_path / "link") != folder_key(tmp_path)


def test_machines_keep_their_own(tmp_path, monkeypatch):
    here = folder_key(tmp_path)
    monkeypatch.setattr(platform, "node", lambda: "another")
    assert folder_key(tmp_path) != here
