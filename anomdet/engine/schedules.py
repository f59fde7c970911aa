"""The learning rate as one closed formula of the iteration: warm-up, then a schedule, with no state to lose."""

from __future__ import annotations

import math
from typing import Any

from mmengine.optim.scheduler.param_scheduler import _ParamScheduler

from anomdet.registry import PARAM_SCHEDULERS


def cosine(progress: float, base: float, eta_min: float) -> float:
    """From ``base`` at progress 0 to ``eta_min`` at progress 1."""
    return eta_min + (base - eta_min) * (1 + math.cos(math.pi * progress)) / 2


def restart_progress(epoch: float, period: int, factor: int) -> float:
    """Where in its period of warm restarts an epoch lies, in [0, 1).

    Args:
        epoch: epochs done, with a fraction.
        period: epochs of the first period (T_0).
        factor: each period is so many times as long as the one before (T_mult).

    Source: Loshchilov and Hutter, SGDR, 2017.
    """
    if factor == 1:
        return (epoch % period) / period
    length = float(period)
    while epoch >= length:
        epoch -= length
        length *= factor
    return epoch / length


@PARAM_SCHEDULERS.register_module()
class IterationSchedule(_ParamScheduler):
    """Sets the learning rate at each iteration.

    Args:
        optimizer: the optimizer or its wrapper.
        name: cosine_annealing_warm_restarts, cosine_annealing, step_lr or constant.
        epoch_length: iterations of an epoch; the Runner gives it.
        max_epochs: epochs of the training, where cosine_annealing ends.
        T_0, T_mult: epochs of the first period of warm restarts, and the growth of the periods.
        eta_min: the lowest learning rate of the cosines.
        step_size, gamma: step_lr multiplies by gamma after each step_size epochs.
        warmup_iterations: a linear rise from ``warmup_start`` of the rate; the cosines begin where it ends.
    """

    def __init__(  # noqa: PLR0913 - the settings' keys, one for one
        self,
        optimizer: Any,
        *,
        name: str,
        epoch_length: int,
        max_epochs: int,
        T_0: int = 10,
        T_mult: int = 1,
        eta_min: float = 0.0,
        step_size: int = 3,
        gamma: float = 0.1,
        warmup_iterations: int = 0,
        warmup_start: float = 0.01,
        end: int | None = None,
    ) -> None:
        self.name = name
        self.epoch_length = epoch_length
        self.max_epochs = max_epochs
        self.T_0, self.T_mult, self.eta_min = T_0, T_mult, eta_min
        self.step_size, self.gamma = step_size, gamma
        self.warmup_iterations, self.warmup_start = warmup_iterations, warmup_start
        super().__init__(optimizer, "lr", by_epoch=False)

    @classmethod
    def build_iter_from_epoch(cls, **arguments: Any) -> IterationSchedule:
        """The Runner's way in (``convert_to_iter_based=True``): only so does it learn the length of an epoch."""
        return cls(**arguments)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue at the iteration of a checkpoint; the formula stays the settings', so a resume may add epochs."""
        self.last_step, self._global_step = state_dict["last_step"], state_dict["_global_step"]
        self._last_value = self._get_value()
        for group, rate in zip(self.optimizer.param_groups, self._last_value, strict=True):
            group["lr"] = rate

    def _get_value(self) -> list[float]:
        return [self.rate(self.last_step, base) for base in self.base_values]

    def rate(self, iteration: int, base: float) -> float:
        """The learning rate at an iteration (from 0) for a group whose full rate is ``base``."""
        if iteration < self.warmup_iterations:
            share = iteration / self.warmup_iterations
            return base * (self.warmup_start + (1 - self.warmup_start) * share)
        if self.name == "step_lr":  # steps come at the ends of epochs, warm-up or not
            return base * self.gamma ** (iteration // self.epoch_length // self.step_size)
        iteration -= self.warmup_iterations
        epoch = iteration / self.epoch_length
        lowest = min(self.eta_min, base)  # a group with a small share of the rate never rises above its own
        if self.name == "cosine_annealing_warm_restarts":
            return cosine(restart_progress(epoch, self.T_0, self.T_mult), base, lowest)
        if self.name == "cosine_annealing":
            total = max(self.max_epochs * self.epoch_length - self.warmup_iterations, 1)
            return cosine(min(iteration / total, 1.0), base, lowest)
        return base
