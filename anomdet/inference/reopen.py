"""A detector that is sent to another process is opened there from its file: what it runs cannot be sent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from anomdet.errors import Problem, UserError

if TYPE_CHECKING:
    from anomdet.inference.thresholds import Threshold

_KEPT = 2  # detectors in memory: `pool.map(detector, ...)` sends one with each piece of its work


@dataclass(frozen=True)
class Origin:
    """How a detector was opened.

    Args:
        load: what opened it, found by its name in another process.
        path: its file or folder, absolute.
        options: of ``load``, but the threshold.
    """

    load: Callable[..., Any]
    path: str
    options: tuple[tuple[str, Any], ...]


def reduced(detector: Any) -> tuple[Any, ...]:
    """What pickle keeps of a detector: its file, the hash of that, and the thresholds.

    Args:
        detector: a :class:`anomdet.inference.detector.Detector`, which imports this file.

    Raises:
        UserError: it does not come from ``anomdet.load``.
    """
    if detector.origin is None:
        hint = "call anomdet.load in the other process"
        raise UserError(Problem("the detector", "one of anomdet.load, to send to another process", "another", hint))
    given: Threshold | None = detector.thresholds if detector.artifact.class_nums else None
    threshold = tuple(given.items()) if isinstance(given, Mapping) else given
    return reopened, (detector.origin, detector.sha256, threshold)


@lru_cache(maxsize=_KEPT)
def reopened(origin: Origin, sha256: str, threshold: float | tuple[tuple[int, float], ...] | None) -> Any:
    """The detector again.

    Args:
        origin: how it was opened.
        sha256: of its file.
        threshold: that it had: one for all classes, or one for each.

    Raises:
        UserError: its file is not there, or is another one by now.
    """
    own = dict(threshold) if isinstance(threshold, tuple) else threshold
    detector = origin.load(origin.path, threshold=own, **dict(origin.options))
    if detector.sha256 != sha256:
        got = f"{detector.sha256[:12]}: the file has changed since"
        raise UserError(Problem(origin.path, f"the detector with the hash {sha256[:12]}", got, "load it again"))
    return detector
