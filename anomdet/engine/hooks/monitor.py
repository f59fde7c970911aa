"""Which of two values of a validation's figure is better."""

from __future__ import annotations

import math


def lower_is_better(monitor: str) -> bool:
    """Losses fall, all else rises."""
    return "loss" in monitor


def worst(monitor: str) -> float:
    """A value that any number betters."""
    return math.inf if lower_is_better(monitor) else -math.inf


def is_better(monitor: str, score: float, best: float, min_delta: float = 0.0) -> bool:
    """Whether ``score`` betters ``best`` by more than ``min_delta``; NaN betters nothing."""
    return score < best - min_delta if lower_is_better(monitor) else score > best + min_delta
