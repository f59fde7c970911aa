"""``last.pth`` after each epoch and ``best_model.pth`` by the monitored figure, both written atomically."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner

from anomdet.engine.checkpoint import Progress, collect_checkpoint, save_atomically
from anomdet.engine.hooks.epochs import ends_with_validation
from anomdet.engine.hooks.monitor import is_better, worst
from anomdet.engine.hooks.signals import Signals
from anomdet.registry import HOOKS

BEST_NAME = "best_model.pth"
LAST_NAME = "last.pth"


@HOOKS.register_module()
class BestAndLastHook(Hook):
    """Keeps two checkpoints.

    ``last.pth`` is written at the end of each epoch, before and after its validation, and when Ctrl-C or SIGTERM ends
    the training in the middle of an epoch (in a training of one process; many processes fall back to their last epoch).

    Args:
        out_dir: the folder, made if missing.
        monitor: the figure of the validation that decides what is best.

    Attributes:
        last: how far the training is that last.pth holds; None: there is none.
    """

    priority = "VERY_LOW"

    def __init__(self, out_dir: str, monitor: str = "mAP") -> None:
        self.out_dir = Path(out_dir)
        self.monitor = monitor
        self.best_score = worst(monitor)
        self.best_epoch = 0
        self.last: Progress | None = None
        self.signals = Signals()

    def before_train(self, runner: Runner) -> None:
        self.out_dir.mkdir(parents=True, exist_ok=True)
        if runner.rank == 0:  # what a kill in the middle of a write left behind
            for path in (*self.out_dir.glob(f".{BEST_NAME}.*"), *self.out_dir.glob(f".{LAST_NAME}.*")):
                path.unlink(missing_ok=True)

    def before_train_epoch(self, runner: Runner) -> None:
        if runner.world_size == 1:
            self.signals.watch()

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: dict[str, Any] | None = None
    ) -> None:
        if self.signals.noted is None or not runner.optim_wrapper.should_update():
            return  # in the middle of an accumulation the gradients would be lost
        # The loop counts the iteration only after this hook.
        self._save(runner, LAST_NAME, Progress(epoch=runner.epoch, batch=batch_idx + 1, iter=runner.iter + 1))
        self.signals.act()

    def after_train_epoch(self, runner: Runner) -> None:
        num_batches = len(runner.train_dataloader)
        if ends_with_validation(runner):  # the epoch is not over; a training that is killed goes on from here
            progress = Progress(epoch=runner.epoch, batch=num_batches, iter=runner.iter)
        else:
            progress = Progress(epoch=runner.epoch + 1, batch=0, iter=runner.iter)
        self._save(runner, LAST_NAME, progress)
        if self.signals.noted is not None:
            self.signals.act()
        self.signals.release()

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        progress = Progress(epoch=runner.epoch, batch=0, iter=runner.iter)
        score = float((metrics or {}).get(self.monitor, math.nan))
        if is_better(self.monitor, score, self.best_score) or self.best_epoch == 0:
            self.best_score = worst(self.monitor) if math.isnan(score) else score
            self.best_epoch = runner.epoch
            self._save(runner, BEST_NAME, progress, for_resume=False, operating_point=_operating_point(runner))
        self._save(runner, LAST_NAME, progress, operating_point=_operating_point(runner))

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        meta = checkpoint.get("meta", {})
        best = meta.get("best")
        if best and runner._resume:
            self.best_score, self.best_epoch = best["score"], best["epoch"]
            self.last = Progress.of(meta)
            runner.train_loop.first_batch = self.last.batch

    def close(self) -> None:
        """Give the signals back, however the training ended."""
        self.signals.release()

    def _save(
        self,
        runner: Runner,
        name: str,
        progress: Progress,
        *,
        for_resume: bool = True,
        operating_point: dict[str, Any] | None = None,
    ) -> None:
        if runner.rank != 0:
            return
        best = {"score": self.best_score, "epoch": self.best_epoch, "monitor": self.monitor}
        checkpoint = collect_checkpoint(runner, progress=progress, best=best, for_resume=for_resume)
        if operating_point is not None:
            checkpoint["meta"]["operating_point"] = operating_point
        save_atomically(checkpoint, self.out_dir / name)
        if name == LAST_NAME:
            self.last = progress


def _operating_point(runner: Runner) -> dict[str, Any] | None:
    """The score threshold that the validation chose, and by what criterion, if a metric of it chooses one."""
    for metric in getattr(runner.val_loop.evaluator, "metrics", ()):
        if hasattr(metric, "chosen_point"):
            return metric.chosen_point()
    return None
