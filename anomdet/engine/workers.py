"""The processes that load images: a SIGTERM that comes to all of a job must not take them from a step under way."""

from __future__ import annotations

import signal
from collections.abc import Callable
from functools import partial
from typing import Any

from torch.utils.data import DataLoader

_GRACE_S = 20


def outlive_sigterm(loader: DataLoader) -> DataLoader:
    """Let a loader's processes go on for 20 s after a SIGTERM, while the main one ends its step and saves.

    torchrun and batch systems send it to every process of a group, and PyTorch's loaders die of it at once; the main
    process then fails in the middle of its step. They end by themselves when the main one does.
    """
    loader.worker_init_fn = partial(_begin, loader.worker_init_fn)
    return loader


def _begin(then: Callable[[int], Any] | None, worker_id: int) -> None:
    if hasattr(signal, "alarm"):  # not on Windows, which has no SIGTERM either
        signal.signal(signal.SIGTERM, lambda *_: signal.alarm(_GRACE_S))
    if then is not None:
        then(worker_id)
