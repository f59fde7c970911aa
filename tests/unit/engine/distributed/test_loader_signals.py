"""A SIGTERM to the processes that load images."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest
from torch.utils.data import DataLoader

from anomdet.engine.distributed.loader_signals import _GRACE_S, end_processes, outlive_sigterm


class Pids:
    """Each item is the process that loaded it."""

    def __len__(self) -> int:
        return 20

    def __getitem__(self, _: int) -> int:
        return os.getpid()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM")
def test_they_load_on() -> None:
    begun: list[int] = []
    loader = outlive_sigterm(DataLoader(Pids(), batch_size=None, num_workers=1, worker_init_fn=begun.append))
    found = []
    for pid in loader:
        if not found:
            os.kill(pid, signal.SIGTERM)
        found.append(pid)
    assert len(found) == 20 and set(found) != {os.getpid()} and len(set(found)) == 1


def test_they_end_when_they_are_told_and_start_again() -> None:
    loader = outlive_sigterm(DataLoader(Pids(), batch_size=None, num_workers=1, persistent_workers=True))
    (first,) = set(loader)
    os.kill(first, 0)
    started = time.monotonic()
    end_processes(loader)
    with pytest.raises(ProcessLookupError):
        os.kill(first, 0)
    assert time.monotonic() - started < 5, "they were ended by force"
    (second,) = set(loader)
    assert second != first
    end_processes(loader)
    end_processes(loader)


@pytest.mark.parametrize("loader", [None, {"num_workers": 2}, DataLoader(Pids(), num_workers=0)])
def test_nothing_to_end(loader: object) -> None:
    end_processes(loader)


@pytest.mark.slow
def test_they_end_with_the_main_one() -> None:
    """Also those of a loop that was broken off, and of one that lives on in a cycle of references."""
    lines = [
        "from tests.unit.engine.distributed.test_loader_signals import *",
        "make = lambda more: outlive_sigterm(DataLoader(Pids(), batch_size=None, num_workers=1, **more))",
        "kept = [iter(make(more)) for more in ({'persistent_workers': True}, {})]",
        "kept.append(kept)",
        "print(*map(next, kept[:2]), flush=True)",
    ]
    command = [sys.executable, "-c", "\n".join(lines)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as job:
        assert job.stdout is not None
        pids = job.stdout.readline().split()
        said = time.monotonic()
        assert len(pids) == 2 and (job.stdout.read(), job.wait()) == ("", 0)
    assert time.monotonic() - said < _GRACE_S - 5
