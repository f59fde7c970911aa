"""The least score that rejects a part: as given, or as the training chose it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, TypeAlias

from anomdet.defaults import NOTHING_PASSES
from anomdet.errors import Problem, UserError

if TYPE_CHECKING:
    from anomdet.inference.artifact import Artifact

Threshold: TypeAlias = float | Mapping[int, float]  # not as text: hints of "Threshold | None" are evaluated


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


def lower_of(threshold: Threshold, min_score: float | None) -> Threshold:
    """From which score on a result has its detections.

    >>> lower_of({1: 0.5, 2: 0.05}, 0.1), lower_of(0.5, None)
    ({1: 0.1, 2: 0.05}, 0.5)
    """
    if min_score is None:
        return threshold
    min_score = float(min_score)  # numpy's own is nothing that JSON holds
    if isinstance(threshold, Mapping):
        return {number: min(value, min_score) for number, value in threshold.items()}
    return min(threshold, min_score)


def check_complete(threshold: Threshold, complete_from: Threshold | None) -> None:
    """Refuse a threshold below the scores that a result holds: it would accept what was never looked at.

    Raises:
        UserError: it is, of some class.
    """
    if complete_from is None:
        return
    numbers = {number for one in (threshold, complete_from) if isinstance(one, Mapping) for number in one} or {0}
    pairs = [(_of(threshold, number, math.inf), _of(complete_from, number, 0.0)) for number in numbers]
    if any(wanted < least for wanted, least in pairs):
        shown = complete_from if isinstance(complete_from, Mapping) else f"{complete_from:g}"
        hint = "weaker ones were left out: judge again, with this threshold or a lower min_score"
        raise UserError(Problem("threshold", f"{shown} or more, as the detections here", repr(threshold), hint))


def _of(threshold: Threshold, number: int, missing: float) -> float:
    return threshold.get(number, missing) if isinstance(threshold, Mapping) else threshold
