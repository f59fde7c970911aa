"""The least score that rejects a part: as given, or as the training chose it."""

from __future__ import annotations

from anomdet.errors import Problem, UserError
from anomdet.inference.artifact import Artifact
from anomdet.inference.result import Threshold


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
        if point.per_class is not None:
            return dict(point.per_class)
        assert point.score_threshold is not None, "the artifact has checked that one of the two is there"
        return point.score_threshold
    if not artifact.class_nums:
        hint = "the share of good parts that it rejects, anomaly.overkill, is set in the training"
        raise UserError(Problem("threshold", "none for a model that learned no class", repr(given), hint))
    scores = list(given.values()) if isinstance(given, dict) else [given]
    if not all(isinstance(score, (int, float)) and not isinstance(score, bool) and score >= 0 for score in scores):
        raise UserError(Problem("threshold", "a score >= 0, or one for each class number", repr(given)))
    if not isinstance(given, dict):
        return float(given)  # type: ignore[arg-type]
    if set(given) != set(artifact.class_nums):
        raise UserError(Problem("threshold", f"a score for each of {sorted(artifact.class_nums)}", repr(given)))
    return {int(num): float(score) for num, score in given.items()}
