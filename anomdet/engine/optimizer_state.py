"""The optimizer's state of a checkpoint against the weights that it moves: a wrong one corrupts memory.

PyTorch takes the state as it comes; the fused steps then write behind the end of a tensor that is too small.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from mmengine.optim import OptimWrapper

from anomdet.errors import Problem, UserError

_GROUP_VALUES = (bool, int, float, str, type(None))


def check_optimizer(runner: Any, state: Any, where: str) -> None:
    """Compare a stored state with the optimizer of a Runner, which is built for that if it is not yet.

    Several optimizers, of a Python config, are PyTorch's to check.

    Raises:
        UserError: the first thing that does not fit.
    """
    runner.optim_wrapper = runner.build_optim_wrapper(runner.optim_wrapper)
    if not isinstance(runner.optim_wrapper, OptimWrapper):
        return
    got = next(_misfits(runner.optim_wrapper.optimizer.param_groups, state), None)
    if got is not None:
        hint = "resume with the settings of the run, or train without --resume"
        raise UserError(Problem(f"{where}: optimizer", "the state of this run's optimizer", got, hint))


def _misfits(groups: list[dict[str, Any]], state: Any) -> Iterator[str]:
    stored = state.get("param_groups") if isinstance(state, Mapping) else None
    states = state.get("state") if isinstance(state, Mapping) else None
    if not isinstance(stored, list) or not isinstance(states, dict):
        yield "something else"
        return
    if len(stored) != len(groups):
        yield f"{len(stored)} groups of weights in place of {len(groups)}"
        return
    weights: list[torch.Tensor] = []
    for group, own in zip(stored, groups, strict=True):
        yield from _group_misfits(group, own, first=len(weights))
        weights += own["params"]
    for key, values in states.items():
        if type(key) is not int or not 0 <= key < len(weights) or not isinstance(values, dict):
            yield f"a state of no weight ({key!r})"
            return
        yield from _state_misfits(values, weights[key], f"weight {key}")


def _group_misfits(group: Any, own: dict[str, Any], first: int) -> Iterator[str]:
    indices = list(range(first, first + len(own["params"])))
    if not isinstance(group, dict) or group.get("params") != indices:
        yield "other weights in a group"
        return
    if set(own) - set(group) and set(group) - set(own) - {"initial_lr"}:  # a newer torch only adds or only drops some
        yield f"the state of another optimizer, which has {', '.join(sorted(set(group) - set(own) - {'initial_lr'}))}"
    for key, value in group.items():
        numbers = value if isinstance(value, (list, tuple)) else (value,)
        plain = all(type(number) in _GROUP_VALUES for number in numbers)
        if not plain or any(isinstance(number, float) and not math.isfinite(number) for number in numbers):
            yield f"{key} that is no finite number"


def _state_misfits(values: dict[str, Any], weight: torch.Tensor, name: str) -> Iterator[str]:
    for key, value in values.items():
        if not isinstance(value, torch.Tensor):
            if type(value) not in _GROUP_VALUES:
                yield f"{key} of {name} is a {type(value).__name__}"
            continue
        if value.ndim and value.shape != weight.shape:
            yield f"{key} of {name} has the shape {tuple(value.shape)}, the weight {tuple(weight.shape)}"
        elif value.layout != torch.strided or not _is_dense(value) or not value.is_floating_point():
            yield f"{key} of {name} is no dense tensor of floats"
        elif not math.isfinite(float(value.sum())) and not bool(torch.isfinite(value).all()):
            yield f"{key} of {name} is not finite"


def _is_dense(value: torch.Tensor) -> bool:
    """Each element once, and no gap: in-place steps go over its memory."""
    step = 1
    for stride, size in sorted(zip(value.stride(), value.shape, strict=True)):
        if size > 1:
            if stride != step:
                return False
            step *= size
    return True
