"""What a step, a validation and a checkpoint of a run take on this machine, by the run's own Runner."""

from __future__ import annotations

import contextlib
import itertools
import math
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmengine.hooks import Hook

from anomdet.engine.checkpoint import save_atomically
from anomdet.engine.run_state import Progress, collect_checkpoint
from anomdet.layout import LAST
from anomdet.registry import HOOKS

MIN_STEPS, WARM_STEPS, MAX_STEPS = 6, 3, 200
MIN_VAL_BATCHES, VAL_SHARE = 2, 0.25  # of the seconds of a timing run
_OWN_HOOKS = ("anomdet.IterationSeedHook", "EMAHook", "anomdet.AverageHook")


@dataclass(frozen=True)
class Costs:
    """Wall time of the parts of a run, seconds.

    Args:
        step_s: one batch: loading, forward, backward, optimizer and hooks.
        val_image_s: one image of a validation.
        save_s: one checkpoint.
        num_steps: that were timed.
        setup_s: from the settings to the first step.
    """

    step_s: float
    val_image_s: float
    save_s: float
    num_steps: int = 0
    setup_s: float = 0.0


class _Timed(Exception):
    """Enough was seen: the way out of MMEngine's loops."""


@HOOKS.register_module()
class StopwatchHook(Hook):
    """Times steps from end to end and leaves the loop after ``seconds``.

    The first steps do not count: memory is taken, kernels are chosen, and batches that were loaded ahead are waiting.

    Args:
        seconds: of training; a quarter of them again for validation.
        num_skipped: steps that do not count.
        limit_s: of training, after which it leaves with as few as two steps.
    """

    priority = "LOWEST"

    def __init__(self, seconds: float, num_skipped: int = WARM_STEPS, limit_s: float = math.inf) -> None:
        self.seconds, self.num_skipped, self.limit_s = seconds, num_skipped, limit_s
        self.ends: list[float] = []
        self.val_images: list[int] = []
        self.val_ends: list[float] = []

    def before_train(self, runner: Any) -> None:
        self.started = time.perf_counter()

    def after_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        now = time.perf_counter()
        self.ends.append(now)
        counted, elapsed_s = len(self.ends) - 1 - self.num_skipped, now - self.started
        if counted >= MAX_STEPS or (counted >= MIN_STEPS and elapsed_s >= self.seconds):
            raise _Timed
        if len(self.ends) > 1 and elapsed_s >= self.limit_s:
            raise _Timed

    def before_val_epoch(self, runner: Any) -> None:
        self.val_started = time.perf_counter()

    def after_val_iter(self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        now = time.perf_counter()
        self.val_ends.append(now)
        self.val_images.append(len(outputs))
        if len(self.val_ends) > MIN_VAL_BATCHES and now - self.val_started >= self.seconds * VAL_SHARE:
            raise _Timed

    def step_s(self) -> float:
        """The mean of the steps that count, without the slowest and the fastest twentieth."""
        ends = self.ends[min(self.num_skipped, max(len(self.ends) - 2, 0)) :]
        steps = sorted(after - before for before, after in itertools.pairwise(ends))
        cut = len(steps) // 20
        return statistics.fmean(steps[cut : len(steps) - cut])

    def val_image_s(self) -> float:
        """The mean over images, without the first batch."""
        if len(self.val_ends) < 2:
            return (self.val_ends[0] - self.val_started) / max(self.val_images[0], 1)
        return (self.val_ends[-1] - self.val_ends[0]) / max(sum(self.val_images[1:]), 1)


def for_timing(config: Any, seconds: float, limit_s: float = math.inf) -> Any:
    """A run's config, fitted to the machine, that only times it: nothing is written, and no hook of the user's runs.

    Args:
        config: is changed.
        seconds: of training steps.
        limit_s: see :class:`StopwatchHook`.
    """
    workers = config.train_dataloader.num_workers
    waiting = workers * (config.train_dataloader.get("prefetch_factor") or 2) if workers else 0
    own = [hook for hook in config.custom_hooks if hook["type"] in _OWN_HOOKS]
    stopwatch = dict(type="anomdet.StopwatchHook", seconds=seconds, num_skipped=WARM_STEPS + waiting, limit_s=limit_s)
    config.custom_hooks = [*own, stopwatch]
    config.default_hooks = {**config.default_hooks, "checkpoint": None, "logger": None}
    batches = MAX_STEPS + WARM_STEPS + waiting + 2
    if config.train_dataloader.sampler.get("replacement", True):
        config.train_dataloader.sampler.num_samples = batches * config.train_dataloader.batch_size
    config.train_cfg.max_epochs, config.train_cfg.val_interval = batches, batches + 1
    config.visualizer, config.log_level = None, "ERROR"
    return config


def time_run(runner: Any, scratch: Path | None = None) -> Costs:
    """Run some steps of training and validation and save a checkpoint once; the Runner is of no use afterwards.

    Args:
        runner: of a config from :func:`for_timing`.
        scratch: an existing folder on the disk of the checkpoints; None: the system's place for temporary files.
    """
    watch = next(hook for hook in runner.hooks if isinstance(hook, StopwatchHook))
    for run in (runner.train, runner.val_loop.run):
        with contextlib.suppress(_Timed):
            run()
    seen = sum(watch.val_images)
    started = time.perf_counter()
    runner.val_evaluator.evaluate(seen)
    metrics_s = (time.perf_counter() - started) / max(seen, 1)
    best = {"score": 0.0, "epoch": 0, "monitor": ""}
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        started = time.perf_counter()
        progress = Progress(epoch=0, batch=0, iter=0)
        save_atomically(collect_checkpoint(runner, progress=progress, best=best, for_resume=True), Path(folder) / LAST)
        save_s = time.perf_counter() - started
    return Costs(
        watch.step_s(), watch.val_image_s() + metrics_s, save_s, max(len(watch.ends) - 1 - watch.num_skipped, 1)
    )
