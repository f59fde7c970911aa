"""COCO's average precision and recall, by faster-coco-eval; -1 there is None here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from faster_coco_eval.core.coco import COCO
from faster_coco_eval.core.faster_eval_api import COCOeval_faster
from numpy.typing import NDArray

COCO_IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)
AREAS = ("all", "small", "medium", "large")
MAX_DETECTIONS = (1, 10, 100)


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


def threshold_key(iou_thr: float) -> str:
    """``mAP_50`` for 0.5, ``mAP_33.3`` for 0.333."""
    return f"mAP_{100 * iou_thr:g}"


def coco_numbers(ground_truth: dict, predictions: list[dict], iou_thresholds: Sequence[float] = ()) -> CocoNumbers:
    """The twelve COCO numbers, AP at further thresholds, AP of each class.

    Args:
        ground_truth: COCO dict; left as it is.
        predictions: COCO results list; left as it is.
        iou_thresholds: the further thresholds, each in (0, 1].
    """
    num_coco = len(COCO_IOU_THRESHOLDS)
    if ground_truth["annotations"]:
        precision, recall = _accumulate(ground_truth, predictions, iou_thresholds)
    else:
        precision, recall = _undefined(num_coco + len(iou_thresholds), len(ground_truth["categories"]))
    coco_precision = precision[:num_coco]
    overall = {"mAP": _mean(coco_precision[..., 0, -1])}
    overall |= {threshold_key(t): _mean(coco_precision[t == COCO_IOU_THRESHOLDS, ..., 0, -1]) for t in (0.5, 0.75)}
    for i, iou_thr in enumerate(iou_thresholds):
        overall.setdefault(threshold_key(iou_thr), _mean(precision[num_coco + i, ..., 0, -1]))
    overall |= {f"mAP_{area}": _mean(coco_precision[..., a, -1]) for a, area in enumerate(AREAS) if a > 0}
    overall |= {f"AR_{count}": _mean(recall[:num_coco, :, 0, m]) for m, count in enumerate(MAX_DETECTIONS)}
    overall |= {f"AR_{area}": _mean(recall[:num_coco, :, a, -1]) for a, area in enumerate(AREAS) if a > 0}
    class_nums = sorted(category["id"] for category in ground_truth["categories"])
    per_class = {
        class_num: {"AP": _mean(coco_precision[:, :, k, 0, -1]), "AP_50": _mean(precision[0, :, k, 0, -1])}
        for k, class_num in enumerate(class_nums)
    }
    return CocoNumbers(overall, per_class)


def _undefined(num_thresholds: int, num_classes: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    shape = (num_classes, len(AREAS), len(MAX_DETECTIONS))
    return np.full((num_thresholds, 101, *shape), -1.0), np.full((num_thresholds, *shape), -1.0)


def _accumulate(
    ground_truth: dict, predictions: list[dict], iou_thresholds: Sequence[float]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Precision ``(T, R, K, A, M)`` and recall ``(T, K, A, M)``.

    T: COCO's ten IoU thresholds, then the further ones (COCO matches at each threshold afresh, so that they do not
    disturb each other). R: 101 recall points. K: classes by ascending number. A: AREAS. M: MAX_DETECTIONS.
    """
    annotations = [dict(annotation) for annotation in ground_truth["annotations"]]
    images, categories = ground_truth["images"], ground_truth["categories"]
    gt = COCO({"images": images, "annotations": annotations, "categories": categories})
    dt = COCO({"images": images, "annotations": _as_annotations(predictions), "categories": categories})
    evaluator = COCOeval_faster(gt, dt, "bbox", print_function=_say_nothing)
    evaluator.params.maxDets = list(MAX_DETECTIONS)
    evaluator.params.iouThrs = np.concatenate([COCO_IOU_THRESHOLDS, np.asarray(iou_thresholds, dtype=np.float64)])
    evaluator.evaluate()
    evaluator.accumulate()
    return np.asarray(evaluator.eval["precision"]), np.asarray(evaluator.eval["recall"])


def _as_annotations(predictions: list[dict]) -> list[dict[str, Any]]:
    # Built here because COCO.loadRes adds keys to the caller's dicts. Ids start at 1: COCO takes 0 for unmatched.
    return [
        {
            "id": i,
            "image_id": prediction["image_id"],
            "category_id": prediction["category_id"],
            "bbox": prediction["bbox"],
            "area": prediction["bbox"][2] * prediction["bbox"][3],
            "iscrowd": 0,
            "score": prediction["score"],
        }
        for i, prediction in enumerate(predictions, start=1)
    ]


def _mean(values: NDArray[np.float64]) -> float | None:
    measured = values[values > -1]
    return float(measured.mean()) if measured.size else None


def _say_nothing(*_: object) -> None:
    """Takes the place of faster-coco-eval's progress lines."""
