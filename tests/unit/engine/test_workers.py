"""A SIGTERM to the processes that load images."""

from __future__ import annotations

import os
import signal
import sys

import pytest
from torch.utils.data import DataLoader

from anomdet.engine.workers import outlive_sigterm


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
