"""PyTorch as a detector needs it, whatever the caller's program has set for networks of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


def full_precision(device: str) -> torch.autocast:
    """No mixed precision of the caller's (``with torch.autocast(...)``): scores are those that were measured.

    Args:
        device: of the network, ``cpu`` or ``cuda:1``.
    """
    return torch.autocast(torch.device(device).type, enabled=False)


@contextmanager
def plain_defaults() -> Iterator[None]:
    """A network is built in float32 on the CPU, and takes no random numbers of the caller's."""
    dtype = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32)
    try:
        with torch.device("cpu"), torch.random.fork_rng(devices=()):
            yield
    finally:
        torch.set_default_dtype(dtype)
