"""``last.pth`` after each epoch and ``best_model.pth`` by the monitored metric, both written atomically."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner

from anomdet.engine.checkpoint import collect_checkpoint, save_atomically
from anomdet.engine.hooks.epochs import ends_with_validation
from anomdet.registry import HOOKS

BEST_NAME = "best_model.pth"
LAST_NAME = "last.pth"


@HOOKS.register_module()
class BestAndLastHook(Hook):
    """Keeps two checkpoints.

    Args:
        out_dir: the folder, made if missing.
        monitor: the validation metric, higher is better, that decides what is best.
    """

    priority = "VERY_LOW"

    def __init__(self, out_dir: str, monitor: str = "mAP") -> None:
        self.out_dir = Path(out_dir)
        self.monitor = monitor
        self.best_score = -math.inf
        self.best_epoch = 0
        self.last_epoch = 0  # of the last.pth that this training wrote or went on from

    def before_train(self, runner: Runner) -> None:
        self.out_dir.mkdir(parents=True, exist_ok=True)

    def after_train_epoch(self, runner: Runner) -> None:
        # A validated epoch is saved with its scores, below.
        if not ends_with_validation(runner):
            self._save(runner, LAST_NAME, epoch=runner.epoch + 1)

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        score = float((metrics or {}).get(self.monitor, math.nan))
        if score > self.best_score or self.best_epoch == 0:
            self.best_score = -math.inf if math.isnan(score) else score
            self.best_epoch = runner.epoch
            self._save(runner, BEST_NAME, epoch=runner.epoch, for_resume=False)
        self._save(runner, LAST_NAME, epoch=runner.epoch)

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        meta = checkpoint.get("meta", {})
        best = meta.get("best")
        if best and runner._resume:
            self.best_score, self.best_epoch = best["score"], best["epoch"]
            self.last_epoch = meta.get("epoch", 0)

    def _save(self, runner: Runner, name: str, *, epoch: int, for_resume: bool = True) -> None:
        if runner.rank != 0:
            return
        best = {"score": self.best_score, "epoch": self.best_epoch, "monitor": self.monitor}
        checkpoint = collect_checkpoint(runner, epoch=epoch, best=best, for_resume=for_resume)
        save_atomically(checkpoint, self.out_dir / name)
        if name == LAST_NAME:
            self.last_epoch = epoch
