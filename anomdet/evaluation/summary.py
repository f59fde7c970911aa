"""All numbers of one evaluation."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anomdet.defaults import MATCHING_IOU_THR
from anomdet.documents import VERSION
from anomdet.evaluation.coco import CocoNumbers, Ranking, coco_numbers, rank
from anomdet.evaluation.counts import Matches, confusion_matrix, count, find_matches, kept
from anomdet.evaluation.curves import froc
from anomdet.evaluation.error_breakdown import BACKGROUND_IOU, breakdown, diagnose
from anomdet.evaluation.image_level import Parts, auroc, average_precision, number, part_level, parts_of, rejected
from anomdet.evaluation.notes import notes
from anomdet.evaluation.operating_point import Criterion, OperatingPoint, choose
from anomdet.evaluation.pairs import Pairs, overlapping_pairs
from anomdet.evaluation.results import Bools, Floats, Results
from anomdet.metric_catalogue import COCO_KEYS, MATCHING_KEYS, threshold_key

SIZES_PX = {"tiny": (0, 16), "small": (16, 32), "medium": (32, 96), "large": (96, None)}


@dataclass(frozen=True)
class Verdicts:
    """The verdicts of a detector with a normal-only score: alone, where no box is expected; else of both, fused.

    Attributes:
        image_ratio: ``(I,)`` the normal-only score of each image, as a multiple of its threshold.
        rejected: ``(U,)`` of the parts.
        unlike_normal: ``(U,)`` parts that the normal-only score rejects.
        spread: standard deviation of the logarithm of normal images' scores.
        alone: there are no boxes.
        cell_ratios: of some images ``(h, w)`` the distance of each cell, as a multiple of its threshold.
    """

    image_ratio: Floats
    rejected: Bools
    unlike_normal: Bools
    spread: float
    alone: bool
    cell_ratios: Mapping[int, NDArray[np.float32]] = field(default_factory=dict)


@dataclass(frozen=True)
class Measured:
    """An evaluation, and what it was read from.

    Attributes:
        results: ground truth and predictions.
        pairs: overlapping ones.
        ranking: COCO's order of the predictions.
        matches: at the matching threshold.
        parts: scores and truth of the parts.
        iou_thresholds: the further ones of mAP.
        point: the operating point.
        metrics: the content of metrics.json; read only.
        verdicts: of a model with a normal-only score; None: boxes alone give the verdicts.
    """

    results: Results
    pairs: Pairs
    ranking: Ranking
    matches: Matches
    parts: Parts
    iou_thresholds: tuple[float, ...]
    point: OperatingPoint
    metrics: Mapping[str, Any]
    verdicts: Verdicts | None = None

    def with_criterion(self, criterion: Criterion) -> Measured:
        """The same with what the operating point was chosen by, unless it was not chosen."""
        if self.point.chosen_on != "val":
            return self
        return self.with_metrics(operating_point={**self.metrics["operating_point"], "criterion": criterion.as_dict()})

    def with_metrics(self, **more: Any) -> Measured:
        """The same with more in metrics.json, as ``about`` or ``intervals``."""
        return replace(self, metrics={**self.metrics, **more})

    @property
    def score_thrs(self) -> Floats:
        """``(K,)`` the score threshold of each class."""
        return self.point.thresholds(self.results.class_nums)

    @property
    def shown(self) -> Bools:
        """``(P,)`` the predictions at the operating point."""
        return kept(self.results, self.matches, self.score_thrs)

    @property
    def rejected(self) -> Bools:
        """``(U,)`` the parts that the detector rejects, by whatever it judges."""
        return (
            rejected(self.results, self.matches, self.score_thrs) if self.verdicts is None else self.verdicts.rejected
        )

    @property
    def num_parts(self) -> int:
        """Of the test set."""
        return self.results.num_parts


def measure(
    results: Results,
    point: OperatingPoint | Criterion,
    *,
    iou_thresholds: Sequence[float] = (),
    matching_iou_threshold: float = MATCHING_IOU_THR,
    include_metrics: Collection[str] = tuple(MATCHING_KEYS),
    complete: bool = True,
) -> Measured:
    """Measure a detector.

    COCO's numbers use every prediction; precision, recall, F1 and mean IoU those from the operating point on, summed
    over classes. A value that has nothing to be measured on (AP of a class without objects, precision without
    predictions) is None; mAP of objects without any prediction is 0.

    Args:
        results: ground truth and predictions.
        point: the score threshold; or how to choose it on these very results, as the validation of a run does.
        iou_thresholds: one ``mAP_<100 t>`` each.
        matching_iou_threshold: least IoU of a right prediction.
        include_metrics: any of iou, precision, recall, f1_score.
        complete: with confusion matrix, errors and sizes, which a validation can do without.
    """
    iou_thresholds = tuple(iou_thresholds)
    pairs = overlapping_pairs(results, min(BACKGROUND_IOU, matching_iou_threshold, *iou_thresholds))
    ranking = rank(results)
    matches = find_matches(results, pairs, matching_iou_threshold)
    parts = parts_of(results, matches)
    chosen = choose(results, matches, point) if isinstance(point, Criterion) else point
    included = [key for name, key in MATCHING_KEYS.items() if name in include_metrics]
    measured = Measured(results, pairs, ranking, matches, parts, iou_thresholds, chosen, {})
    coco = coco_numbers(results, pairs, iou_thresholds, ranking)
    return measured.with_metrics(
        version=VERSION,
        **_headline(measured, included, coco),
        per_class=_per_class(measured, included, coco),
        part_level=_part_level(measured),
        **(_tables(measured) if complete else {}),
        notes=notes(results, chosen, complete=complete),
    )


def _headline(measured: Measured, included: list[str], coco: CocoNumbers) -> dict[str, Any]:
    results, point = measured.results, measured.point
    total = count(results, measured.matches, measured.score_thrs)[1].total()
    keys = [*COCO_KEYS, *(threshold_key(iou_thr) for iou_thr in measured.iou_thresholds)]
    per_class = None
    if point.per_class is not None:
        names = dict(zip(results.class_nums.tolist(), results.unique_names, strict=True))
        per_class = {names[num]: value for num, value in point.per_class.items() if num in names}
    return {
        **{key: coco.overall[key] for key in keys},
        **{key: number(getattr(total, key)[0]) for key in included},
        "score_threshold": point.score_threshold,
        "matching_iou_threshold": measured.matches.iou_thr,
        "num_images": results.num_images,
        "num_gt": int(total.num_gt[0]),
        "num_predictions": len(results.pred),
        "operating_point": {**asdict(point), "per_class": per_class},
    }


def _per_class(measured: Measured, included: list[str], coco: CocoNumbers) -> dict[str, dict[str, Any]]:
    results, parts = measured.results, measured.parts
    by_class = count(results, measured.matches, measured.score_thrs)[1]
    shown = kept(results, measured.matches, measured.score_thrs)
    caught: Bools = np.zeros((measured.num_parts, results.num_classes), dtype=bool)
    caught[results.part_of_image[results.pred.image[shown]], results.pred.label[shown]] = True
    columns = {key: getattr(by_class, key) for key in included}
    out: dict[str, dict[str, Any]] = {}
    for k, (name, class_num) in enumerate(zip(results.unique_names, results.class_nums.tolist(), strict=True)):
        defective = parts.class_defective[:, k]
        rows = defective | parts.good
        score, truth = parts.class_score[rows, k], defective[rows]
        out[name] = {
            **coco.per_class[class_num],
            **{key: number(column[k]) for key, column in columns.items()},
            "num_gt": int(by_class.num_gt[k]),
            "class_num": class_num,
            "score_threshold": float(measured.score_thrs[k]),
            "num_defective": int(defective.sum()),
            "auroc": number(auroc(score, truth)[0]),
            "average_precision": number(average_precision(score, truth)[0]),
            "escapes": int((defective & ~caught.any(axis=1)).sum()),
        }
    return out


def _part_level(measured: Measured) -> dict[str, Any]:
    table = part_level(measured.results, measured.matches, measured.parts, measured.score_thrs)
    return {**table, "froc_mean_recall": froc(measured.results, measured.matches)[1]}


def _tables(measured: Measured) -> dict[str, Any]:
    results, pairs, matches, thrs = measured.results, measured.pairs, measured.matches, measured.score_thrs
    table = confusion_matrix(results, pairs, matches, thrs)
    return {
        "confusion_matrix": {"classes": [*results.unique_names, "background"], "counts": table.tolist()},
        "errors": breakdown(results, measured.ranking, matches, diagnose(results, pairs, matches), thrs),
        "sizes": _sizes(measured),
    }


def _sizes(measured: Measured) -> dict[str, dict[str, Any]]:
    """Recall of the objects and precision of the predictions of each size, by the root of the box's area."""
    results, matches = measured.results, measured.matches
    shown = kept(results, matches, measured.score_thrs)
    hit = shown & matches.hit
    was_found: Bools = np.zeros(len(results.gt), dtype=bool)
    was_found[matches.found[hit]] = True
    gt_px, pred_px = np.sqrt(results.gt.area), np.sqrt(results.pred.area)
    out: dict[str, dict[str, Any]] = {}
    for name, (low, high) in SIZES_PX.items():
        limit = np.inf if high is None else high
        objects = ~results.gt.crowd & (gt_px >= low) & (gt_px < limit)
        boxes = shown & (pred_px >= low) & (pred_px < limit)
        num_gt, num_predictions = int(objects.sum()), int(boxes.sum())
        out[name] = {
            "range_px": [low, high],
            "num_gt": num_gt,
            "recall": float(was_found[objects].mean()) if num_gt else None,
            "num_predictions": num_predictions,
            "precision": float(matches.hit[boxes].mean()) if num_predictions else None,
        }
    return out
