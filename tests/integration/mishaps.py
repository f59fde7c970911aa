"""A plug-in for test_rank_failures.py: what befalls one process of a training."""

from __future__ import annotations

import logging
import os
import signal
import time
from typing import Any

from mmengine.hooks import Hook
from mmengine.registry import HOOKS

_LIMIT_S = 5.0
_VALIDATING = " in a validation"


@HOOKS.register_module()
class Mishap(Hook):
    """In the step ``at`` (from 0 on) of one rank: sleep, die, stop, raise, or get a signal; and warnings.

    From that step on the guards look around after a few seconds, in place of nine tenths of the time-out.

    Args:
        kind: sleep, none, raise or the name of a signal, ``in a validation`` perhaps.
        rank: whom it befalls.
        at: step.
    """

    def __init__(self, kind: str, rank: int = 1, at: int = 2) -> None:
        self.kind, self.rank, self.at = kind, rank, at

    def before_train(self, runner: Any) -> None:
        logging.warning("all have this")
        if runner.rank == self.rank:
            runner.logger.warning("one has this")

    def after_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        if runner.iter == self.at:
            runner.watch.guard.limit_s = _LIMIT_S
            if runner.rank == self.rank:
                self._befall()

    def before_val_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        if self.kind.endswith(_VALIDATING) and runner.rank == self.rank:
            os.kill(os.getpid(), getattr(signal, self.kind.removesuffix(_VALIDATING)))

    def _befall(self) -> None:
        if self.kind == "sleep":
            time.sleep(600)
        if self.kind == "raise":
            raise ValueError("a plug-in's own fault")
        if self.kind.startswith("SIG") and not self.kind.endswith(_VALIDATING):
            os.kill(os.getpid(), getattr(signal, self.kind))


@HOOKS.register_module()
class PoisonedLoss(Hook):
    """Multiplies the loss of some steps by NaN or infinity, in one process or all.

    Args:
        steps: from 0 on.
        factor: NaN or infinity.
        rank: whom it befalls; None: all.
    """

    def __init__(self, steps: list[int], factor: float, rank: int | None = None) -> None:
        self.steps, self.factor, self.rank = steps, float(factor), rank

    def before_train(self, runner: Any) -> None:
        model = getattr(runner.model, "module", runner.model)
        parse = model.parse_losses

        def parse_losses(losses: Any) -> Any:
            loss, parts = parse(losses)
            if runner.iter in self.steps and self.rank in (None, runner.rank):
                return loss * self.factor, {**parts, "loss": loss * self.factor}
            return loss, parts

        model.parse_losses = parse_losses
