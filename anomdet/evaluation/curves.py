"""Precision, recall and F1 over the score threshold, and recall over false boxes (FROC)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from anomdet.evaluation.counts import Matches, ratio
from anomdet.evaluation.results import Bools, Floats, Results

MAX_POINTS = 400
FROC_RATES = (0.125, 0.25, 0.5, 1, 2, 4, 8)  # false boxes an image, as the lung nodule challenge LUNA16 takes them


def sweep(score: Floats, hit: Bools) -> tuple[Floats, Floats, Floats]:
    """What each threshold keeps.

    Args:
        score, hit: ``(N,)`` in any order.

    Returns:
        ``(S,)`` the distinct scores, falling; hits and predictions from each on.
    """
    order = np.argsort(-score, kind="stable")
    score = score[order]
    last = np.flatnonzero(np.append(np.diff(score) != 0, True)) if len(score) else np.zeros(0, dtype=np.int64)
    return score[last], np.cumsum(hit[order])[last].astype(np.float64), (last + 1).astype(np.float64)


def curves(results: Results, matches: Matches) -> dict[str, dict]:
    """The curves of all predictions together and of each class: ``{"all": ..., "per_class": {name: ...}}``.

    Each has ``score`` (falling), ``precision``, ``recall`` and ``f1_score``; at most 400 points.
    """
    objects = ~results.gt.crowd
    num_gt = np.bincount(results.gt.label[objects], minlength=results.num_classes)
    by_class = {
        name: _curve(results, matches, results.pred.label == k, float(num_gt[k]))
        for k, name in enumerate(results.unique_names)
    }
    return {
        "all": _curve(results, matches, np.ones(len(results.pred), bool), float(num_gt.sum())),
        "per_class": by_class,
    }


def _curve(results: Results, matches: Matches, chosen: Bools, num_gt: float) -> dict[str, list[float]]:
    chosen = chosen & matches.counted
    score, num_hits, num_shown = sweep(results.pred.score[chosen], matches.hit[chosen])
    points = thin(len(score))
    score, num_hits, num_shown = score[points], num_hits[points], num_shown[points]
    if num_gt == 0:
        return {"score": [], "precision": [], "recall": [], "f1_score": []}
    return {
        "score": score.tolist(),
        "precision": (num_hits / num_shown).tolist(),
        "recall": (num_hits / num_gt).tolist(),
        "f1_score": (2 * num_hits / (num_shown + num_gt)).tolist(),
    }


def thin(num_points: int) -> NDArray[np.int64]:
    """At most 400 of the positions, evenly, the first and the last among them."""
    if num_points <= MAX_POINTS:
        return np.arange(num_points)
    return np.unique(np.linspace(0, num_points - 1, MAX_POINTS).round().astype(np.int64))


def froc(results: Results, matches: Matches) -> tuple[dict[str, list[float]], float | None]:
    """Free-response ROC: recall of the objects over false boxes an image, all classes together.

    Returns:
        ``false_boxes_per_image`` (rising), ``recall`` and ``score``, at most 400 points; the mean recall at 1/8, 1/4,
        1/2, 1, 2, 4 and 8 false boxes an image (of what a threshold with at most so many reaches); None without
        objects.
    """
    objects = float((~results.gt.crowd).sum())
    chosen = matches.counted
    score, num_hits, num_shown = sweep(results.pred.score[chosen], matches.hit[chosen])
    if objects == 0 or results.num_images == 0:
        return {"false_boxes_per_image": [], "recall": [], "score": []}, None
    rate, recall = (num_shown - num_hits) / results.num_images, ratio(num_hits, np.array(objects))
    reached = np.searchsorted(rate, FROC_RATES, side="right")
    mean = float(np.append(0.0, recall)[reached].mean())
    points = thin(len(score))
    table = {"false_boxes_per_image": rate[points].tolist(), "recall": recall[points].tolist()}
    return {**table, "score": score[points].tolist()}, mean
