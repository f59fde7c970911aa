"""Which prediction found which object: greedy by score, each object found at most once."""

from __future__ import annotations

import numpy as np

from anomdet.evaluation.pairs import Pairs
from anomdet.evaluation.results import Bools, Ints


def least_iou(iou_thr: float) -> float:
    """The threshold as COCO applies it: rounding must not spoil a perfect overlap."""
    return min(iou_thr, 1 - 1e-10)


def assign(pairs: Pairs, num_pred: int, num_gt: int, shared: Bools | None = None) -> Ints:
    """The object that each prediction found.

    As if each prediction in turn, from the highest score down, took the first of its pairs whose object is still free.
    Done in rounds over all images at once: each prediction asks for its next object, each object keeps the best that
    asked. With one order of the predictions for all objects both ways end with the same pairs (Gale and Shapley 1962:
    the stable matching is the only one).

    Args:
        pairs: the allowed ones, each prediction's by falling preference; predictions of an image by falling score.
        num_pred, num_gt: rows of the tables.
        shared: ``(G,)`` objects that any number of predictions may find (crowds).

    Returns:
        ``(P,)`` row of the ground truth, -1 for none.
    """
    found = np.full(num_pred, -1, dtype=np.int64)
    if not len(pairs.pred):
        return found
    firsts = np.flatnonzero(np.diff(pairs.pred, prepend=-1))
    ends = np.append(firsts[1:], len(pairs.pred))
    asks = firsts.copy()  # the pair that each asking prediction is at
    owner = pairs.pred[firsts]
    holder = np.full(num_gt, num_pred, dtype=np.int64)  # the asker (its rank) that each object holds
    nobody = num_pred
    active = np.arange(len(firsts))
    while active.size:
        gt = pairs.gt[asks[active]]
        if shared is not None:
            free = shared[gt]
            found[owner[active[free]]] = gt[free]
            active, gt = active[~free], gt[~free]
        before = holder[gt]
        # Written from the lowest score up: the highest is written last and stays.
        holder[gt[::-1]] = active[::-1]
        holder[gt] = np.minimum(holder[gt], before)
        lost = np.concatenate([active[holder[gt] != active], before[(before != holder[gt]) & (before != nobody)]])
        lost = np.unique(lost)
        asks[lost] += 1
        active = lost[asks[lost] < ends[lost]]
    held = np.flatnonzero(holder != nobody)
    found[owner[holder[held]]] = held
    return found


def match(pairs: Pairs, num_pred: int, num_gt: int, *, iou_thr: float, crowd: Bools) -> Ints:
    """The object of its own class that each prediction found at ``iou_thr``; see :func:`assign`.

    A prediction takes a crowd only where no object is left to it. Matching is greedy by score: the pairs of the
    predictions from any score on are the pairs that these predictions alone would have got.

    Returns:
        ``(P,)`` row of the ground truth, -1 for none.
    """
    allowed = pairs.where(pairs.same_class & (pairs.iou >= least_iou(iou_thr)))
    if crowd.any():
        order = np.lexsort((np.arange(len(allowed.pred)), crowd[allowed.gt], allowed.pred))
        allowed = allowed.where(order)
    return assign(allowed, num_pred, num_gt, crowd if crowd.any() else None)
