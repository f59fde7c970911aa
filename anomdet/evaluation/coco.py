"""COCO's average precision and recall (Lin et al. 2014; the rules of its own code), over columns; -1 is None here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anomdet.evaluation.matching import assign, least_iou
from anomdet.evaluation.pairs import Pairs
from anomdet.evaluation.results import Bools, Floats, Ints, Results
from anomdet.metric_catalogue import threshold_key

COCO_IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0, 1, 101)
AREA_RANGES = {"all": (0, 1e10), "small": (0, 32**2), "medium": (32**2, 96**2), "large": (96**2, 1e10)}
_TINY = np.spacing(1)  # as COCO's own code, against dividing by nothing
MAX_DETECTIONS = (1, 10, 100)  # of one class in one image


@dataclass(frozen=True)
class CocoNumbers:
    """What COCO's protocol says; a value is None where there is no ground truth to measure it on.

    Attributes:
        overall: mAP, mAP_50, mAP_75, mAP_small, mAP_medium, mAP_large, AR_1, AR_10, AR_100, AR_small, AR_medium,
            AR_large and one ``mAP_<t>`` for each further threshold.
        per_class: class number to ``{AP, AP_50}``.
    """

    overall: dict[str, float | None]
    per_class: dict[int, dict[str, float | None]]


@dataclass(frozen=True)
class Ranking:
    """The predictions that COCO counts, class by class, by falling score.

    Attributes:
        rows: ``(N,)`` of the predictions: at most 100 of a class in an image.
        class_starts: ``(K + 1,)`` where each class begins.
        place: ``(N,)`` how many of the same class and image come before.
    """

    rows: Ints
    class_starts: Ints
    place: Ints


def all_thresholds(further: Sequence[float]) -> list[float]:
    """COCO's ten IoU thresholds, then those of the further ones that are not among them."""
    new = [t for t in dict.fromkeys(further) if not np.isclose(t, COCO_IOU_THRESHOLDS, rtol=0, atol=1e-9).any()]
    return [*COCO_IOU_THRESHOLDS.tolist(), *new]


def rank(results: Results) -> Ranking:
    """Put the predictions in COCO's order: equal scores by image, then as they came."""
    pred = results.pred
    cell = pred.image * results.num_classes + pred.label
    by_cell = np.argsort(cell, kind="stable")
    firsts = np.flatnonzero(np.diff(cell[by_cell], prepend=-1))
    place = np.empty(len(pred), dtype=np.int64)
    sizes = np.diff(np.append(firsts, len(pred)))
    place[by_cell] = np.arange(len(pred)) - np.repeat(firsts, sizes)
    rows = np.flatnonzero(place < MAX_DETECTIONS[-1])
    rows = rows[np.lexsort((-pred.score[rows], pred.label[rows]))]
    starts = np.searchsorted(pred.label[rows], np.arange(results.num_classes + 1))
    return Ranking(rows, starts.astype(np.int64), place[rows])


def ranked_hits(
    results: Results, pairs: Pairs, ranking: Ranking, iou_thresholds: Sequence[float], area_range: tuple[float, float]
) -> tuple[list[tuple[Bools, Bools]], Bools]:
    """What each ranked prediction is worth at each threshold, for the objects of a range of sizes.

    Returns:
        For each threshold ``(N,)`` marks of the predictions that found an object and of those that count at all;
        ``(G,)`` marks of the objects that count. One that does not (a crowd, another size) is taken only by what finds
        no other, and then neither counts.
    """
    gt = results.gt
    ignored = gt.crowd | (gt.coco_area < area_range[0]) | (gt.coco_area > area_range[1])
    area = results.pred.area[ranking.rows]
    outside = (area < area_range[0]) | (area > area_range[1])
    ranked = np.zeros(len(results.pred), dtype=bool)
    ranked[ranking.rows] = True
    fit = pairs.where(pairs.same_class & ranked[pairs.pred] & (pairs.iou >= least_iou(min(iou_thresholds))))
    if ignored.any():
        fit = fit.where(np.argsort(2 * fit.pred + ignored[fit.gt], kind="stable"))
    ignored_or_none = np.append(ignored, False)  # -1, for none, is the last
    marks = []
    for iou_thr in iou_thresholds:
        allowed = fit.where(fit.iou >= least_iou(iou_thr))
        found = assign(allowed, len(results.pred), len(gt), gt.crowd if gt.crowd.any() else None)[ranking.rows]
        waived = ignored_or_none[found]
        marks.append(((found >= 0) & ~waived, ~waived & ((found >= 0) | ~outside)))
    return marks, ~ignored


