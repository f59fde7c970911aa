"""The processes that load images: a SIGTERM that comes to all of a job must not take them from a step under way."""

from __future__ import annotations

import atexit
import errno
import os
import signal
from collections.abc import Callable
from functools import partial
from multiprocessing import queues
from multiprocessing.sharedctypes import RawValue
from typing import Any

from torch.utils.data import DataLoader

from anomdet.errors import NO_SHARED_MEMORY

_GRACE_S = 20


def outlive_sigterm(loader: DataLoader) -> DataLoader:
    """Let a loader's processes continue for 20 s after a SIGTERM, while the main one ends its step and saves.

    torchrun and batch systems send it to every process of a group, and PyTorch's loaders die of it at once; the main
    process then fails in the middle of its step. When the main one leaves, it sends them a SIGTERM of its own and waits
    for them; that one they follow at once.
    """
    if loader.num_workers:
        is_leaving = RawValue("b", 0)
        atexit.register(setattr, is_leaving, "value", 1)  # before multiprocessing's, which was registered earlier
        loader.worker_init_fn = partial(_begin, loader.worker_init_fn, is_leaving)
    return loader


def end_processes(loader: Any) -> None:
    """End the processes that a loader with ``persistent_workers`` keeps for its next pass; it starts new ones for one.

    A Runner is a cycle of references: left to Python's collection, they would live on beside the user's later work. And
    their queues may be collected before them, so that they do not hear that they are to end: 10 s of waiting for each,
    anywhere in that work.
    """
    iterator = getattr(loader, "_iterator", None)
    if iterator is not None:
        loader._iterator = None
        iterator._shutdown_workers()


def _begin(then: Callable[[int], Any] | None, is_leaving: Any, worker_id: int) -> None:
    def follow(*_: object) -> None:
        if is_leaving.value:
            os._exit(0)  # as PyTorch's own handler: it is no failure
        signal.alarm(_GRACE_S)

    if hasattr(signal, "alarm"):  # not on Windows, which has no SIGTERM either
        signal.signal(signal.SIGTERM, follow)
    queues.Queue._on_queue_feeder_error = staticmethod(_end)  # type: ignore[attr-defined]
    if then is not None:
        then(worker_id)


def _end(error: Exception, _batch: Any) -> None:
    """A batch that cannot be handed over ends its process; Python would drop it, and the main one wait without end."""
    no_room = getattr(error, "errno", None) == errno.ENOSPC or "shared memory" in str(error)
    os._exit(NO_SHARED_MEMORY if no_room else 1)
