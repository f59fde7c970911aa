"""What a user sees during a run: a live bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import contextlib
import logging
import math
import sys
import time
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from anomdet.engine.checkpoint_meta import Meta
from anomdet.engine.contracts import EntersEpochs
from anomdet.engine.hooks.monitor import ends_with_validation, is_better, monitored, worst
from anomdet.layout import LAST
from anomdet.metric_catalogue import LOGGED, of_key
from anomdet.registry import HOOKS
from anomdet.words import counted


def foreign_keys(metrics: dict[str, float]) -> list[str]:
    """The values of metrics that are not ours: a plug-in's, or MMDetection's."""
    return [
        key
        for key, value in metrics.items()
        if isinstance(value, float) and of_key(key) is None and not key.startswith("val_")
    ]


def as_numbers(outputs: dict[str, Any] | None) -> dict[str, float]:
    """What a step returned; a loss of MMEngine's Runner is still part of its graph."""
    found = (outputs or {}).items()
    return {key: float(value.detach() if isinstance(value, torch.Tensor) else value) for key, value in found}


def _global_batch(runner: Runner) -> str:
    """What a step sees where that is more than one batch."""
    accumulated = getattr(runner.optim_wrapper, "_accumulative_counts", 1)
    accumulated = min(accumulated, len(runner.train_dataloader))  # a step ends with its epoch
    total = runner.train_dataloader.batch_size * runner.world_size * accumulated
    if total == runner.train_dataloader.batch_size:
        return ""
    parts = counted(runner.world_size, "process", "processes")
    parts += f", {accumulated} batches a step" if accumulated > 1 else ""
    return f"; {parts}: {total} images a step"


def _first_batch(runner: Runner) -> int:
    loop = runner.train_loop
    return loop.first_batch if isinstance(loop, EntersEpochs) else 0


def _num_images(batch: Any) -> int:
    """Of one process; 0: a batch of a kind that says nothing of it."""
    inputs = batch.get("inputs") if isinstance(batch, dict) else None
    return len(inputs) if isinstance(inputs, (list, torch.Tensor)) else 0


def readable_time(seconds: float) -> str:
    """``42 s``, ``3 min 05 s`` or ``2 h 07 min``."""
    seconds = round(seconds)
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60:02d} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60:02d} min"


