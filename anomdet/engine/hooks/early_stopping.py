"""Stop a run that no longer gets better; the count survives a resume."""

from __future__ import annotations

import math
from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner

from anomdet.engine.hooks.monitor import is_better, monitored, worst
from anomdet.registry import HOOKS


@HOOKS.register_module()
class EarlyStopping(Hook):
    """Ends the training after ``patience`` validations without a better metric.

    A metric that a validation does not have (an mAP without objects) is undefined: it stops nothing.

    Args:
        monitor: the metric to watch; a loss is better when lower, all else when higher.
        patience: validations to wait.
        min_delta: how much better counts as better; 0 means strictly better.
        warmup_epochs: validations up to this epoch do not use up the patience; they may set the best.
        nan_limit: validations in a row without a number (a diverged model) before the run stops. Each is a bad
            one too.
    """

    priority = "LOW"

    def __init__(
        self,
        monitor: str = "mAP",
        patience: int = 5,
        min_delta: float = 0.0,
        warmup_epochs: int = 0,
        nan_limit: int = 3,
    ) -> None:
        self.monitor = monitor
        self.patience = patience
        self.min_delta = min_delta
        self.warmup_epochs = warmup_epochs
        self.nan_limit = nan_limit
        self.best_score = worst(monitor)
        self.bad_validations = 0
        self.nan_validations = 0

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        score = monitored(runner, metrics, self.monitor)
        if score is None:
            return
        self.nan_validations = self.nan_validations + 1 if math.isnan(score) else 0
        if is_better(self.monitor, score, self.best_score, self.min_delta):
            self.best_score = score
            self.bad_validations = 0
        elif runner.epoch > self.warmup_epochs:
            self.bad_validations += 1
        why = self.reason()
        if why:
            runner.train_loop.stop_training = True
            runner.logger.info(f"stopped early after epoch {runner.epoch}: {why}")

    def reason(self) -> str:
        """Why the run is to stop; empty: it is not."""
        if self.nan_validations >= self.nan_limit:
            return f"{self.monitor} was not a number for {self.nan_validations} validations in a row"
        if self.bad_validations >= self.patience:
            best = f"its best, {self.best_score:.4f}," if math.isfinite(self.best_score) else "a first number"
            return f"{self.monitor} has not bettered {best} for {self.bad_validations} validations"
        return ""

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        checkpoint["early_stopping"] = {
            "best_score": self.best_score,
            "bad_validations": self.bad_validations,
            "nan_validations": self.nan_validations,
        }

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        state = checkpoint.get("early_stopping")
        if state and runner._resume:
            self.best_score = state["best_score"]
            self.bad_validations = state["bad_validations"]
            self.nan_validations = state.get("nan_validations", 0)

    def before_train(self, runner: Runner) -> None:
        if self.reason():
            runner.train_loop.stop_training = True
