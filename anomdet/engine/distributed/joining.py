"""The processes of a run find each other: what can be wrong with that, in one sentence."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from torch.distributed import DistError

from anomdet.errors import Problem, UserError


@contextlib.contextmanager
def joining() -> Iterator[None]:
    """Within, the process group is made.

    Raises:
        UserError: the port is taken, or not all processes came within ``distributed.timeout_minutes``.
    """
    try:
        yield
    except (DistError, TimeoutError) as error:
        raise UserError(_problem(str(error))) from error


def _problem(text: str) -> Problem:
    address = f"{os.environ.get('MASTER_ADDR', '?')}:{os.environ.get('MASTER_PORT', '?')}"
    rank, size = os.environ.get("RANK", "0"), os.environ.get("WORLD_SIZE", "?")
    if "EADDRINUSE" in text or "address already in use" in text.lower():
        hint = "another run may be using it; choose another with --master_port, or MASTER_PORT"
        return Problem(f"rank {rank}: {address}", "a free port", "one in use", hint)
    first = " ".join(text.split("Exception raised from")[0].split())[:200]
    hint = f"start all {size} processes, on machines that reach {address}; distributed.timeout_minutes limits the wait"
    return Problem(f"rank {rank}: {address}", f"{size} processes that find each other", first, hint)