def precision_at_recalls(num_hits: NDArray, num_counted: NDArray, num_gt: float) -> Floats:
    """One class's precision ``(101,)`` at COCO's recalls: the best at that recall or beyond, 0 where none gets there.

    Precision has its peaks at the hits, so that only they are looked at.

    Args:
        num_hits: ``(H,)`` hits up to each hit, itself included.
        num_counted: ``(H,)`` counted predictions up to each hit.
        num_gt: objects, > 0.
    """
    best = np.zeros(len(num_hits) + 1)  # the last is for recalls that nothing reaches
    np.maximum.accumulate((num_hits / (num_counted + _TINY))[::-1], out=best[-2::-1])
    precision: Floats = best[np.searchsorted(num_hits / num_gt, RECALLS)]
    return precision


def coco_numbers(
    results: Results, pairs: Pairs, iou_thresholds: Sequence[float] = (), ranking: Ranking | None = None
) -> CocoNumbers:
    """The twelve COCO numbers, AP at further thresholds, AP of each class.

    Args:
        results: of all images.
        pairs: all of at least the lowest threshold.
        iou_thresholds: the further thresholds, each in (0, 1].
        ranking: of the results, where it is known already.
    """
    ranking = rank(results) if ranking is None else ranking
    num_coco = len(COCO_IOU_THRESHOLDS)
    overall: dict[str, float | None] = {}
    recalls: dict[str, float | None] = {}
    for name, area_range in AREA_RANGES.items():
        wanted = all_thresholds(iou_thresholds) if name == "all" else COCO_IOU_THRESHOLDS.tolist()
        marks, counts = ranked_hits(results, pairs, ranking, wanted, area_range)
        num_gt = np.bincount(results.gt.label[counts], minlength=results.num_classes)
        ap = _average_precision(marks, ranking, num_gt)
        if name == "all":
            all_ap = ap
            recalls = {
                f"AR_{most}": _mean(
                    _recall([hit & (ranking.place < most) for hit, _ in marks[:num_coco]], ranking, num_gt)
                )
                for most in MAX_DETECTIONS
            }
            continue
        overall[f"mAP_{name}"] = _mean(ap)
        recalls[f"AR_{name}"] = _mean(_recall([hit for hit, _ in marks], ranking, num_gt))
    single = {threshold_key(t): _mean(row) for t, row in zip(all_thresholds(iou_thresholds), all_ap, strict=True)}
    per_class = {
        class_num: {"AP": _mean(all_ap[:num_coco, k]), "AP_50": _mean(all_ap[0, k])}
        for k, class_num in enumerate(results.class_nums.tolist())
    }
    return CocoNumbers({"mAP": _mean(all_ap[:num_coco]), **single, **overall, **recalls}, per_class)


def _average_precision(marks: list[tuple[Bools, Bools]], ranking: Ranking, num_gt: Ints) -> Floats:
    """AP ``(T, K)`` at each threshold; NaN for a class without objects."""
    ap = np.full((len(marks), len(num_gt)), np.nan)
    for t, (hit, counted) in enumerate(marks):
        hits = np.flatnonzero(hit)
        num_counted = np.cumsum(counted)[hits]
        starts = np.searchsorted(hits, ranking.class_starts)
        before = np.append(0, np.cumsum(counted))[ranking.class_starts]
        for k in np.flatnonzero(num_gt):
            own = slice(starts[k], starts[k + 1])
            num_hits = np.arange(1, starts[k + 1] - starts[k] + 1)
            ap[t, k] = precision_at_recalls(num_hits, num_counted[own] - before[k], num_gt[k]).mean()
    return ap


def _recall(hits: list[Bools], ranking: Ranking, num_gt: Ints) -> Floats:
    """Recall ``(T, K)`` at each threshold; NaN for a class without objects."""
    totals = np.array([np.append(0, np.cumsum(hit))[ranking.class_starts] for hit in hits])
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(num_gt > 0, np.diff(totals, axis=1) / num_gt, np.nan)


def _mean(values: Floats) -> float | None:
    measured = values[~np.isnan(values)]
    return float(measured.mean()) if measured.size else None
