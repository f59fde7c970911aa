"""All processes of a run continue from the same state, or none does: DDP averages gradients, of any two models."""

from __future__ import annotations

import socket
import zlib
from collections.abc import Iterable
from pathlib import Path

import torch
from mmengine.dist import all_gather_object
from torch import Tensor

from anomdet.errors import Problem, UserError

_SHOWN = 4  # of states that differ
_HINT = "let all machines see the same logging.checkpoint_dir, or copy the files to each of them before the start"


def agree(where: str, seen: str, path: str | Path | None = None) -> None:
    """Refuse to continue where the processes do not see the same; every process must call it.

    Args:
        where: what is compared, for the message.
        seen: what this process sees, in words that are the same for the same state.
        path: the file that it sees; machines may have the same one at different places.

    Raises:
        UserError: the same one in all processes; says who sees what.
    """
    own = f"host {socket.gethostname()}" + (f", {Path(path).absolute()}" if path else "")
    sights: dict[str, list[str]] = {}
    for rank, (place, text) in enumerate(all_gather_object((own, seen))):
        sights.setdefault(text, []).append(f"rank {rank} ({place})")
    if len(sights) == 1:
        return
    shown = [f"{_who(ranks)}: {text}" for text, ranks in list(sights.items())[:_SHOWN]]
    more = [f"and {len(sights) - _SHOWN} more"] * (len(sights) > _SHOWN)
    got = "; ".join((*shown, *more))
    raise UserError(Problem(where, "the same for all processes", got, _HINT))


def raise_for_all(failure: UserError | None) -> None:
    """Raise in every process what one of them met; every process must call it.

    Before there is a process group, each raises its own.
    """
    told = next((text for text in all_gather_object(str(failure or "")) if text), "")
    if told:
        raise failure or UserError(told)


def checksum(weights: Iterable[Tensor]) -> str:
    """Of all bits, in eight hexadecimal digits."""
    total = 0
    for weight in weights:
        data = weight.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
        total = zlib.crc32(data.numpy(), total)
    return f"{total:08x}"


def _who(ranks: list[str]) -> str:
    return ranks[0] if len(ranks) == 1 else f"{ranks[0]} and {len(ranks) - 1} more"
