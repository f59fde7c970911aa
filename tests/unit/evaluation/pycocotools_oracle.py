"""The independent oracle: pycocotools by hand on the files, as any reader of the results would run it."""

from __future__ import annotations

import contextlib
import copy
import io
import json
from pathlib import Path

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

NAMES = ("mAP", "mAP_50", "mAP_75", "mAP_small", "mAP_medium", "mAP_large")
NAMES += ("AR_1", "AR_10", "AR_100", "AR_small", "AR_medium", "AR_large")


def twelve_numbers(ground_truth_file: Path, predictions_file: Path) -> dict[str, float | None]:
    """COCO's twelve numbers; None for its -1."""
    evaluator = run(ground_truth_file, predictions_file)
    with contextlib.redirect_stdout(io.StringIO()):
        evaluator.summarize()
    return {name: _none_if_undefined(value) for name, value in zip(NAMES, evaluator.stats, strict=True)}


def class_aps(ground_truth_file: Path, predictions_file: Path) -> dict[int, tuple[float | None, float | None]]:
    """Class number to AP and AP_50."""
    evaluator = run(ground_truth_file, predictions_file)
    precision = evaluator.eval["precision"][:, :, :, 0, 2]
    return {
        class_num: (_mean(precision[:, :, k]), _mean(precision[0, :, k]))
        for k, class_num in enumerate(evaluator.params.catIds)
    }


def single_threshold_aps(ground_truth_file: Path, predictions_file: Path, iou_thrs: tuple[float, ...]) -> list:
    """mAP at each IoU threshold by itself."""
    precision = run(ground_truth_file, predictions_file, iou_thrs).eval["precision"][..., 0, 2]
    return [_mean(precision[t]) for t in range(len(iou_thrs))]


def everything(
    ground_truth: dict, predictions: list[dict], further: tuple[float, ...]
) -> tuple[dict[str, float | None], dict[int, tuple[float | None, float | None]], list[float | None]]:
    """The three answers above from data in memory."""
    with contextlib.redirect_stdout(io.StringIO()):
        gt = COCO()
        gt.dataset = copy.deepcopy(ground_truth)
        gt.createIndex()
        evaluator = _evaluate(gt, copy.deepcopy(predictions), None)
        evaluator.summarize()
        single = _evaluate(gt, copy.deepcopy(predictions), further).eval["precision"][..., 0, 2]
    numbers = {name: _none_if_undefined(value) for name, value in zip(NAMES, evaluator.stats, strict=True)}
    precision = evaluator.eval["precision"][:, :, :, 0, 2]
    per_class = {
        num: (_mean(precision[:, :, k]), _mean(precision[0, :, k])) for k, num in enumerate(evaluator.params.catIds)
    }
    return numbers, per_class, [_mean(single[t]) for t in range(len(further))]


def run(ground_truth_file: Path, predictions_file: Path, iou_thrs: tuple[float, ...] | None = None) -> COCOeval:
    with contextlib.redirect_stdout(io.StringIO()):
        return _evaluate(COCO(str(ground_truth_file)), json.loads(predictions_file.read_text()), iou_thrs)


def _evaluate(gt: COCO, predictions: list[dict], iou_thrs: tuple[float, ...] | None) -> COCOeval:
    if predictions:
        dt = gt.loadRes(predictions)
    else:  # loadRes fails on an empty list
        dt = COCO()
        dt.dataset = {**gt.dataset, "annotations": []}
        dt.createIndex()
    evaluator = COCOeval(gt, dt, "bbox")
    if iou_thrs is not None:
        evaluator.params.iouThrs = np.array(iou_thrs)
        evaluator.params.areaRng, evaluator.params.areaRngLbl = [[0, 1e10]], ["all"]
    evaluator.evaluate()
    evaluator.accumulate()
    return evaluator


def _mean(precision: np.ndarray) -> float | None:
    measured = precision[precision > -1]
    return float(measured.mean()) if measured.size else None


def _none_if_undefined(value: float) -> float | None:
    return None if value == -1 else float(value)
