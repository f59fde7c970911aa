"""Loaders get as many processes as shared memory holds batches of theirs."""

from __future__ import annotations

from typing import Any

import pytest
from mmengine.config import ConfigDict

from anomdet.workflows.runs import shared_memory
from anomdet.workflows.runs.shared_memory import fit_shared_memory

MB = 2**20


def config(batch_size: int = 16, num_workers: int = 2, size_px: int | None = 640) -> Any:
    pipeline = [{"type": "FitInside", "size_hw": (size_px, size_px)}] if size_px else [{"type": "Resize"}]
    loader = dict(
        batch_size=batch_size,
        num_workers=num_workers,
        persistent_workers=num_workers > 0,
        dataset=dict(pipeline=pipeline),
    )
    return ConfigDict({name: loader for name in shared_memory.LOADERS})


@pytest.mark.parametrize(
    ("free_mb", "workers"),
    [(1024, 2), (120, 2), (100, 1), (64, 0), (0, 0), (None, 2)],
)
def test_the_default_batch_at_640_px(free_mb: int | None, workers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """16 images of 3 x 640 x 640 bytes and their boxes are 19.75 MB; n workers hold 2 n + 1 of them."""
    monkeypatch.setattr(shared_memory, "_free_bytes", lambda: None if free_mb is None else free_mb * MB)
    made = config()
    notes = fit_shared_memory(made)
    loader = made.train_dataloader
    assert (loader.num_workers, loader.persistent_workers) == (workers, workers > 0)
    assert loader.timeout == (shared_memory.WAIT_S if workers else 0)
    assert len(notes) == (0 if workers == 2 else 3)
    if workers < 2:
        assert notes[0] == (
            f"train_dataloader: 2 workers need 99 MB of shared memory, /dev/shm has {free_mb} MB: {workers} used; "
            "a container gets more with --shm-size=1g"
        )


def test_the_ranks_of_a_machine_share_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_memory, "_free_bytes", lambda: 120 * MB)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    made = config()
    fit_shared_memory(made)
    assert made.train_dataloader.num_workers == 0


@pytest.mark.parametrize("made", [config(num_workers=0), config(size_px=None)], ids=["no workers", "unknown size"])
def test_nothing_to_compare(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_memory, "_free_bytes", lambda: 0)
    before = made.train_dataloader.num_workers
    assert fit_shared_memory(made) == []
    assert made.train_dataloader.num_workers == before
