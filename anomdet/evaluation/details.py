"""What the report shows beside the numbers: curves, scores of the parts, and the cases to look at."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from anomdet.evaluation.counts import confuse, kept
from anomdet.evaluation.curves import curves, froc
from anomdet.evaluation.error_breakdown import Kind, diagnose
from anomdet.evaluation.heat_maps import heat_maps
from anomdet.evaluation.image_level import roc
from anomdet.evaluation.matching import least_iou
from anomdet.evaluation.pairs import Pairs
from anomdet.evaluation.results import Bools, Floats, Ints, by_image
from anomdet.evaluation.rethreshold import rethreshold
from anomdet.evaluation.summary import Measured

MOST_CASES = 60  # of each kind
MOST_FOUND = 6
MOST_BELOW = 8  # boxes under the threshold, of an image
MOST_BOXES = 300  # of an image, true ones and predictions each; a case says how many more there are


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
        **_of_score(measured),
        # Of a model without boxes no object is missed by one.
        **(
            {"cases": []}
            if measured.verdicts and measured.verdicts.alone
            else {"cases": cases(measured), "rethreshold": rethreshold(measured)}
        ),
    }


def _of_score(measured: Measured) -> dict[str, Any]:
    """Of a model with a normal-only score: its score of each image, and the maps of some."""
    verdicts = measured.verdicts
    if verdicts is None:
        return {}
    scores = {"spread": verdicts.spread, "image_ratio": verdicts.image_ratio.tolist()}
    return {"normal_only": scores, "heat_maps": heat_maps(measured)}


def cases(measured: Measured) -> list[dict[str, Any]]:
    """The worst mistakes from the operating point on, at most 60 of each kind, and six objects that are found.

    Missed objects of escapes first, and by falling size (the large ones are the strangest to miss); false alarms on
    good parts first; all but the missed by falling score.
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
    picture = _Picture(measured, shown)
    missed = np.flatnonzero(free_gt)
    escaped = picture.outcome[results.part_of_image[results.gt.image[missed]]] == "escape"
    missed = missed[np.lexsort((-results.gt.area[missed], ~escaped))][:MOST_CASES]
    found = [picture.of_object("missed", int(row)) for row in missed]
    for kind in ("false_alarm", "confusion", "localisation", "duplicate"):
        rows = np.flatnonzero(confused >= 0 if kind == "confusion" else kinds[kind])
        on_good = picture.outcome[results.part_of_image[results.pred.image[rows]]] == "overkill"
        rows = rows[np.lexsort((-results.pred.score[rows], ~on_good))][:MOST_CASES]
        for row in rows.tolist():
            about = int(confused[row]) if kind == "confusion" else int(diagnosis.gt[row])
            found.append(picture.of_prediction(kind, row, about, _overlap(pairs, row, about)))
    return [*found, *(picture.of_hit(row) for row in _found(measured, np.flatnonzero(hit)))]


def _found(measured: Measured, hits: Ints) -> list[int]:
    """The right boxes of the highest scores, one of a part, and of each class in turn."""
    pred, part = measured.results.pred, measured.results.part_of_image
    ordered = hits[np.argsort(-pred.score[hits], kind="stable")]
    ordered = ordered[np.sort(np.unique(part[pred.image[ordered]], return_index=True)[1])]
    turn = np.zeros(len(ordered), dtype=np.int64)
    for label in np.unique(pred.label[ordered]):
        own = pred.label[ordered] == label
        turn[own] = np.arange(own.sum())
    chosen: list[int] = ordered[np.argsort(turn, kind="stable")][:MOST_FOUND].tolist()
    return chosen


def _overlap(pairs: Pairs, pred: int, gt: int) -> float | None:
    """The IoU of a prediction and the object that it is about."""
    own = slice(*np.searchsorted(pairs.pred, [pred, pred + 1]))
    iou = pairs.iou[own][pairs.gt[own] == gt]
    return float(iou[0]) if len(iou) else None


def _nearest(rows: Ints, bboxes_xywh: Floats, bbox_xywh: list[float]) -> Ints:
    """Those of an image's boxes, in their order, whose middles are nearest to that of a box."""
    if len(rows) <= MOST_BOXES:
        return rows
    away = (bboxes_xywh[rows, :2] + bboxes_xywh[rows, 2:] / 2) - (np.add(bbox_xywh[:2], np.divide(bbox_xywh[2:], 2)))
    return rows[np.sort(np.argsort((away**2).sum(axis=1), kind="stable")[:MOST_BOXES])]


