"""A loader whose batch cannot be handed over ends at once; by itself the main process would wait without end."""

from __future__ import annotations

import errno
from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from anomdet.engine.checkpoint import save_atomically
from anomdet.engine.distributed.loader_signals import outlive_sigterm
from anomdet.errors import machine_limit


class NoRoom:
    """Has no room in shared memory."""

    def __reduce__(self) -> Any:
        raise OSError(errno.ENOSPC, "unable to allocate shared memory")


class Items(Dataset[Any]):
    def __len__(self) -> int:
        return 4

    def __getitem__(self, at: int) -> Any:
        return NoRoom() if at == 2 else at


def test_no_room_in_shared_memory() -> None:
    loader = outlive_sigterm(DataLoader(Items(), batch_size=1, num_workers=1, collate_fn=list))
    with pytest.raises(RuntimeError) as raised:
        list(loader)
    assert machine_limit(raised.value) == (
        "shared memory (/dev/shm) is full; set data.num_workers=0, or start the container with --shm-size=1g"
    )


def test_a_loader_that_dies_during_a_write_is_not_the_disks_fault(tmp_path: Any, monkeypatch: Any) -> None:
    def killed(*_: Any) -> None:
        raise RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed.")

    monkeypatch.setattr(torch, "save", killed)
    with pytest.raises(RuntimeError, match="is killed"):
        save_atomically({}, tmp_path / "last.pth")
    assert list(tmp_path.iterdir()) == []


def test_a_wait_that_is_too_long() -> None:
    assert machine_limit(RuntimeError("DataLoader timed out after 600 seconds")).startswith("a process that loads")
