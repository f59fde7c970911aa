"""Which of the processes that torchrun starts this one is. Imports nothing: asked before torch is there."""

from __future__ import annotations

import os


def is_main_process() -> bool:
    """Whether this process may write and speak."""
    return os.environ.get("RANK", "0") == "0"


def num_processes() -> int:
    """All processes of the training, over all machines."""
    return int(os.environ.get("WORLD_SIZE", "1"))
