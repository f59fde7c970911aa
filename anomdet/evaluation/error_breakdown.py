"""Why predictions are wrong and what each kind of error costs, after TIDE (Bolya et al. 2020)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np

from anomdet.evaluation.coco import Ranking, precision_at_recalls
from anomdet.evaluation.counts import Matches, kept
from anomdet.evaluation.pairs import Pairs
from anomdet.evaluation.results import Bools, Floats, Ints, Results

BACKGROUND_IOU = 0.1  # less overlap than this with any object is none


class Kind(IntEnum):
    """What a prediction is."""

    HIT = 0
    CLASSIFICATION = 1  # in place, but on an object of another class
    LOCALISATION = 2  # its class, but not well enough in place
    BOTH = 3
    DUPLICATE = 4  # of an object that a higher score has found
    BACKGROUND = 5  # on nothing


ERRORS = {kind.name.lower(): kind for kind in Kind if kind is not Kind.HIT}


@dataclass(frozen=True)
class Diagnosis:
    """What each prediction is; it does not depend on a score threshold.

    Attributes:
        kind: ``(P,)`` a :class:`Kind`.
        gt: ``(P,)`` row of the object that a wrong class or place is about; -1 for other kinds.
    """

    kind: Ints
    gt: Ints


def diagnose(results: Results, pairs: Pairs, matches: Matches) -> Diagnosis:
    """The kind of each prediction, the first of TIDE's order that fits: place, class, duplicate, background, both."""
    num_pred = len(results.pred)
    pairs = pairs.where(~results.gt.crowd[pairs.gt] & (pairs.iou >= min(BACKGROUND_IOU, matches.iou_thr)))
    own_iou, own_gt = _best(pairs.where(pairs.same_class), num_pred)
    other_iou, other_gt = _best(pairs.where(~pairs.same_class), num_pred)
    thr = matches.iou_thr
    kind = np.select(
        [matches.hit, (own_iou > 0) & (own_iou < thr), other_iou >= thr, own_iou >= thr, own_iou + other_iou == 0],
        [Kind.HIT, Kind.LOCALISATION, Kind.CLASSIFICATION, Kind.DUPLICATE, Kind.BACKGROUND],
        default=Kind.BOTH,
    ).astype(np.int64)
    gt = np.select([kind == Kind.LOCALISATION, kind == Kind.CLASSIFICATION], [own_gt, other_gt], default=-1)
    return Diagnosis(kind, gt)


def _best(pairs: Pairs, num_pred: int) -> tuple[Floats, Ints]:
    """The largest IoU of each prediction and its object; 0 and -1 without any."""
    firsts = np.flatnonzero(np.diff(pairs.pred, prepend=-1))
    iou, gt = np.zeros(num_pred), np.full(num_pred, -1, dtype=np.int64)
    iou[pairs.pred[firsts]], gt[pairs.pred[firsts]] = pairs.iou[firsts], pairs.gt[firsts]
    return iou, gt


def breakdown(
    results: Results, ranking: Ranking, matches: Matches, diagnosis: Diagnosis, score_thrs: Floats
) -> dict[str, dict[str, Any]]:
    """The ``errors`` of metrics.json: counts from the score threshold on, and mAP that correcting a kind would gain.

    Correcting takes every prediction, whatever its score, as AP does: a wrong class or place is set right where it is
    the best such prediction of an object that none has found, and else taken away, as are duplicates, background and
    both; missed objects are taken as if they were not there.
    """
    shown = kept(results, matches, score_thrs)
    base = _mean_ap(results, ranking, matches.hit, results.pred.label, matches.counted, _missing(results))
    out: dict[str, dict[str, Any]] = {}
    for name, kind in ERRORS.items():
        hit, label, counted = _corrected(results, matches, diagnosis, kind)
        corrected = _mean_ap(results, ranking, hit, label, counted, _missing(results))
        out[name] = {"count": int((shown & (diagnosis.kind == kind)).sum()), "mAP_cost": _gain(corrected, base)}
    everything = np.ones(len(shown), dtype=bool)
    never_found = _missed(results, matches, diagnosis, everything & matches.counted)
    corrected = _mean_ap(results, ranking, matches.hit, results.pred.label, matches.counted, never_found)
    count = int(_missed(results, matches, diagnosis, shown).sum() - results.gt.crowd.sum())
    out["missed"] = {"count": count, "mAP_cost": _gain(corrected, base)}
    return out


def _missing(results: Results) -> Bools:
    return results.gt.crowd.copy()


def _gain(corrected: float | None, base: float | None) -> float | None:
    return None if corrected is None or base is None else corrected - base


def _missed(results: Results, matches: Matches, diagnosis: Diagnosis, shown: Bools) -> Bools:
    """``(G,)`` objects that no shown prediction found, nor would with its class or place set right; and crowds."""
    missed = np.ones(len(results.gt), dtype=bool)
    missed[matches.found[shown & matches.hit]] = False
    about = diagnosis.gt[shown & (diagnosis.gt >= 0)]
    missed[about] = False
    return missed | results.gt.crowd


def _corrected(results: Results, matches: Matches, diagnosis: Diagnosis, kind: Kind) -> tuple[Bools, Ints, Bools]:
    """Hits, labels and counted predictions after all errors of a kind are corrected."""
    wrong = matches.counted & (diagnosis.kind == kind)
    hit, label, counted = matches.hit.copy(), results.pred.label.copy(), matches.counted & ~wrong
    if kind not in (Kind.CLASSIFICATION, Kind.LOCALISATION):
        return hit, label, counted
    taken = np.zeros(len(results.gt), dtype=bool)
    taken[matches.found[matches.hit]] = True
    rows = np.flatnonzero(wrong & ~np.append(taken, True)[diagnosis.gt])
    # Rows of an image come by falling score, so that the first about an object is the best.
    best = rows[np.unique(diagnosis.gt[rows], return_index=True)[1]]
    hit[best] = counted[best] = True
    label[best] = results.gt.label[diagnosis.gt[best]]
    return hit, label, counted


def _mean_ap(
    results: Results, ranking: Ranking, hit: Bools, label: Ints, counted: Bools, without: Bools
) -> float | None:
    """mAP at the matching threshold; a class whose objects are all taken away has nothing left to find: AP 1."""
    had = np.bincount(results.gt.label[~results.gt.crowd], minlength=results.num_classes)
    num_gt = np.bincount(results.gt.label[~without], minlength=results.num_classes)
    rows = ranking.rows
    if not np.array_equal(label, results.pred.label):
        rows = np.sort(rows)  # so that those of another class before, too, stand in COCO's order among equal scores
        rows = rows[np.lexsort((-results.pred.score[rows], label[rows]))]
    starts = np.searchsorted(label[rows], np.arange(results.num_classes + 1))
    num_shown = np.cumsum(counted[rows])
    hits = np.flatnonzero(hit[rows])
    at_hits, before = num_shown[hits], np.append(0, num_shown)[starts]
    cuts = np.searchsorted(hits, starts)
    aps = []
    for k in np.flatnonzero(had):
        num_hits = np.arange(1, cuts[k + 1] - cuts[k] + 1)
        own = at_hits[cuts[k] : cuts[k + 1]] - before[k]
        aps.append(precision_at_recalls(num_hits, own, num_gt[k]).mean() if num_gt[k] else 1.0)
    return float(np.mean(aps)) if aps else None
