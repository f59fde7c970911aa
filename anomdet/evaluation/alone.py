"""The evaluation of a model that learned no class: the normal-only score judges parts, and no box is expected."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from anomdet.evaluation.image_level import Parts, auroc, number
from anomdet.evaluation.intervals import LEAST_PARTS, bootstrap_interval, draws, wilson_interval
from anomdet.evaluation.results import Bools, Floats
from anomdet.evaluation.summary import Measured, Verdicts
from anomdet.evaluation.unseen import parts_level, unseen_level
from anomdet.metric_catalogue import COCO_KEYS, MATCHING_KEYS, NO_DEFECTIVE, NO_GOOD, threshold_key

_RESAMPLES = 1000
_OF_BOXES = ("confusion_matrix", "errors", "sizes")


def score_alone(
    measured: Measured, anomaly_scores: Floats, threshold: float, spread: float, confidence: float
) -> Measured:
    """An evaluation without boxes: AUROC, escapes and overkill by the score; numbers of boxes are left out.

    A number that nothing can be measured on is None, and ``notes`` say why.

    Args:
        measured: of no predictions at all; its ground truth says which parts are defective.
        anomaly_scores: ``(I,)`` of each image.
        threshold: of them.
        spread: standard deviation of the logarithm of normal images' scores.
        confidence: of the intervals.
    """
    results, defective = measured.results, measured.parts.defective
    share = anomaly_scores / (anomaly_scores + threshold)  # from 0 to 1; 0.5 at the threshold
    out_of_line = anomaly_scores >= threshold
    score, rejected = np.zeros(results.num_parts), np.zeros(results.num_parts, dtype=bool)
    np.maximum.at(score, results.part_of_image, share)
    np.logical_or.at(rejected, results.part_of_image, out_of_line)
    class_score = np.repeat(score[:, None], results.num_classes, axis=1)
    parts = Parts(score, defective, class_score, measured.parts.class_defective)
    level = parts_level(score, defective, rejected, measured.metrics["part_level"]["unit"])
    verdicts = Verdicts(anomaly_scores / threshold, rejected, rejected, spread, alone=True)
    measured = replace(measured, parts=parts, verdicts=verdicts)
    left_out = {*COCO_KEYS, *MATCHING_KEYS.values(), *map(threshold_key, measured.iou_thresholds), *_OF_BOXES}
    metrics = {key: value for key, value in measured.metrics.items() if key not in left_out}
    unseen = unseen_level(measured, anomaly_scores, threshold, spread)
    return replace(
        measured,
        metrics={
            **metrics,
            "part_level": level,
            "per_class": _per_class(measured, rejected),
            "intervals": _intervals(level, score, defective, confidence),
            "notes": [measured.point.note, *_undefined(level)],
            "unseen": {"alone": True, "threshold": threshold, "normal_only": unseen["normal_only"]},
        },
    )


def _per_class(measured: Measured, rejected: Bools) -> dict[str, dict[str, Any]]:
    """Good parts against those with each class of the labels, which the model has never seen."""
    results, parts = measured.results, measured.parts
    objects = np.bincount(results.gt.label[~results.gt.crowd], minlength=results.num_classes)
    out = {}
    for k, name in enumerate(results.unique_names):
        defective = parts.class_defective[:, k]
        rows = defective | parts.good
        out[name] = {
            "num_gt": int(objects[k]),
            "class_num": int(results.class_nums[k]),
            "num_defective": int(defective.sum()),
            "auroc": number(auroc(parts.score[rows], defective[rows])[0]),
            "escapes": int((defective & ~rejected).sum()),
        }
    return out


def _intervals(level: Mapping[str, Any], score: Floats, defective: Bools, confidence: float) -> dict[str, Any]:
    num_good, num_defective = level["num_good"], level["num_defective"]
    fewest, bounds = min(num_good, num_defective), None
    if fewest >= LEAST_PARTS:
        samples = np.concatenate([auroc(score, defective, weights) for weights in draws(len(score), _RESAMPLES)])
        bounds = bootstrap_interval(level["auroc"], samples, confidence, fewest)
    return {
        "confidence": confidence,
        "num_resamples": _RESAMPLES,
        "unit": level["unit"],
        "per_class": {},
        "auroc": bounds if bounds is None or bounds[1] > bounds[0] else None,
        "escape_rate": wilson_interval(level["escapes"], num_defective, confidence),
        "overkill_rate": wilson_interval(level["overkill"], num_good, confidence),
    }


def _undefined(level: Mapping[str, Any]) -> Iterator[str]:
    """What the split cannot measure, and why."""
    unit = level["unit"]
    if not level["num_defective"]:
        why = NO_DEFECTIVE.format(unit=unit)
        yield f"AUROC and escapes are undefined: {why}; whether a defect is found, only {unit}s with one can show"
    if not level["num_good"]:
        yield f"AUROC and overkill are undefined: {NO_GOOD.format(unit=unit)}"
