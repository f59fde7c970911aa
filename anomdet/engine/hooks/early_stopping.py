"""Stop a training that no longer gets better; the count survives a resume."""

from __future__ import annotations

import math
from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner

from anomdet.registry import HOOKS


@HOOKS.register_module()
class EarlyStopping(Hook):
    """Ends the training after ``patience`` validations without a better score.

    Args:
        monitor: the metric to watch; higher is better.
        patience: validations to wait.
        min_delta: how much higher counts as better; 0 means strictly higher. NaN counts as not better.
    """

    priority = "LOW"

    def __init__(self, monitor: str = "mAP", patience: int = 5, min_delta: float = 0.0) -> None:
        self.monitor = monitor
        self.patience = patience
        self.min_delta = min_delta
        self.best_score = -math.inf
        self.bad_validations = 0

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        score = float((metrics or {}).get(self.monitor, math.nan))
        if score > self.best_score + self.min_delta:
            self.best_score = score
            self.bad_validations = 0
            return
        self.bad_validations += 1
        if self.bad_validations >= self.patience:
            runner.train_loop.stop_training = True
            runner.logger.info(
                f"stopped early after epoch {runner.epoch}: {self.monitor} has not risen above "
                f"{self.best_score:.4f} for {self.bad_validations} validations"
            )

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        state = {"best_score": self.best_score, "bad_validations": self.bad_validations}
        checkpoint["early_stopping"] = state

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        state = checkpoint.get("early_stopping")
        if state and runner._resume:
            self.best_score = state["best_score"]
            self.bad_validations = state["bad_validations"]

    def before_train(self, runner: Runner) -> None:
        if self.bad_validations >= self.patience:
            runner.train_loop.stop_training = True
