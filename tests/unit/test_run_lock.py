"""One run at a time in a folder; the dead hold nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from anomdet.errors import UserError
from anomdet.run_lock import one_run_in

# Holds the lock until it is killed; with a loader, a child that it forked lives on.
HOLD = """
import os, sys, time
from pathlib import Path
from anomdet.run_lock import one_run_in
with one_run_in({"logging.log_dir": Path(sys.argv[1])}):
    if sys.argv[2] == "with a loader" and os.fork() == 0:
        print(os.getpid(), flush=True)
        time.sleep(60)
    print("held", flush=True)
    time.sleep(60)
"""
# Waits until two have started, then takes the lock until two have tried: the one that may not says so with code 2.
RACE = """
import sys, time
from pathlib import Path
from anomdet.errors import UserError
from anomdet.run_lock import one_run_in
folder, name = Path(sys.argv[1]), sys.argv[2]
def both(word):
    (folder / f"{word}.{name}").touch()
    while len(list(folder.glob(f"{word}.*"))) < 2:
        time.sleep(0.001)
both("ready")
try:
    with one_run_in({"logging.log_dir": folder}):
        both("tried")
except UserError:
    (folder / f"tried.{name}").touch()
    sys.exit(2)
"""


def start(code: str, *arguments: str | Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_the_second_is_refused_and_told_who_is_at_work(tmp_path: Path) -> None:
    holder = start(HOLD, tmp_path, "alone", "https://user:token@host/x?key=secret")
    try:
        assert first_line(holder) == "held"
        with pytest.raises(UserError) as raised, one_run_in({"logging.log_dir": tmp_path}):
            pass
        told = str(raised.value)
        assert told.startswith("logging.log_dir: expected a folder that no other run writes into, got ")
        assert f"process {holder.pid} on {os.uname().nodename} (since " in told and "-c" in told
        assert "https://..." in told and "token" not in told and "secret" not in told
    finally:
        holder.kill()
        holder.wait()


@pytest.mark.parametrize("manner", ["alone", "with a loader"])
def test_a_crash_leaves_the_folder_free(tmp_path: Path, manner: str) -> None:
    """At once, also while a process that the dead one had forked is still there."""
    holder = start(HOLD, tmp_path, manner)
    words = [first_line(holder) for _ in range(2 if manner == "with a loader" else 1)]
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    try:
        with one_run_in({"logging.log_dir": tmp_path}):
            pass
    finally:
        for pid in (int(word) for word in words if word.isdigit()):
            os.kill(pid, signal.SIGKILL)


def test_of_two_at_once_one_is_refused(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / str(number)).mkdir()
        racers = [start(RACE, tmp_path / str(number), name) for name in "ab"]
        for racer in racers:
            racer.communicate(timeout=60)
        assert sorted(racer.returncode for racer in racers) == [0, 2]


def test_nothing_is_left_behind_and_the_folder_is_free_again(tmp_path: Path) -> None:
    folders = {"logging.log_dir": tmp_path, "logging.checkpoint_dir": tmp_path / "." / "x" / ".."}
    (tmp_path / "x").mkdir()
    for _ in range(2):
        with one_run_in(folders):
            assert {path.name for path in tmp_path.iterdir()} == {"x", ".anomdet.lock", ".anomdet.running"}
        assert {path.name for path in tmp_path.iterdir()} == {"x"}


def test_no_link_leads_the_lock_to_a_file_elsewhere(tmp_path: Path) -> None:
    """A folder that came from a stranger may hold them."""
    (tmp_path / "out").mkdir()
    (tmp_path / "mine").write_text("precious")
    (tmp_path / "out" / ".anomdet.running").symlink_to(tmp_path / "mine")
    with one_run_in({"--out": tmp_path / "out"}):
        assert not (tmp_path / "out" / ".anomdet.running").is_symlink()
    (tmp_path / "out" / ".anomdet.lock").symlink_to(tmp_path / "mine")
    message = r"--out: expected .*, got .*\.anomdet\.lock, which is a link"
    with pytest.raises(UserError, match=message), one_run_in({"--out": tmp_path / "out"}):
        pass
    assert (tmp_path / "mine").read_text() == "precious"


def test_the_ranks_of_a_job_share_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with one_run_in({"logging.log_dir": tmp_path}):
        monkeypatch.setenv("RANK", "1")
        with one_run_in({"logging.log_dir": tmp_path}):
            assert (tmp_path / ".anomdet.running").exists()
        assert (tmp_path / ".anomdet.running").exists()
