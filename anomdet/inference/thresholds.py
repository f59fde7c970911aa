"""The least score that rejects a part: as given, or as the training chose it."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, TypeAlias

from anomdet.defaults import NOTHING_PASSES
from anomdet.errors import Problem, UserError

if TYPE_CHECKING:
    from anomdet.inference.artifact import Artifact

Threshold: TypeAlias = "float | Mapping[int, float]"


def chosen_threshold(artifact: Artifact, given: Threshold | None, file: str) -> Threshold:
    """What was given, checked, or the artifact's.

    Args:
        artifact: what the detector knows of itself.
        given: one for all classes, or one for each; None: the artifact's.
        file: for messages.

    Raises:
        UserError: there is none, or it does not fit the classes.
    """
    if given is None:
        point = artifact.operating_point
        if point is None:
            hint = "give a threshold: load(..., threshold=0.3)"
            raise UserError(Problem(file or "the detector", "an operating point", "none was chosen in training", hint))
        return point.thresholds
    if not artifact.class_nums:
        hint = "the share of good parts that it rejects, anomaly.overkill, is set in the training"
        raise UserError(Problem("threshold", "none for a model that learned no class", repr(given), hint))
    threshold = checked_threshold(given)
    if isinstance(threshold, dict) and set(threshold) != set(artifact.class_nums):
        raise UserError(Problem("threshold", f"a score for each of {sorted(artifact.class_nums)}", repr(given)))
    return threshold


def checked_threshold(given: Any) -> float | dict[int, float]:
    """A copy, in plain numbers.

    Raises:
        UserError: not a score, nor class numbers to scores: 50, meant as percent, would accept every part.
    """
    scores = list(given.values()) if isinstance(given, Mapping) else [given]
    nums = list(given) if isinstance(given, Mapping) else []
    if not all(map(is_score, scores)) or not all(isinstance(num, Integral) for num in nums):
        raise UserError(Problem("threshold", "a score from 0 to 1, or one for each class number", repr(given)))
    return {int(num): float(score) for num, score in given.items()} if isinstance(given, Mapping) else float(given)


def check_min_score(given: Any) -> None:
    """Refuse what is no score.

    Raises:
        UserError: it is not.
    """
    if given is not None and not is_score(given):
        raise UserError(Problem("min_score", "a score from 0 to 1, or None", repr(given)))


def is_score(value: Any) -> bool:
    """Whether it is a number from 0 to 1, or the one above every score that rejects nothing."""
    return isinstance(value, Real) and not isinstance(value, bool) and 0 <= float(value) <= NOTHING_PASSES
