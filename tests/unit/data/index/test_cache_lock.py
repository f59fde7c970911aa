from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time

import pytest
from filelock import FileLock, Timeout

from anomdet.data.index import cache_lock
from anomdet.data.index.cache_lock import locked

pytestmark = pytest.mark.slow  # seconds: not a part of `make test-fast`


def _append(path, number):
    for _ in range(20):
        with locked(path, "a text"):
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
    def refuse(self, **_):
        raise error

    monkeypatch.setattr("filelock.FileLock.acquire", refuse)
    entered = []
    with locked(tmp_path / "a", "a thing"), locked(None, "nothing"):
        entered.append("both")
    with locked(tmp_path / "a", "a thing"):
        entered.append("again")
    assert entered == ["both", "again"]


@pytest.fixture
def quick(monkeypatch):
    """All but the patience of who waits a hundred times as fast."""
    for name in ("_SAY_AFTER_S", "_SAY_AGAIN_S", "_SIGN_AFTER_S", "_SIGN_EVERY_S"):
        monkeypatch.setattr(cache_lock, name, getattr(cache_lock, name) / 100)
    monkeypatch.setattr(cache_lock, "_NO_SIGN_S", 1.0)
    monkeypatch.setattr(cache_lock, "_given_up", set())


def _hold(path, is_held, seconds):
    with locked(path, "a thing"):
        is_held.set()
        time.sleep(seconds)


def _holder(path, seconds):
    context = multiprocessing.get_context("fork")
    is_held = context.Event()
    process = context.Process(target=_hold, args=(path, is_held, seconds))
    process.start()
    assert is_held.wait(30)
    return process


def test_a_wait_is_told_and_lasts_while_the_holder_lives(tmp_path, quick, capfd):
    path = tmp_path / "kept.index"
    holder = _holder(path, 2.0)  # twice as long as without a sign of life
    started = time.monotonic()
    with locked(path, "the index of data"):
        assert time.monotonic() - started > 1.5
    holder.join()
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) >= 2
    assert lines[-1].startswith(f"waiting for process {holder.pid} on ")
    for part in ("the index of data", str(tmp_path / "kept.lock"), "ANOMDET_CACHE_DIR="):
        assert part in lines[-1]
    assert not list(tmp_path.glob("*.holder"))


def test_a_short_wait_is_not_worth_a_word(tmp_path, capfd):
    holder = _holder(tmp_path / "kept.index", 0.3)
    with locked(tmp_path / "kept.index", "the index of data"):
        holder.join()
    assert capfd.readouterr().err == ""


def test_a_stopped_holder_is_not_waited_for(tmp_path, quick, capfd):
    path = tmp_path / "kept.index"
    holder = _holder(path, 60)
    try:
        while not path.with_suffix(".holder").exists():
            time.sleep(0.01)
        time.sleep(0.05)
        os.kill(holder.pid, signal.SIGSTOP)
        with locked(path, "the index of data"):
            pass
        assert f"the index of data: waited 1 s for process {holder.pid} on " in capfd.readouterr().err
        started = time.monotonic()
        with locked(path, "the index of data"):  # and not again by the same command
            pass
        assert time.monotonic() - started < 0.5 and capfd.readouterr().err == ""
    finally:
        holder.kill()
        holder.join()
    with locked(path, "the index of data"), pytest.raises(Timeout):  # a lock that is free is taken again
        FileLock(path.with_suffix(".lock")).acquire(timeout=0)


def test_where_every_lock_is_refused(tmp_path, quick, capfd, monkeypatch):
    """As by an older filelock on a file system without locks: each attempt runs into its time limit."""

    def refuse(self, timeout, **_):
        time.sleep(timeout)
        raise Timeout(str(tmp_path))

    monkeypatch.setattr("filelock.FileLock.acquire", refuse)
    with locked(tmp_path / "kept.index", "the index of data"):
        pass
    assert "for another process; continuing without it" in capfd.readouterr().err


def test_nobody_waits_for_ever(tmp_path, quick, monkeypatch, capfd):
    monkeypatch.setattr(cache_lock, "_MAX_WAIT_S", 0.3)
    holder = _holder(tmp_path / "kept.index", 60)
    try:
        with locked(tmp_path / "kept.index", "the index of data"):
            assert "continuing without it" in capfd.readouterr().err
    finally:
        holder.kill()
        holder.join()


def test_of_the_ranks_of_a_machine_one_speaks(tmp_path, quick, monkeypatch, capfd):
    monkeypatch.setenv("LOCAL_RANK", "3")
    holder = _holder(tmp_path / "kept.index", 0.3)
    with locked(tmp_path / "kept.index", "the index of data"):
        holder.join()
    assert capfd.readouterr().err == ""


def test_no_thread_is_left(tmp_path):
    before = threading.active_count()
    with pytest.raises(ZeroDivisionError), locked(tmp_path / "kept.index", "a thing"):
        raise ZeroDivisionError
    assert threading.active_count() == before
