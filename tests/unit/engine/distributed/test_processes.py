"""Processes of this machine, as /proc shows them."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from anomdet.engine.distributed import processes
from anomdet.engine.distributed.processes import pid_space, states
from anomdet.engine.distributed.verdict import Report

pytestmark = pytest.mark.skipif(not pid_space(), reason="needs Linux's /proc")


def test_well_stopped_gone_and_elsewhere() -> None:
    own = Report(0, socket.gethostname(), os.getpid(), pid_space())
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    reports = {
        0: own,
        1: Report(1, own.host, child.pid, own.pid_space),
        2: Report(2, "another", child.pid, own.pid_space),
    }
    assert states(reports, own) == {}
    child.send_signal(signal.SIGSTOP)
    until = time.monotonic() + 5
    while not states(reports, own) and time.monotonic() < until:
        time.sleep(0.01)
    assert states(reports, own) == {1: "stopped"}
    child.kill()
    child.wait()
    assert states(reports, own) == {1: "gone"}
    done = {1: Report(1, own.host, child.pid, own.pid_space, is_done=True)}
    assert states(done, own) == {}


def test_a_cloned_machine_of_the_same_name_is_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = Report(0, "node", os.getpid(), pid_space())
    other = tmp_path / "boot_id"
    other.write_text("8a1d6d40-8f4e-4c3a-9d57-000000000000\n", encoding="ascii")
    monkeypatch.setattr(processes, "_BOOT_ID", other)
    assert pid_space() != own.pid_space
    assert states({1: Report(1, "node", 2**22 + 1, pid_space())}, own) == {}  # no such pid here
    other.unlink()
    assert pid_space() == ""
