"""Which of the processes that torchrun starts this one is. Imports little: asked before torch is there."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from datetime import timedelta

_STORE_TIMEOUT = timedelta(seconds=5)


def is_main_process() -> bool:
    """Whether this process may write and speak."""
    return os.environ.get("RANK", "0") == "0"


def without_local_rank(arguments: Sequence[str]) -> list[str]:
    """A command line without torch.distributed.launch's ``--local_rank=N``, which the environment has too."""
    kept, is_value = [], False
    for text in arguments:
        if is_value:
            is_value = False
        elif text in ("--local-rank", "--local_rank"):
            is_value = True
        elif not text.startswith(("--local-rank=", "--local_rank=")):
            kept.append(text)
    return kept


def may_restart() -> bool:
    """Whether torchrun starts the processes again when one of them fails (``--max-restarts``)."""
    return int(os.environ.get("TORCHELASTIC_MAX_RESTARTS", "0")) > 0


def num_processes() -> int:
    """All processes of the training, over all machines."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def says_first(message: str) -> bool:
    """Whether no other process of this training has asked with the same message: one of them tells it for all.

    They count in the store that torchrun keeps for them. Where there is none, or it is gone, each speaks for itself.
    """
    if num_processes() <= 1 or os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True":
        return True
    from torch.distributed import DistError, TCPStore

    start = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    key = f"anomdet/said/{start}/{hashlib.sha256(message.encode()).hexdigest()}"
    try:
        address, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
        return bool(TCPStore(address, port, is_master=False, timeout=_STORE_TIMEOUT).add(key, 1) == 1)
    except (DistError, RuntimeError, KeyError, ValueError):
        return True
