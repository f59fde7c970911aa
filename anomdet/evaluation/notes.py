"""What a reader must know beside the numbers: the ``notes`` of metrics.json."""

from __future__ import annotations

import numpy as np

from anomdet.evaluation.coco import MAX_DETECTIONS
from anomdet.evaluation.operating_point import NO_CLASS, OperatingPoint
from anomdet.evaluation.results import Results
from anomdet.words import apart, counted

_MOST = MAX_DETECTIONS[-1]  # of a class in an image


def notes(results: Results, point: OperatingPoint, *, complete: bool) -> list[str]:
    """A sentence each.

    Args:
        results: what was measured.
        point: with which score threshold.
        complete: all of them; else what matters in a validation, too.
    """
    of_images = [*_alone(results), *_crowded(results)] if complete else []
    of_classes = [] if point.note == NO_CLASS else _silent_classes(results, point)
    return [*of_classes, *of_images]


def _silent_classes(results: Results, point: OperatingPoint) -> list[str]:
    """Classes that have objects but no box from their threshold on, and what to change."""
    score_thrs = point.thresholds(results.class_nums)
    best, objects = np.zeros(results.num_classes), ~results.gt.crowd
    np.maximum.at(best, results.pred.label, results.pred.score)
    num_gt = np.bincount(results.gt.label[objects], minlength=results.num_classes)
    notes = []
    for k in np.flatnonzero((num_gt > 0) & (best < score_thrs)).tolist():
        threshold, name = score_thrs[k], results.unique_names[k]
        objects_of = counted(int(num_gt[k]), "object")
        if best[k] == 0:
            notes.append(f"{name}: no box of this class at any score, for {objects_of}; train it longer")
            continue
        shown, needed = apart(float(best[k]), float(threshold))
        notes.append(
            f"{name}: its best score, {shown}, stays under its threshold, {needed}: none of {objects_of} is reported; "
            f"set metrics.score_threshold={_round_down(best[k]):g} or lower{_or_choose(point)}"
        )
    return notes


def _or_choose(point: OperatingPoint) -> str:
    """Where the settings fix the threshold, they may leave it to the validation split."""
    is_set = point.by == "fixed" and point.chosen_on == "settings"
    return ", or leave it out: it is then chosen on the validation split" if is_set else ""


def _round_down(score: float) -> float:
    """Two digits, not above the score."""
    digits = 1 - int(np.floor(np.log10(score)))
    return float(np.floor(score * 10**digits) / 10**digits)


def _alone(results: Results) -> list[str]:
    """Images in whose names a pattern finds no part, while it does in those of others."""
    named = zip(results.file_names, results.parts or (), strict=results.parts is not None)
    alone = [name for name, part in named if name == part]
    if not 0 < len(alone) < results.num_images:
        return []
    return [
        f"{len(alone)} of {results.num_images} images are each a part of their own, as {alone[0]}: data.group_by finds "
        "no part in their names"
    ]


def _crowded(results: Results) -> list[str]:
    """Images with more objects than COCO's numbers can find."""
    gt = results.gt
    rows = np.column_stack([gt.image, gt.label])[~gt.crowd]
    groups, sizes = np.unique(rows, axis=0, return_counts=True)
    num = len(np.unique(groups[sizes > _MOST, 0]))
    if not num:
        return []
    images = counted(num, "image has", "images have")
    return [
        f"{images} more than {_MOST} objects of a class, {int(sizes.max())} at most: COCO's numbers (as mAP) "
        f"look at the {_MOST} best predictions of a class in an image, and count the other objects as missed"
    ]
