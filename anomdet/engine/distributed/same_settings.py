"""All processes of a run train by the same settings, or none does: DDP averages the gradients of any two."""

from __future__ import annotations

import hashlib
import json
import socket
from collections.abc import Iterator, Mapping
from typing import Any

from mmengine.config import Config
from mmengine.dist import all_gather_object

from anomdet.errors import Problem, UserError

_SHOWN = 6  # keys that differ
# What each machine may have in its own way: where things lie, and how many processes load images.
_OWN = {
    "checkpoint",
    "data_root",
    "env_cfg",
    "experiment_name",
    "file",
    "launcher",
    "load_from",
    "log_level",
    "num_workers",
    "out_dir",
    "persistent_workers",
    "prefetch_factor",
    "resume",
    "save_dir",
    "split_files",
    "timeout",
    "visualizer",
    "work_dir",
}
_PRECISION = ("optim_wrapper.type", "optim_wrapper.dtype", "optim_wrapper.loss_scale")  # as the machine computes


def agree_on_settings(config: Config) -> None:
    """Refuse a run whose processes were started with different settings; every process must call it.

    Paths and numbers of loaders may differ between machines.

    Args:
        config: of the Runner, fitted to this machine.

    Raises:
        UserError: names the keys that differ, with the values of each process.
    """
    values = {key: value for key, value in _flat(config.to_dict(), "") if not key.startswith(_PRECISION)}
    digest = hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
    if len(set(all_gather_object(digest))) == 1:
        return
    found = all_gather_object((socket.gethostname(), values))
    keys = sorted({key for _, one in found for key in one if any(one.get(key) != other.get(key) for _, other in found)})
    problems = [Problem(key, "the same value in all processes", _values(key, found)) for key in keys[:_SHOWN]]
    more = [f"and {len(keys) - _SHOWN} more"] if len(keys) > _SHOWN else []
    title = "The processes of this run have different settings; start each with the same:"
    raise UserError([*problems, *more], title=title)


def _flat(node: Any, prefix: str) -> Iterator[tuple[str, str]]:
    """Dotted key to value as text, without what may differ."""
    if isinstance(node, Mapping) and node:
        for key, value in node.items():
            if key not in _OWN:
                yield from _flat(value, f"{prefix}.{key}" if prefix else str(key))
    elif isinstance(node, (list, tuple)) and node:
        for position, value in enumerate(node):
            yield from _flat(value, f"{prefix}[{position}]")
    else:
        yield prefix, repr(node)


def _values(key: str, found: list[tuple[str, dict[str, str]]]) -> str:
    """``0.1 (rank 0 on a), 0.2 (rank 1 on b and 2 more)``."""
    ranks: dict[str, list[str]] = {}
    for rank, (host, values) in enumerate(found):
        ranks.setdefault(values.get(key, "nothing"), []).append(f"rank {rank} on {host}")
    told = (f"{value} ({names[0]}{f' and {len(names) - 1} more' * (len(names) > 1)})" for value, names in ranks.items())
    return ", ".join(told)
