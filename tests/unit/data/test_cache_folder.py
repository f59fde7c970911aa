from __future__ import annotations

import multiprocessing
import tempfile

import pytest

from anomdet.data.cache_folder import cache_folder, folder_key, locked


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


def test_a_link_is_the_folder_that_it_leads_to(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "data")
    assert folder_key(tmp_path / "data") == folder_key(tmp_path / "link") != folder_key(tmp_path)


def _append(path, number):
    for _ in range(20):
        with locked(path):
            text = path.read_text(encoding="ascii")
            path.write_text(f"{text}{number}", encoding="ascii")


def test_one_process_at_a_time(tmp_path):
    path = tmp_path / "kept.txt"
    path.touch()
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=_append, args=(path, number)) for number in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert sorted(path.read_text(encoding="ascii")) == ["0"] * 20 + ["1"] * 20 + ["2"] * 20


@pytest.mark.parametrize("error", [OSError, NotImplementedError])
def test_without_locks_each_works_for_itself(tmp_path, monkeypatch, error):
    def refuse(self):
        raise error

    monkeypatch.setattr("filelock.FileLock.acquire", refuse)
    with locked(tmp_path / "a"), locked(None):
        pass