class _Picture:
    """A case with everything that its image shows."""

    def __init__(self, measured: Measured, shown: Bools) -> None:
        results = measured.results
        self.results, self.matches, self.pairs = results, measured.matches, measured.pairs
        self.shown = shown
        out = measured.rejected
        verdicts = np.where(out, "found", "escape"), np.where(out, "overkill", "good")
        self.outcome: NDArray[np.str_] = np.where(measured.parts.defective, *verdicts)
        self.first_gt: Ints = by_image(results.gt, results.num_images)
        self.first_pred: Ints = by_image(results.pred, results.num_images)

    def of_object(self, kind: str, row: int) -> dict[str, Any]:
        gt = self.results.gt
        own = {"class": self._name(gt.label[row]), "predicted": None, "score": None, "iou": None}
        return self._case(kind, int(gt.image[row]), own, gt.bboxes_xywh[row].tolist(), best=self._best_below(row))

    def of_hit(self, row: int) -> dict[str, Any]:
        return self.of_prediction("found", row, int(self.matches.found[row]), float(self.matches.iou[row]))

    def _best_below(self, row: int) -> int:
        """The box under the threshold that comes nearest to finding an object; -1: none touches it."""
        own = (self.pairs.gt == row) & self.matches.counted[self.pairs.pred] & ~self.shown[self.pairs.pred]
        near = self.pairs.where(own)
        if not len(near.pred):
            return -1
        is_right = near.same_class & (near.iou >= least_iou(self.matches.iou_thr))
        return int(near.pred[np.lexsort((self.results.pred.score[near.pred], is_right))[-1]])

    def of_prediction(self, kind: str, row: int, about: int, iou: float | None) -> dict[str, Any]:
        pred = self.results.pred
        predicted = self._name(pred.label[row])
        truth = self._name(self.results.gt.label[about]) if kind == "confusion" else predicted
        own = {"class": truth, "predicted": predicted, "score": float(pred.score[row]), "iou": iou}
        return self._case(kind, int(pred.image[row]), own, pred.bboxes_xywh[row].tolist())

    def _case(
        self, kind: str, image: int, own: dict[str, Any], bbox_xywh: list[float], best: int = -1
    ) -> dict[str, Any]:
        results = self.results
        objects = np.arange(self.first_gt[image], self.first_gt[image + 1])
        boxes = np.arange(self.first_pred[image], self.first_pred[image + 1])
        hidden = boxes[~self.shown[boxes] & self.matches.counted[boxes]][: MOST_BELOW + 1]  # by falling score
        below = [row for row in hidden.tolist() if row != best][: MOST_BELOW - (best >= 0)]
        objects, num_objects = _nearest(objects, results.gt.bboxes_xywh, bbox_xywh), len(objects)
        all_shown = boxes[self.shown[boxes]]
        shown = _nearest(all_shown, results.pred.bboxes_xywh, bbox_xywh)
        left_out = num_objects - len(objects) + len(all_shown) - len(shown)
        part = int(results.part_of_image[image])
        return {
            "kind": kind,
            "file_name": results.file_names[image],
            "size_hw": results.sizes_hw[image].tolist(),
            **own,
            "bbox_xywh": bbox_xywh,
            "part": results.file_names[image] if results.parts is None else results.parts[image],
            "outcome": str(self.outcome[part]),
            "truth": [
                {"class": self._name(results.gt.label[row]), "bbox_xywh": results.gt.bboxes_xywh[row].tolist()}
                for row in objects.tolist()
            ],
            "predictions": [self._box(row) for row in shown.tolist()],
            "below": [*([{**self._box(best), "best": True}] if best >= 0 else []), *map(self._box, below)],
            **({"left_out": left_out} if left_out else {}),
        }

    def _box(self, row: int) -> dict[str, Any]:
        pred = self.results.pred
        name, score = self._name(pred.label[row]), float(pred.score[row])
        return {"class": name, "bbox_xywh": pred.bboxes_xywh[row].tolist(), "score": score}

    def _name(self, label: int) -> str:
        return self.results.unique_names[int(label)]
