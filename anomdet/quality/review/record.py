"""The suspected errors as plain containers: review.json, the page's data, and a table."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from anomdet.documents import VERSION
from anomdet.evaluation.results import Boxes, Results
from anomdet.quality.review.errors import LabelErrors
from anomdet.quality.review.suspects import DOUBLE, KINDS, MERGED, MISPLACED, UNSUPPORTED, WRONG_CLASS

_DECIMALS = 3  # of a pixel


def to_document(errors: LabelErrors, about: Mapping[str, Any]) -> dict[str, Any]:
    """The content of review.json.

    Args:
        errors: as ranked.
        about: where the labels and predictions come from; stands under ``about``.

    Returns:
        ``review`` names these suspects (a hash), ``images`` are those that were reviewed, ``classes`` number and name,
        ``kinds`` what the calibration says of each kind, ``hard_normals`` names of images, ``suspects`` one dict each:
        see :func:`to_suspect`.
    """
    results = errors.results
    suspects = [to_suspect(errors, at) for at in range(len(errors))]
    digest = hashlib.sha256(json.dumps(suspects).encode()).hexdigest()[:16]
    hard = np.unique(errors.suspects.image[errors.hard_normal])
    return {
        "version": VERSION,
        "review": digest,
        "about": dict(about),
        "num_images": results.num_images,
        "num_labels": len(results.gt),
        "images": list(results.file_names),
        "classes": {str(num): name for num, name in zip(results.class_nums.tolist(), results.class_names, strict=True)},
        "kinds": _kinds(errors),
        "hard_normals": [results.file_names[at] for at in hard.tolist()],
        "suspects": suspects,
    }


def to_suspect(errors: LabelErrors, at: int) -> dict[str, Any]:
    """One suspected error.

    ``id`` is its rank, ``manner`` is too big, too small or shifted of kind ``box``; ``remove`` and ``add`` are the
    labels that go and come if it is accepted; ``labels`` are the image's others, ``score`` the prediction's.
    """
    suspects, results = errors.suspects, errors.results
    kind, image = int(suspects.kind[at]), int(suspects.image[at])
    label, pred, other = (int(column[at]) for column in (suspects.label, suspects.pred, suspects.other))
    removed = [label] if label >= 0 else []
    added = [] if kind in (UNSUPPORTED, DOUBLE) else [_box(results, results.pred, pred)]
    if kind == MERGED:
        added.append(_box(results, results.pred, other))
    if kind == WRONG_CLASS:  # the place stays as a person drew it
        added = [_box(results, results.gt, label) | {"class_num": added[0]["class_num"]}]
    if kind == MISPLACED:
        added = [added[0] | {"class_num": _box(results, results.gt, label)["class_num"]}]
    first, end = np.searchsorted(results.gt.image, [image, image + 1]).tolist()
    probability = float(errors.probability[at])
    return {
        "id": at,
        "kind": KINDS[kind],
        "manner": errors.manner(at),
        "probability": None if math.isnan(probability) else round(probability, 3),
        "hard_normal": bool(errors.hard_normal[at]),
        "image": results.file_names[image],
        "size_wh": results.sizes_hw[image][::-1].tolist(),
        "score": round(float(results.pred.score[pred]), 3) if pred >= 0 else None,
        "remove": [_box(results, results.gt, row) for row in removed],
        "add": added,
        "labels": [_box(results, results.gt, row) for row in range(first, end) if row not in removed],
    }


def _box(results: Results, boxes: Boxes, row: int) -> dict[str, Any]:
    return {
        "class_num": int(results.class_nums[boxes.label[row]]),
        "bbox_xywh": np.round(boxes.bboxes_xywh[row], _DECIMALS).tolist(),
    }


def _kinds(errors: LabelErrors) -> dict[str, dict[str, Any]]:
    """For each kind the suspects, the errors expected among them, and what the planted errors have shown."""
    expected = errors.expected()
    return {
        name: {
            "num_suspects": int((errors.suspects.kind == kind).sum()),
            "expected_errors": round(expected[name], 1),
            "num_planted": one.num_planted,
            "planted_found_share": round(one.found_share, 3),
            "assumed_rate": None if math.isnan(one.rate) else round(one.rate, 5),
        }
        for kind, (name, one) in enumerate(zip(KINDS, errors.shown, strict=True))
    }


def to_rows(document: Mapping[str, Any]) -> list[tuple[object, ...]]:
    """suspects.csv of review.json's content, with its head."""
    heads = ("id", "image", "kind", "manner", "probability", "hard_normal", "score", "remove", "add")
    keys = heads[:-2]

    def text(boxes: list[dict[str, Any]]) -> str:
        return "; ".join(f"{box['class_num']} {' '.join(f'{value:g}' for value in box['bbox_xywh'])}" for box in boxes)

    return [
        heads,
        *((*(one[key] for key in keys), text(one["remove"]), text(one["add"])) for one in document["suspects"]),
    ]
