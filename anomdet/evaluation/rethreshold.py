"""What a page needs to count again at other score thresholds, without a detector: scores, matches and verdicts."""

from __future__ import annotations

from typing import Any

import numpy as np

from anomdet.evaluation.counts import kept
from anomdet.evaluation.matching import least_iou
from anomdet.evaluation.summary import Measured

MOST_PREDICTIONS = 60_000


def rethreshold(measured: Measured) -> dict[str, Any]:
    """Columns of the counted predictions, by image and falling score, and of the objects, without crowds.

    Returns:
        ``floor``: lowest score that is complete here, 0 if all are; ``score``, ``label``, ``part`` and ``found`` (place
        of the object that it found, or -1) of each prediction; ``confusable``: pairs of a prediction and an object of
        another class that overlap enough, in the order in which they are taken; ``gt_label`` of each object;
        ``defective``: 0 or 1 of each part; ``unlike_normal``: likewise, what the normal-only score rejects at any
        threshold of the boxes, where there is such a score.
    """
    results, matches, pairs = measured.results, measured.matches, measured.pairs
    everything = kept(results, matches, np.zeros(results.num_classes))
    floor = _floor(results.pred.score[everything])
    rows = np.flatnonzero(everything & (results.pred.score >= floor))
    objects = np.flatnonzero(~results.gt.crowd)
    place = np.full(len(results.pred), -1, dtype=np.int64)
    place[rows] = np.arange(len(rows))
    gt_place = np.append(np.full(len(results.gt), -1, dtype=np.int64), -1)
    gt_place[objects] = np.arange(len(objects))
    wrong = ~pairs.same_class & (pairs.iou >= least_iou(matches.iou_thr))
    wrong &= (place[pairs.pred] >= 0) & (gt_place[pairs.gt] >= 0)
    return {
        "floor": floor,
        "classes": results.unique_names,
        "class_nums": results.class_nums.tolist(),
        "thresholds": measured.score_thrs.tolist(),
        "score": results.pred.score[rows].tolist(),
        "label": results.pred.label[rows].tolist(),
        "part": results.part_of_image[results.pred.image[rows]].tolist(),
        "found": gt_place[matches.found[rows]].tolist(),
        "confusable": np.stack([place[pairs.pred[wrong]], gt_place[pairs.gt[wrong]]], axis=1).tolist(),
        "gt_label": results.gt.label[objects].tolist(),
        "defective": measured.parts.defective.astype(int).tolist(),
        **(
            {} if measured.verdicts is None else {"unlike_normal": measured.verdicts.unlike_normal.astype(int).tolist()}
        ),
    }


def _floor(scores: Any) -> float:
    """The lowest score of the highest ones that a page has room for; all of equal score are in or out."""
    if len(scores) <= MOST_PREDICTIONS:
        return 0.0
    ordered = np.sort(scores)[::-1]
    higher = ordered[ordered > ordered[MOST_PREDICTIONS]]
    return float(higher[-1]) if len(higher) else float(ordered[0])