@HOOKS.register_module()
class ProgressHook(Hook):
    """One line an epoch at INFO, one a batch at DEBUG, and in between a bar, or a line each ``interval_s`` seconds.

    Args:
        interval_s: seconds between two lines where there is no bar.
        monitor: the metric of the validation that decides what is best.
    """

    priority = "BELOW_NORMAL"

    def __init__(self, interval_s: float = 60.0, monitor: str = "mAP") -> None:
        self.interval_s = interval_s
        self.monitor = monitor
        self.bar: Progress | None = None
        self.task: TaskID | None = None
        self.best = worst(monitor)
        self.line = "validation"
        self.loss_sum, self.batches, self.not_finite = 0.0, 0, 0
        self.resumed: dict[str, Any] | None = None
        self.images = 0  # of all processes since the epoch began, or was entered
        self.objects: int | None = 0  # since the run was entered, of this process; None: they need not be counted

    def before_train(self, runner: Runner) -> None:
        loader = runner.train_dataloader
        device = next(runner.model.parameters()).device
        runner.logger.info(
            f"training {runner.model_name} for {runner.max_epochs} epochs of {len(loader)} batches of up to "
            f"{loader.batch_size} images on {device}; {counted(len(loader.dataset), 'image')}{_global_batch(runner)}"
        )
        if runner._resume:
            batch = _first_batch(runner) + 1
            runner.logger.info(f"resumed with batch {batch} of epoch {runner.epoch + 1}")
        self.started = self.spoken = time.monotonic()
        self.first_iter = runner.iter
        if runner.rank == 0 and sys.stdout is not None and sys.stdout.isatty():
            columns = (
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[note]}"),
            )
            self.bar = Progress(*columns, transient=True)
            self.bar.start()

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        best = Meta.of(checkpoint, LAST).best
        if best and runner._resume:
            self.best = best.score
            self.resumed = checkpoint.get("progress")

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        checkpoint["progress"] = {
            "loss_sum": self.loss_sum,
            "batches": self.batches,
            "not_finite": self.not_finite,
        }

    def before_train_epoch(self, runner: Runner) -> None:
        self.epoch_started, self.images = time.monotonic(), 0
        self.loss_sum, self.batches, self.not_finite = 0.0, 0, 0
        first_batch = _first_batch(runner)
        if self.resumed is not None and first_batch:
            self.loss_sum, self.batches = self.resumed["loss_sum"], self.resumed["batches"]
            self.not_finite = self.resumed.get("not_finite", 0)
        self.resumed = None
        if self.bar is not None:
            if self.task is not None:
                self.bar.remove_task(self.task)
            name = f"epoch {runner.epoch + 1}/{runner.max_epochs}"
            self.task = self.bar.add_task(name, total=len(runner.train_dataloader), completed=self.batches, note="")

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: dict[str, Any] | None = None
    ) -> None:
        losses = as_numbers(outputs)
        loss = losses.get("loss", 0.0)
        if math.isfinite(loss):
            self.loss_sum += loss
        else:
            self.not_finite += 1
        self.batches += 1
        self.images += _num_images(data_batch) * runner.world_size
        self.objects = None if self.objects is None else self.objects + _num_objects(data_batch)
        if runner.logger.isEnabledFor(logging.DEBUG):
            runner.logger.debug(self._batch_line(runner, batch_idx, losses))
        now = time.monotonic()
        loss = self._mean_loss()
        if self.bar is not None and self.task is not None:
            self.bar.update(self.task, advance=1, note=f"loss {loss:.4f}, {self._time_left(runner, now)} left")
        elif now - self.spoken > self.interval_s:
            self.spoken = now
            where = (
                f"epoch {runner.epoch + 1}/{runner.max_epochs}  batch {batch_idx + 1}/{len(runner.train_dataloader)}"
            )
            runner.logger.info(f"{where}  loss {loss:.4f}  {self._time_left(runner, now)} left")

    def _batch_line(self, runner: Runner, batch_idx: int, losses: dict[str, float]) -> str:
        norm = runner.message_hub.log_scalars.get("train/grad_norm")
        parts = [f"epoch {runner.epoch + 1} batch {batch_idx + 1}"]
        parts += [f"{key} {value:.4f}" for key, value in losses.items()]
        parts += [f"lr {runner.optim_wrapper.get_lr()['lr'][0]:.3e}"]
        if norm is not None:
            parts.append(f"grad_norm {float(norm.current()):.3f}")
        return "  ".join([*parts, f"memory {memory_mib()} MiB"])

    def _mean_loss(self) -> float:
        """Of the epoch's batches so far that had a finite one; NaN: none had."""
        finite = self.batches - self.not_finite
        return self.loss_sum / finite if finite else math.nan

    def _time_left(self, runner: Runner, now: float) -> str:
        done = runner.iter + 1 - self.first_iter
        return readable_time((now - self.started) / done * (runner.max_iters - runner.iter - 1))

    def after_train_epoch(self, runner: Runner) -> None:
        if self.objects == 0 and self.images and runner.world_size == 1:
            runner.logger.warning(
                f"epoch {runner.epoch + 1}: no image had an object left when the network saw it, and all are learned "
                "as normal parts: do the augmentations cut the objects away? See anomdet browse"
            )
        self.objects = None
        done, seconds = runner.epoch + 1, time.monotonic() - self.epoch_started
        speed = f", {self.images / seconds:.1f} images/s" if self.images and seconds > 0 else ""
        self.line = (
            f"epoch {done}/{runner.max_epochs}  loss {self._mean_loss():.4f}  "
            f"lr {runner.optim_wrapper.get_lr()['lr'][0]:.2e}  {readable_time(seconds)}{speed}"
        )
        if not ends_with_validation(runner):
            runner.logger.info(self.line)

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        metrics = metrics or {}
        shown = [*(key for key in LOGGED if key in metrics), *foreign_keys(metrics)]
        numbers = "  ".join(f"{key} {metrics[key]:.4f}" for key in shown)
        score = monitored(runner, metrics, self.monitor)
        better = score is not None and math.isfinite(score) and is_better(self.monitor, score, self.best)
        note = "  (best so far)" if better else ""
        self.best = score if better and score is not None else self.best
        runner.logger.info(f"{self.line}  val: {numbers}{note}")
        self.spoken = time.monotonic()

    def after_train(self, runner: Runner) -> None:
        self.close()

    def close(self) -> None:
        """Take the bar off the terminal."""
        if self.bar is not None:
            with contextlib.suppress(OSError):  # a terminal that was closed
                self.bar.stop()
            self.bar = None


def _num_objects(data_batch: Any) -> int:
    """That the network is taught; 1 where a data set of another kind does not say."""
    samples = data_batch.get("data_samples") if isinstance(data_batch, dict) else None
    boxes: list[Any] = [getattr(sample, "gt_instances", None) for sample in samples or ()]
    return sum(map(len, boxes)) if boxes and all(one is not None for one in boxes) else 1


def memory_mib() -> int:
    """The most memory that the process has used so far: of the GPU if there is one."""
    if torch.cuda.is_available():
        return int(torch.cuda.max_memory_allocated() // 2**20)
    if sys.platform == "win32":
        return 0
    import resource  # not on Windows

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // (2**20 if sys.platform == "darwin" else 2**10)
