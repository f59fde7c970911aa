"""When an epoch ends with a validation, and which of two values of its figure is better."""

from __future__ import annotations

import math

from mmengine.runner import Runner

from anomdet.metric_catalogue import lower_is_better


def worst(monitor: str) -> float:
    """A value that any number betters."""
    return math.inf if lower_is_better(monitor) else -math.inf


def is_better(monitor: str, score: float, best: float, min_delta: float = 0.0) -> bool:
    """Whether ``score`` betters ``best`` by more than ``min_delta``; NaN betters nothing."""
    return score < best - min_delta if lower_is_better(monitor) else score > best + min_delta


def ends_with_validation(runner: Runner) -> bool:
    """Whether the epoch under way ends with a validation; the loop counts it up only after the hooks."""
    loop, done = runner.train_loop, runner.epoch + 1
    return bool(done >= loop.val_begin and (done % loop.val_interval == 0 or done == loop.max_epochs))
