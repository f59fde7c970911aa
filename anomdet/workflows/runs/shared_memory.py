"""Whether the loaders' batches fit into shared memory, which containers limit to 64 MB: too little kills a loader."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from anomdet.workflows.runs.build import LOADERS

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - only its free space is asked for
_PREFETCHED = 2  # batches that each process of a loader has ready, PyTorch's default
_EXTRA_BYTES = 64 * 1024  # of an image, for its boxes: each tensor takes whole pages
_USABLE = 0.9
WAIT_S = 600  # for one batch, after which a loader is thought to hang


def fit_shared_memory(config: Any) -> list[str]:
    """Take as many processes a loader as their batches have room for, in place; returns notes for the log.

    Waits for a batch are bounded too.
    """
    free = _free_bytes()
    notes = []
    for name in LOADERS:
        loader = config[name]
        batch, asked = _batch_bytes(loader), loader.num_workers
        if free is not None and batch:
            per_process = free * _USABLE / int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
            fitting = max(int((per_process / batch - 1) / loader.get("prefetch_factor", _PREFETCHED)), 0)
            loader.num_workers = min(asked, fitting)
        if batch and loader.num_workers < asked:
            notes.append(_note(name, asked, loader.num_workers, batch, free or 0))
        if not loader.num_workers:
            loader.persistent_workers = False
            loader.pop("prefetch_factor", None)
        loader.timeout = WAIT_S if loader.num_workers else 0
    return notes


def _note(name: str, asked: int, used: int, batch: int, free: int) -> str:
    need = (asked * _PREFETCHED + 1) * batch
    return (
        f"{name}: {asked} workers need {need / 2**20:.0f} MB of shared memory, {SHARED_MEMORY} has "
        f"{free / 2**20:.0f} MB: {used} used; a container gets more with --shm-size=1g"
    )


def _batch_bytes(loader: Any) -> int | None:
    """Of one batch, as a loader hands it over; None where the pipeline does not say the size of its images."""
    steps = [step for step in loader.dataset.get("pipeline", ()) if "size_hw" in step]
    if not steps or not loader.num_workers or not loader.get("batch_size"):
        return None
    height, width = steps[-1]["size_hw"]
    images = loader.batch_size * steps[-1].get("most_tiles", 1)
    views = steps[-1].get("views") or {}
    in_scales = 1 + sum(scale**2 for scale in views.get("scales", ()))
    flips = 1 + len(views.get("flips", ()))
    return int(images * flips * (3 * height * width * in_scales + _EXTRA_BYTES * (1 + len(views.get("scales", ())))))


def _free_bytes() -> int | None:
    """None where the system has no such folder."""
    try:
        found = os.statvfs(SHARED_MEMORY)
    except (OSError, AttributeError):
        return None
    return found.f_bavail * found.f_frsize
