"""When an epoch ends with a validation, and which of two values of its metric is better."""

from __future__ import annotations

import math

from mmengine.runner import Runner

from anomdet.metric_catalogue import VAL_LOSS, lower_is_better


def worst(monitor: str) -> float:
    """A value that any number betters."""
    return math.inf if lower_is_better(monitor) else -math.inf


def is_better(monitor: str, score: float, best: float, min_delta: float = 0.0) -> bool:
    """Whether ``score`` betters ``best`` by more than ``min_delta``; NaN betters nothing."""
    return score < best - min_delta if lower_is_better(monitor) else score > best + min_delta


def monitored(runner: Runner, metrics: dict[str, float] | None, monitor: str) -> float | None:
    """The metric of a validation; None: undefined. NaN where the model has diverged, whatever was measured.

    A diverged model may well score 0, which is a number, and a first one is the best so far: so a validation whose loss
    is not finite, or not known, counts as none where the newest step was skipped for that reason.
    """
    metrics = metrics or {}
    if getattr(runner.train_loop, "skipped_in_a_row", 0) and not math.isfinite(metrics.get(VAL_LOSS, math.nan)):
        return math.nan
    return float(metrics[monitor]) if monitor in metrics else None


def ends_with_validation(runner: Runner) -> bool:
    """Whether the epoch under way ends with a validation; the loop counts it up only after the hooks."""
    loop, done = runner.train_loop, runner.epoch + 1
    return bool(done >= loop.val_begin and (done % loop.val_interval == 0 or done == loop.max_epochs))
