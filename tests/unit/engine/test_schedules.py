"""The learning rate against PyTorch's own schedulers, iteration by iteration."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR, CosineAnnealingWarmRestarts, StepLR

from anomdet.engine.schedules import IterationSchedule

LENGTH = 7  # iterations of an epoch
BASES = (0.1, 0.003)


def optimizer(bases: tuple[float, ...] = BASES) -> torch.optim.SGD:
    return torch.optim.SGD([{"params": [nn.Parameter(torch.zeros(1))], "lr": base} for base in bases], lr=1.0)


def ours(epochs: int, **arguments: Any) -> list[list[float]]:
    """The rates of each group with which each iteration is run."""
    steps = optimizer()
    schedule = IterationSchedule(steps, epoch_length=LENGTH, max_epochs=epochs, **arguments)
    rates = []
    for _ in range(epochs * LENGTH):
        rates.append([group["lr"] for group in steps.param_groups])
        steps.step()
        schedule.step()
    return rates


def theirs(iterations: int, make: Callable[[Any], Any], step: Callable[[Any, int], None]) -> list[list[float]]:
    steps = optimizer()
    schedule = make(steps)
    rates = []
    for iteration in range(iterations):
        rates.append([group["lr"] for group in steps.param_groups])
        steps.step()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            step(schedule, iteration + 1)
    return rates


def assert_equal(found: list[list[float]], wanted: list[list[float]]) -> None:
    assert len(found) == len(wanted) > 0
    for iteration, (one, other) in enumerate(zip(found, wanted, strict=True)):
        assert one == pytest.approx(other, rel=1e-9, abs=1e-12), iteration


@pytest.mark.parametrize("eta_min", [0.0, 1e-4])
@pytest.mark.parametrize(("period", "factor"), [(1, 1), (3, 1), (10, 1), (1, 2), (2, 2), (2, 3)])
def test_warm_restarts(period: int, factor: int, eta_min: float) -> None:
    epochs = 15
    wanted = theirs(
        epochs * LENGTH,
        lambda steps: CosineAnnealingWarmRestarts(steps, T_0=period, T_mult=factor, eta_min=eta_min),
        lambda schedule, iteration: schedule.step(iteration / LENGTH),
    )
    name = "cosine_annealing_warm_restarts"
    assert_equal(ours(epochs, name=name, T_0=period, T_mult=factor, eta_min=eta_min), wanted)


def test_restarts_go_back_to_the_full_rate() -> None:
    rates = ours(6, name="cosine_annealing_warm_restarts", T_0=2)
    assert rates[0] == rates[2 * LENGTH] == rates[4 * LENGTH] == list(BASES)
    assert rates[2 * LENGTH - 1][0] < 0.02 * BASES[0]


@pytest.mark.parametrize("eta_min", [0.0, 1e-4])
@pytest.mark.parametrize("epochs", [1, 4])
def test_cosine(epochs: int, eta_min: float) -> None:
    total = epochs * LENGTH
    wanted = theirs(
        total, lambda steps: CosineAnnealingLR(steps, T_max=total, eta_min=eta_min), lambda schedule, _: schedule.step()
    )
    assert_equal(ours(epochs, name="cosine_annealing", eta_min=eta_min), wanted)


@pytest.mark.parametrize(("size", "gamma"), [(1, 0.5), (3, 0.1), (20, 0.1)])
def test_step(size: int, gamma: float) -> None:
    def step(schedule: Any, iteration: int) -> None:
        if iteration % LENGTH == 0:
            schedule.step()

    wanted = theirs(8 * LENGTH, lambda steps: StepLR(steps, step_size=size, gamma=gamma), step)
    assert_equal(ours(8, name="step_lr", step_size=size, gamma=gamma), wanted)


def test_constant() -> None:
    assert_equal(ours(2, name="constant"), [list(BASES)] * (2 * LENGTH))


@pytest.mark.parametrize("name", ["cosine_annealing", "cosine_annealing_warm_restarts"])
def test_a_rate_below_the_lowest_one_stays_as_it_is(name: str) -> None:
    rates = ours(3, name=name, eta_min=0.01)
    assert all(rate >= 0.01 for rate, _ in rates)
    assert [slow for _, slow in rates] == [BASES[1]] * len(rates)


def test_warm_up_rises_to_the_full_rate_where_the_schedule_begins() -> None:
    warm = 5
    for name in ("cosine_annealing_warm_restarts", "cosine_annealing", "constant", "step_lr"):
        rates = ours(6, name=name, T_0=2, step_size=4, warmup_iterations=warm, warmup_start=0.01)
        assert rates[0] == pytest.approx([0.01 * base for base in BASES])
        rises = [rates[i + 1][0] - rates[i][0] for i in range(warm)]
        assert rises == pytest.approx([0.99 * BASES[0] / warm] * warm)
        assert rates[warm] == list(BASES)
        assert max(rate for rate, _ in rates) == BASES[0]


def test_after_the_warm_up_the_restarts_are_those_of_a_run_without() -> None:
    name, warm = "cosine_annealing_warm_restarts", 5
    plain, warmed = ours(6, name=name, T_0=2), ours(6, name=name, T_0=2, warmup_iterations=warm)
    assert_equal(warmed[warm:], plain[:-warm])


def test_cosine_ends_with_the_training_after_a_warm_up() -> None:
    rates = ours(4, name="cosine_annealing", warmup_iterations=6, eta_min=1e-4)
    left = 4 * LENGTH - 6
    wanted = theirs(
        left, lambda steps: CosineAnnealingLR(steps, T_max=left, eta_min=1e-4), lambda schedule, _: schedule.step()
    )
    assert_equal(rates[6:], wanted)


def test_steps_come_at_the_ends_of_epochs_after_a_warm_up_too() -> None:
    rates = [rate for rate, _ in ours(6, name="step_lr", step_size=2, gamma=0.5, warmup_iterations=3)]
    changes = [i for i in range(4, len(rates)) if rates[i] != rates[i - 1]]
    assert changes == [2 * LENGTH, 4 * LENGTH]


def test_a_warm_up_longer_than_the_training_is_all_warm_up() -> None:
    rates = [rate for rate, _ in ours(1, name="cosine_annealing", warmup_iterations=100)]
    assert rates == sorted(rates)
    assert rates[-1] < 0.1 * BASES[0]


@pytest.mark.parametrize("name", ["cosine_annealing_warm_restarts", "cosine_annealing", "step_lr", "constant"])
def test_resumed_equals_uninterrupted(name: str) -> None:
    arguments: dict[str, Any] = dict(name=name, epoch_length=LENGTH, max_epochs=4, T_0=2, step_size=1)
    steps = optimizer()
    schedule = IterationSchedule(steps, **arguments)
    for _ in range(LENGTH + 3):
        steps.step()
        schedule.step()
    state, rates = schedule.state_dict(), steps.state_dict()
    resumed_steps = optimizer()
    resumed = IterationSchedule(resumed_steps, **arguments)
    resumed_steps.load_state_dict(rates)
    resumed.load_state_dict(state)
    assert resumed.state_dict() == state  # a resume that has only a validation left saves it again
    for _ in range(2 * LENGTH):
        assert [g["lr"] for g in steps.param_groups] == [g["lr"] for g in resumed_steps.param_groups]
        for one, other in ((steps, schedule), (resumed_steps, resumed)):
            one.step()
            other.step()


def test_a_resume_may_add_epochs() -> None:
    steps = optimizer()
    schedule = IterationSchedule(steps, name="cosine_annealing", epoch_length=LENGTH, max_epochs=2)
    for _ in range(2 * LENGTH):
        steps.step()
        schedule.step()
    assert steps.param_groups[0]["lr"] == pytest.approx(0, abs=1e-12)
    longer = optimizer()
    resumed = IterationSchedule(longer, name="cosine_annealing", epoch_length=LENGTH, max_epochs=4)
    longer.load_state_dict(steps.state_dict())
    resumed.load_state_dict(schedule.state_dict())
    assert longer.param_groups[0]["lr"] == pytest.approx(BASES[0] / 2)


def test_the_runners_way_in() -> None:
    schedule = IterationSchedule.build_iter_from_epoch(
        optimizer=optimizer(), name="constant", epoch_length=LENGTH, max_epochs=2, end=2
    )
    assert isinstance(schedule, IterationSchedule)
