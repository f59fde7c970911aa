"""PyTorch in a process that was forked, as ``multiprocessing`` and some web servers fork it."""

from __future__ import annotations

import os

import torch

_own = {os.getpid()}  # where PyTorch's threads are, or are not used


def one_thread_if_forked() -> None:
    """One thread in a forked process: it lacks those of the process before, for which an operator waits without end.

    So PyTorch's own loader workers do. Once in a process: whoever then asks for more threads has them.
    """
    if os.getpid() not in _own:
        torch.set_num_threads(1)
        _own.add(os.getpid())
