"""Which prediction found which object: greedy by score, each object found at most once, classes apart."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anomdet.boxes import pairwise_iou, xywh_to_xyxy


@dataclass(frozen=True)
class Counts:
    """Right and wrong predictions, and objects.

    Attributes:
        num_matched: predictions that found an object (true positives).
        num_predictions: predictions at or over the score threshold.
        num_gt: objects.
        iou_sum: sum of the IoU of the matched pairs.
    """

    num_matched: int = 0
    num_predictions: int = 0
    num_gt: int = 0
    iou_sum: float = 0.0

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.num_matched + other.num_matched,
            self.num_predictions + other.num_predictions,
            self.num_gt + other.num_gt,
            self.iou_sum + other.iou_sum,
        )

    @property
    def precision(self) -> float | None:
        """Share of the predictions that are right; None without predictions."""
        return self.num_matched / self.num_predictions if self.num_predictions else None

    @property
    def recall(self) -> float | None:
        """Share of the objects that were found; None without objects."""
        return self.num_matched / self.num_gt if self.num_gt else None

    @property
    def f1_score(self) -> float | None:
        """Harmonic mean of precision and recall, as ``2 TP / (2 TP + FP + FN)``; None without both."""
        total = self.num_predictions + self.num_gt
        return 2 * self.num_matched / total if total else None

    @property
    def mean_iou(self) -> float | None:
        """Mean IoU of the matched pairs; None without any."""
        # Rounding of the sum must not lift a mean of ones above one.
        return min(self.iou_sum / self.num_matched, 1.0) if self.num_matched else None


def match(iou: NDArray[np.floating], iou_thr: float) -> NDArray[np.int64]:
    """The ground truth that each prediction found.

    Each prediction in turn takes the free ground truth with the largest IoU, the first one of equals.

    Args:
        iou: ``(P, G)``, predictions by falling score.
        iou_thr: least IoU of a match.

    Returns:
        ``(P,)`` index of the ground truth, -1 for none.
    """
    num_predictions, num_gt = iou.shape
    matched_gt = np.full(num_predictions, -1, dtype=np.int64)
    if num_gt == 0:
        return matched_gt
    iou_thr = min(iou_thr, 1 - 1e-10)  # as COCO does: rounding must not spoil a perfect overlap
    free_iou = np.where(iou >= iou_thr, iou, -1.0)
    for p in np.flatnonzero(free_iou.max(axis=1) >= 0):
        g = int(free_iou[p].argmax())
        if free_iou[p, g] >= 0:
            matched_gt[p] = g
            free_iou[:, g] = -1.0
    return matched_gt


def count_matches(
    ground_truth: dict, predictions: list[dict], *, iou_thr: float, score_thr: float
) -> dict[int, Counts]:
    """Counts of each class number in ``ground_truth["categories"]``, over all images.

    Args:
        ground_truth: COCO dict.
        predictions: COCO results list; those with ``score < score_thr`` do not count.
        iou_thr: least IoU of a match.
        score_thr: least score of a prediction.
    """
    gt_by_cell = _group(ground_truth["annotations"])
    pred_by_cell = _group(prediction for prediction in predictions if prediction["score"] >= score_thr)
    counts = {category["id"]: Counts() for category in ground_truth["categories"]}
    # By image and class, so that the sum of the IoU does not depend on the order of the lists.
    for image_id, class_num in sorted(gt_by_cell.keys() | pred_by_cell.keys()):
        cell = (image_id, class_num)
        counts[class_num] += _count_cell(gt_by_cell.get(cell, []), pred_by_cell.get(cell, []), iou_thr)
    return counts


def _group(objects: Iterable[dict]) -> dict[tuple[int, int], list[dict]]:
    cells: dict[tuple[int, int], list[dict]] = defaultdict(list)
    for entry in objects:
        cells[entry["image_id"], entry["category_id"]].append(entry)
    return cells


def _count_cell(gt: list[dict], predictions: list[dict], iou_thr: float) -> Counts:
    """The counts of one class in one image."""
    if not gt or not predictions:
        return Counts(num_predictions=len(predictions), num_gt=len(gt))
    by_score = sorted(predictions, key=lambda prediction: -prediction["score"])
    iou = pairwise_iou(_bboxes_xyxy(by_score), _bboxes_xyxy(gt))
    matched_gt = match(iou, iou_thr)
    hits = np.flatnonzero(matched_gt >= 0)
    return Counts(len(hits), len(predictions), len(gt), float(iou[hits, matched_gt[hits]].sum()))


def _bboxes_xyxy(objects: list[dict]) -> NDArray[np.floating]:
    return xywh_to_xyxy(np.array([entry["bbox"] for entry in objects], dtype=np.float64).reshape(-1, 4))
