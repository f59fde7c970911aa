"""What the report shows beside the numbers: curves, scores of the parts, and the worst cases."""

from __future__ import annotations

from typing import Any

import numpy as np

from anomdet.evaluation.counts import confuse, kept
from anomdet.evaluation.curves import curves, froc
from anomdet.evaluation.error_breakdown import Kind, diagnose
from anomdet.evaluation.image_level import roc
from anomdet.evaluation.pairs import Pairs
from anomdet.evaluation.results import Bools, Ints, Results, by_image
from anomdet.evaluation.summary import Measured

MOST_CASES = 60  # of each kind


def details(measured: Measured) -> dict[str, Any]:
    """The content of details.json."""
    parts = measured.parts
    return {
        "curves": curves(measured.results, measured.matches),
        "froc": froc(measured.results, measured.matches)[0],
        "roc": roc(parts),
        "anomaly_scores": {
            "good": parts.score[parts.good].tolist(),
            "defective": parts.score[parts.defective].tolist(),
        },
        "cases": cases(measured),
    }


def cases(measured: Measured) -> list[dict[str, Any]]:
    """The worst mistakes from the operating point on, at most 60 of each kind.

    Missed objects by falling size (the large ones are the strangest to miss), the others by falling score.
    """
    results, pairs, matches = measured.results, measured.pairs, measured.matches
    shown = kept(results, matches, measured.score_thrs)
    hit = shown & matches.hit
    free_pred, free_gt = shown & ~hit, ~results.gt.crowd
    free_gt[matches.found[hit]] = False
    confused = confuse(results, pairs, free_pred, free_gt, matches.iou_thr)
    free_gt[confused[confused >= 0]] = False
    diagnosis = diagnose(results, pairs, matches)
    alone = free_pred & (confused < 0)
    kinds = {
        "duplicate": alone & (diagnosis.kind == Kind.DUPLICATE),
        "localisation": alone & (diagnosis.kind == Kind.LOCALISATION),
    }
    kinds["false_alarm"] = alone & ~kinds["duplicate"] & ~kinds["localisation"]
    picture = _Picture(results, shown)
    missed = np.flatnonzero(free_gt)
    missed = missed[np.argsort(-results.gt.area[missed], kind="stable")][:MOST_CASES]
    found = [picture.of_object("missed", int(row)) for row in missed]
    for kind in ("false_alarm", "confusion", "localisation", "duplicate"):
        rows = np.flatnonzero(confused >= 0 if kind == "confusion" else kinds[kind])
        rows = rows[np.argsort(-results.pred.score[rows], kind="stable")][:MOST_CASES]
        for row in rows.tolist():
            about = int(confused[row]) if kind == "confusion" else int(diagnosis.gt[row])
            found.append(picture.of_prediction(kind, row, about, _overlap(pairs, row, about)))
    return found


def _overlap(pairs: Pairs, pred: int, gt: int) -> float | None:
    """The IoU of a prediction and the object that it is about."""
    own = slice(*np.searchsorted(pairs.pred, [pred, pred + 1]))
    iou = pairs.iou[own][pairs.gt[own] == gt]
    return float(iou[0]) if len(iou) else None


class _Picture:
    """A case with everything that its image shows."""

    def __init__(self, results: Results, shown: Bools) -> None:
        self.results = results
        self.shown = shown
        self.first_gt: Ints = by_image(results.gt, results.num_images)
        self.first_pred: Ints = by_image(results.pred, results.num_images)

    def of_object(self, kind: str, row: int) -> dict[str, Any]:
        gt = self.results.gt
        own = {"class": self._name(gt.label[row]), "predicted": None, "score": None, "iou": None}
        return self._case(kind, int(gt.image[row]), own, gt.bboxes_xywh[row].tolist())

    def of_prediction(self, kind: str, row: int, about: int, iou: float | None) -> dict[str, Any]:
        pred = self.results.pred
        predicted = self._name(pred.label[row])
        truth = self._name(self.results.gt.label[about]) if kind == "confusion" else predicted
        own = {"class": truth, "predicted": predicted, "score": float(pred.score[row]), "iou": iou}
        return self._case(kind, int(pred.image[row]), own, pred.bboxes_xywh[row].tolist())

    def _case(self, kind: str, image: int, own: dict[str, Any], bbox_xywh: list[float]) -> dict[str, Any]:
        results = self.results
        objects = np.arange(self.first_gt[image], self.first_gt[image + 1])
        boxes = np.arange(self.first_pred[image], self.first_pred[image + 1])
        boxes = boxes[self.shown[boxes]]
        return {
            "kind": kind,
            "file_name": results.file_names[image],
            "size_hw": results.sizes_hw[image].tolist(),
            **own,
            "bbox_xywh": bbox_xywh,
            "truth": [
                {"class": self._name(results.gt.label[row]), "bbox_xywh": results.gt.bboxes_xywh[row].tolist()}
                for row in objects.tolist()
            ],
            "predictions": [
                {
                    "class": self._name(results.pred.label[row]),
                    "bbox_xywh": results.pred.bboxes_xywh[row].tolist(),
                    "score": float(results.pred.score[row]),
                }
                for row in boxes.tolist()
            ],
        }

    def _name(self, label: int) -> str:
        return self.results.unique_names[int(label)]
