"""``last.pth`` after each epoch and ``best_model.pth`` by the monitored metric, both written atomically."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner

from anomdet.engine.checkpoint import save_atomically
from anomdet.engine.checkpoint_meta import Meta
from anomdet.engine.contracts import ChoosesPoint
from anomdet.engine.distributed.watch import Watch
from anomdet.engine.finite_steps import all_finite
from anomdet.engine.hooks.monitor import ends_with_validation, is_better, monitored, worst
from anomdet.engine.hooks.signals import Signals
from anomdet.engine.run_state import Progress, collect_checkpoint
from anomdet.layout import BEST, CHECKPOINTS, LAST
from anomdet.outputs import remove_leftovers
from anomdet.registry import HOOKS

_SAME_SIGNAL_S = 2.0


@HOOKS.register_module()
class BestAndLastHook(Hook):
    """Keeps two checkpoints.

    ``last.pth`` is written at the end of each epoch, before and after its validation, and when Ctrl-C or SIGTERM ends
    the training in the middle of an epoch. Many processes agree on the step after which they stop; rank 0 writes.

    Args:
        out_dir: the folder, made if missing.
        monitor: the metric of the validation that decides what is best.

    Attributes:
        last: how far the run is that last.pth holds; None: there is none.
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
        if runner.rank == 0:
            remove_leftovers(self.out_dir, CHECKPOINTS)

    def before_train_epoch(self, runner: Runner) -> None:
        watch = _watch(runner)
        if watch is not None:
            self.signals.is_silent, self.signals.pause_s = True, _SAME_SIGNAL_S
            watch.checkpoint = self.out_dir / LAST
            accumulated = getattr(runner.optim_wrapper, "_accumulative_counts", 1)
            first = runner.train_loop.first_batch
            watch.arm(_step(runner, first) - 1, len(runner.train_dataloader) - first, accumulated)
        if watch is not None or runner.world_size == 1:
            self.signals.watch()

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        watch = _watch(runner)
        if watch is not None and not watch.stop.begin(_step(runner, batch_idx)):
            self._leave(watch)

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: dict[str, Any] | None = None
    ) -> None:
        watch = _watch(runner)
        if watch is None and (self.signals.noted is None or not runner.optim_wrapper.should_update()):
            return  # in the middle of an accumulation the gradients would be lost
        if watch is not None and not watch.stop.is_due(_step(runner, batch_idx)):
            return
        if watch is None or not watch.stop.has_failed:
            # The loop counts the iteration only after this hook.
            self._save(runner, LAST, Progress(epoch=runner.epoch, batch=batch_idx + 1, iter=runner.iter + 1))
        self._leave(watch)

    def after_train_epoch(self, runner: Runner) -> None:
        num_batches, watch = len(runner.train_dataloader), _watch(runner)
        if ends_with_validation(runner):  # the epoch is not over; a training that is killed goes on from here
            progress = Progress(epoch=runner.epoch, batch=num_batches, iter=runner.iter)
        else:
            progress = Progress(epoch=runner.epoch + 1, batch=0, iter=runner.iter)
        self._save(runner, LAST, progress)
        is_over = is_agreed = False
        if watch is not None:
            watch.armed = False
            # last.pth holds the epoch: one that has had a signal itself need not agree with others, which may be gone.
            is_over = watch.stop.is_over(_step(runner, num_batches - 1), lambda: self.signals.noted is not None)
            is_agreed = watch.stop.last is not None
        self.signals.release()
        if is_over or (self.signals.noted is not None and not is_agreed):
            self._leave(watch)

    def before_val_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        watch = _watch(runner)
        if watch is not None and watch.stop.last is not None:  # agreed on just after this process had ended the epoch
            self._leave(watch)

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        progress = Progress(epoch=runner.epoch, batch=0, iter=runner.iter)
        score = monitored(runner, metrics, self.monitor)
        if score is not None and math.isfinite(score) and is_better(self.monitor, score, self.best_score):
            before = self.best_score, self.best_epoch
            self.best_score, self.best_epoch = score, runner.epoch
            if not self._save(runner, BEST, progress, for_resume=False, operating_point=_operating_point(runner)):
                self.best_score, self.best_epoch = before
        self._save(runner, LAST, progress, operating_point=_operating_point(runner))

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        meta = Meta.of(checkpoint, LAST)
        if meta.best and runner._resume:
            self.best_score, self.best_epoch = meta.best.score, meta.best.epoch
            self.last = Progress.of(meta)
            if self.best_epoch and not (self.out_dir / BEST).is_file():
                best = f"{self.out_dir / BEST} is not there: the best so far, of epoch {self.best_epoch}, is lost"
                runner.logger.warning(f"{best}; the best epoch from here on is kept")
                self.best_score, self.best_epoch = worst(self.monitor), 0
            runner.train_loop.first_batch, runner.train_loop.first_draw = self.last.batch, meta.draws or 0

    def close(self) -> None:
        """Give the signals back, however the training ended."""
        self.signals.release()

    def _leave(self, watch: Watch | None) -> None:
        """Do what the signal would have done at once, in all processes together."""
        if watch is not None:
            if watch.stop.last is not None:
                watch.wait_for_the_first()
            self.signals.noted = self.signals.noted or watch.stop.number
        self.signals.act()

    def _save(
        self,
        runner: Runner,
        name: str,
        progress: Progress,
        *,
        for_resume: bool = True,
        operating_point: dict[str, Any] | None = None,
    ) -> bool:
        """Of the first process; False: weights that are not finite are nobody's best."""
        if runner.rank != 0:
            return True
        best = {"score": self.best_score, "epoch": self.best_epoch, "monitor": self.monitor}
        checkpoint = collect_checkpoint(
            runner, progress=progress, best=best, for_resume=for_resume, operating_point=operating_point
        )
        if name == BEST and not all_finite(checkpoint["state_dict"].values()):
            runner.logger.warning(f"epoch {runner.epoch}: weights are NaN or infinite: {BEST} is not written")
            return False
        save_atomically(checkpoint, self.out_dir / name)
        if name == LAST:
            self.last = progress
        return True


def _watch(runner: Runner) -> Watch | None:
    """Of a process of many."""
    return getattr(runner, "watch", None)


def _step(runner: Runner, batch_idx: int) -> int:
    """Counts the steps from 1 on, over all epochs; from the first batch of one that was entered in its middle."""
    first = runner.train_loop.first_batch
    before = 0 if first else int(runner.epoch) * len(runner.train_dataloader)
    return int(before + batch_idx - first + 1)


def _operating_point(runner: Runner) -> dict[str, Any] | None:
    """The score threshold that the validation chose, and by what criterion, if a metric of it chooses one."""
    for metric in getattr(runner.val_loop.evaluator, "metrics", ()):
        if isinstance(metric, ChoosesPoint):
            return metric.chosen_point()
    return None
