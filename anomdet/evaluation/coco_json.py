"""COCO's JSON to columns and back."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from anomdet.errors import Problem, UserError
from anomdet.evaluation.results import Results, make_ground_truth, make_predictions

_MAX_PROBLEMS = 20  # a file with one kind of mistake has it on every entry


def results_from_coco(
    ground_truth: Any, predictions: Any, *, gt_file: str = "ground truth", predictions_file: str = "predictions"
) -> Results:
    """Columns of a COCO data set and a COCO results list; neither is changed.

    Args:
        ground_truth: ``images`` (id, file_name; width, height and part where known), ``annotations`` (image_id,
            category_id, bbox xywh; area and iscrowd where they have them), ``categories`` (id, name).
        predictions: image_id, category_id, bbox xywh, score, each.
        gt_file, predictions_file: their names in messages.

    Raises:
        UserError: something else; up to twenty places of each file at once.
    """
    problems = [
        *_wrong_lists(ground_truth, gt_file),
        *([] if isinstance(predictions, list) else [_wrong_kind(predictions_file, "a JSON array", predictions)]),
    ]
    if problems:
        raise UserError(problems)
    image_of = {image.get("id"): i for i, image in enumerate(_sorted_by_id(ground_truth["images"], gt_file, "images"))}
    label_of = {c.get("id"): k for k, c in enumerate(_sorted_by_id(ground_truth["categories"], gt_file, "categories"))}
    try:
        return _columns(ground_truth, predictions, image_of, label_of)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
        found = [
            *_wrong_entries(ground_truth["annotations"], f"{gt_file}: annotations", image_of, label_of, scored=False),
            *_wrong_entries(predictions, predictions_file, image_of, label_of, scored=True),
        ]
        if not found:
            raise
        raise UserError(found) from None


def _columns(ground_truth: dict, predictions: list, image_of: dict, label_of: dict) -> Results:
    images = sorted(ground_truth["images"], key=lambda image: image["id"])
    categories = sorted(ground_truth["categories"], key=lambda category: category["id"])
    annotations = ground_truth["annotations"]
    bboxes_xywh, image, label = _geometry(annotations, image_of, label_of)
    area = [annotation.get("area") for annotation in annotations]
    own = bboxes_xywh[:, 2] * bboxes_xywh[:, 3]
    coco_area = np.array([own[i] if value is None else value for i, value in enumerate(area)], dtype=np.float64)
    crowd = np.array([bool(annotation.get("iscrowd", 0)) for annotation in annotations], dtype=bool)
    gt = make_ground_truth(image, label, bboxes_xywh, coco_area, crowd)
    bboxes_xywh, image, label = _geometry(predictions, image_of, label_of)
    score = np.array([prediction["score"] for prediction in predictions], dtype=np.float64)
    if not np.isfinite(score).all():
        raise ValueError("a score that is not finite")
    parts = [str(image["part"]) if "part" in image else None for image in images]
    return Results(
        image_ids=np.array([image["id"] for image in images], dtype=np.int64),
        file_names=[str(image.get("file_name", image["id"])) for image in images],
        sizes_hw=np.array([[image.get("height", 0), image.get("width", 0)] for image in images], np.int64).reshape(
            -1, 2
        ),
        class_nums=np.array([category["id"] for category in categories], dtype=np.int64),
        class_names=[str(category.get("name", category["id"])) for category in categories],
        gt=gt,
        pred=make_predictions(image, label, bboxes_xywh, score),
        parts=None if None in parts or not parts else [part for part in parts if part is not None],
    )


def _geometry(entries: list, image_of: dict, label_of: dict) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    bboxes_xywh = np.array([entry["bbox"] for entry in entries], dtype=np.float64)
    if entries and bboxes_xywh.shape != (len(entries), 4):
        raise ValueError("a bbox without four numbers")
    bboxes_xywh = bboxes_xywh.reshape(-1, 4)
    if not np.isfinite(bboxes_xywh).all() or (bboxes_xywh[:, 2:] < 0).any():
        raise ValueError("a bbox that is none")
    image = np.array([image_of[entry["image_id"]] for entry in entries], dtype=np.int64)
    return bboxes_xywh, image, np.array([label_of[entry["category_id"]] for entry in entries], dtype=np.int64)


def _wrong_kind(where: str, expected: str, got: Any) -> Problem:
    return Problem(where, expected, type(got).__name__)


def _wrong_lists(ground_truth: Any, gt_file: str) -> list[Problem]:
    if not isinstance(ground_truth, dict):
        return [_wrong_kind(gt_file, "a JSON object with images, annotations and categories", ground_truth)]
    keys = ("images", "annotations", "categories")
    wrong = [key for key in keys if not isinstance(ground_truth.get(key), list)]
    return [Problem(f"{gt_file}: {key}", "an array", type(ground_truth.get(key)).__name__) for key in wrong]


def _sorted_by_id(entries: list, gt_file: str, key: str) -> list[dict]:
    """By rising id; every id an integer of its own."""
    problems: list[Problem | str] = []
    seen: set[int] = set()
    for i, entry in enumerate(entries):
        number = entry.get("id") if isinstance(entry, dict) else None
        if not isinstance(number, int) or isinstance(number, bool):
            problems.append(Problem(f"{gt_file}: {key}[{i}].id", "an integer", repr(number)))
        elif number in seen:
            problems.append(Problem(f"{gt_file}: {key}[{i}].id", "an id that no other has", str(number)))
        else:
            seen.add(number)
    if problems:
        raise UserError(problems[:_MAX_PROBLEMS])
    return sorted(entries, key=lambda entry: entry["id"])


def _wrong_entries(entries: list, where: str, image_of: dict, label_of: dict, *, scored: bool) -> Iterator[Problem]:
    checks: list[tuple[str, str, Callable[[Any], bool]]] = [
        ("image_id", "the id of an image in the ground truth", lambda value: _known(value, image_of)),
        ("category_id", "the id of a category in the ground truth", lambda value: _known(value, label_of)),
        ("bbox", "[x, y, width, height], finite, no size negative", _is_bbox),
    ]
    checks += [("score", "a finite number", _is_number)] if scored else []
    checks += [] if scored else [("area", "a finite number, or nothing", lambda v: v is None or _is_number(v))]
    count = 0
    for i, entry in enumerate(entries):
        if not isinstance(entry, dict):
            yield _wrong_kind(f"{where}[{i}]", "a JSON object", entry)
            count += 1
        for key, expected, is_right in checks if isinstance(entry, dict) else ():
            if not is_right(entry.get(key)):
                yield Problem(f"{where}[{i}].{key}", expected, repr(entry.get(key)))
                count += 1
        if count >= _MAX_PROBLEMS:
            return


def _known(value: Any, table: dict) -> bool:
    return isinstance(value, int) and value in table


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _is_bbox(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 4
        and all(_is_number(number) for number in value)
        and min(value[2:]) >= 0
    )


def to_coco(results: Results) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A COCO data set and a COCO results list, with ``file_name`` in each prediction; all floats with all digits."""
    sizes = results.sizes_hw.tolist()
    images: list[dict[str, Any]] = [
        {"id": image_id, "file_name": name, "width": size_hw[1], "height": size_hw[0]}
        for image_id, name, size_hw in zip(results.image_ids.tolist(), results.file_names, sizes, strict=True)
    ]
    for image, part in zip(images, results.parts or (), strict=results.parts is not None):
        image["part"] = part
    gt, pred = results.gt, results.pred
    columns = (gt.image, gt.label, gt.coco_area, gt.crowd, gt.bboxes_xywh)
    ids, nums = results.image_ids.tolist(), results.class_nums.tolist()
    annotations = [
        {"id": i, "image_id": ids[image], "category_id": nums[label], "bbox": bbox, "area": area, "iscrowd": int(crowd)}
        for i, (image, label, area, crowd, bbox) in enumerate(zip(*(c.tolist() for c in columns), strict=True), start=1)
    ]
    rows = zip(*(c.tolist() for c in (pred.image, pred.label, pred.bboxes_xywh, pred.score)), strict=True)
    predictions = [
        {
            "image_id": ids[image],
            "file_name": images[image]["file_name"],
            "category_id": nums[label],
            "bbox": bbox,
            "score": score,
        }
        for image, label, bbox, score in rows
    ]
    categories = [{"id": num, "name": name} for num, name in zip(nums, results.class_names, strict=True)]
    return {"images": images, "annotations": annotations, "categories": categories}, predictions
