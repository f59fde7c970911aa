"""Which of the processes that torchrun starts this one is. Imports little: asked before torch is there."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch.distributed import TCPStore

_STORE_TIMEOUT = timedelta(seconds=5)
_TASK_TIMEOUT = timedelta(minutes=10)


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


def rank() -> int:
    """The number of this process, from 0 on."""
    return int(os.environ.get("RANK", "0"))


def says_first(message: str) -> bool:
    """Whether no other process of this training has asked with the same message: one of them reports it for all.

    They count in the store that torchrun keeps for them. Where there is none, or it is gone, each speaks for itself.
    """
    return num_processes() <= 1 or _count(f"said/{hashlib.sha256(message.encode()).hexdigest()}") in (1, None)


def is_last(task: str) -> bool:
    """Whether all other processes have asked this before; each asks once a task. Never, where they have no store."""
    return num_processes() <= 1 or _count(f"last/{task}") == num_processes()


def after_main(task: str, do: Callable[[], None]) -> None:
    """The main process does it, the others wait until it is done; where they have no store, each does it.

    Raises:
        TimeoutError: the main process did not come to its end.
    """
    store = _store(_TASK_TIMEOUT) if num_processes() > 1 else None
    key = _key(f"done/{task}")
    if store is None or is_main_process():
        do()
        if store is not None:
            store.set(key, "1")
        return
    try:
        store.wait([key])
    except RuntimeError as error:
        raise TimeoutError(f"the main process has not come to the end of: {task}") from error


def _count(key: str) -> int | None:
    """How many processes have come here, this one included; None if nobody can say."""
    store = _store(_STORE_TIMEOUT)
    try:
        return None if store is None else int(store.add(_key(key), 1))
    except RuntimeError:
        return None


def _key(key: str) -> str:
    return f"anomdet/{os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}/{key}"


def _store(timeout: timedelta) -> TCPStore | None:
    """The store that torchrun keeps for its processes; None where there is none."""
    if os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True":
        return None
    from torch.distributed import TCPStore

    try:
        address, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
        return TCPStore(address, port, is_master=False, timeout=timeout)
    except (RuntimeError, KeyError, ValueError):  # DistError is a RuntimeError
        return None
