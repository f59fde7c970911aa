"""A stored optimizer must fit the weights that it moves."""

from __future__ import annotations

import copy
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from mmengine.optim import OptimWrapper

from anomdet.engine.optimizer_state import check_optimizer
from anomdet.errors import UserError


def trained(kind: type[torch.optim.Optimizer] = torch.optim.Adam, **arguments: Any) -> OptimWrapper:
    model = torch.nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last)
    optimizer = kind([{"params": [model.weight]}, {"params": [model.bias], "weight_decay": 0.0}], lr=0.1, **arguments)
    model(torch.ones(1, 3, 4, 4)).sum().backward()
    optimizer.step()
    return OptimWrapper(optimizer)


def runner(wrapper: Any) -> Any:
    return SimpleNamespace(optim_wrapper=wrapper, build_optim_wrapper=lambda one: one)


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [
        (torch.optim.Adam, {}),
        (torch.optim.Adam, {"fused": True}),
        (torch.optim.AdamW, {"amsgrad": True}),
        (torch.optim.SGD, {}),
        (torch.optim.SGD, {"momentum": 0.9}),
    ],
)
def test_its_own_state_fits(kind: type[torch.optim.Optimizer], arguments: dict[str, Any]) -> None:
    wrapper = trained(kind, **arguments)
    check_optimizer(runner(wrapper), copy.deepcopy(wrapper.state_dict()), "last.pth")


def test_a_state_without_steps_fits() -> None:
    wrapper = OptimWrapper(torch.optim.Adam([torch.nn.Parameter(torch.ones(2))]))
    check_optimizer(runner(wrapper), wrapper.state_dict(), "last.pth")


def put(*path: Any) -> Callable[[Any, Any], None]:
    def change(state: Any, value: Any) -> None:
        for key in path[:-1]:
            state = state[key]
        state[path[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "value", "got"),
    [
        (
            put("state", 0, "exp_avg"),
            torch.zeros(4),
            r"exp_avg of weight 0 has the shape \(4,\), the weight \(4, 3, 3, 3\)",
        ),
        (
            put("state", 0, "exp_avg"),
            torch.zeros(1).expand(4, 3, 3, 3),
            "exp_avg of weight 0 is no dense tensor of floats",
        ),
        (put("state", 1, "exp_avg"), torch.zeros(8)[::2], "exp_avg of weight 1 is no dense tensor of floats"),
        (
            put("state", 1, "exp_avg"),
            torch.zeros(4, dtype=torch.int64),
            "exp_avg of weight 1 is no dense tensor of floats",
        ),
        (put("state", 1, "exp_avg_sq"), torch.full((4,), float("nan")), "exp_avg_sq of weight 1 is not finite"),
        (put("state", 1, "step"), torch.tensor(float("inf")), "step of weight 1 is not finite"),
        (put("state", 1, "step"), [3], "step of weight 1 is a list"),
        (put("state", 7), {}, r"a state of no weight \(7\)"),
        (put("state", "a"), {}, r"a state of no weight \('a'\)"),
        (put("state"), [], "something else"),
        (put("param_groups", 0, "params"), [1], "other weights in a group"),
        (put("param_groups", 0, "lr"), float("nan"), "lr that is no finite number"),
        (put("param_groups", 0, "betas"), (0.9, torch.ones(1)), "betas that is no finite number"),
        (put("param_groups"), [], "0 groups of weights in place of 2"),
    ],
)
def test_what_does_not_fit(change: Callable[[Any, Any], None], value: Any, got: str) -> None:
    wrapper = trained()
    state = copy.deepcopy(wrapper.state_dict())
    change(state, value)
    with pytest.raises(
        UserError, match=rf"last\.pth: optimizer: expected the state of this run's optimizer, got {got}"
    ):
        check_optimizer(runner(wrapper), state, "last.pth")


@pytest.mark.parametrize("state", [None, [], {}, {"state": {}, "param_groups": 3}])
def test_no_state_at_all(state: Any) -> None:
    with pytest.raises(UserError, match="something else"):
        check_optimizer(runner(trained()), state, "last.pth")
