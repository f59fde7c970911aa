"""COCO's JSON to columns and back."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain
from typing import Any

import numpy as np

from anomdet.documents import VERSION
from anomdet.errors import UserError
from anomdet.evaluation.coco_checks import LARGEST, another_format, is_mark, wrong_entries, wrong_heads, wrong_lists
from anomdet.evaluation.pairs import boxes_on_objects
from anomdet.evaluation.reconcile import (
    Images,
    classes_in_numbers,
    group_of_all,
    image_places,
    image_problems,
    shifted_classes,
)
from anomdet.evaluation.results import Floats, GroundTruth, Ints, Results, make_ground_truth, make_predictions
from anomdet.evaluation.scored_data_set import scored_data_set
from anomdet.words import counted

_MARKS = ("ignore", "difficult")


def results_from_coco(
    ground_truth: Any, predictions: Any, *, gt_file: str = "ground truth", predictions_file: str = "predictions"
) -> Results:
    """Columns of a COCO data set and a COCO results list; neither is changed.

    Args:
        ground_truth: ``images`` (id, file_name; width, height and part where known), ``annotations`` (image_id,
            category_id, bbox xywh; area and iscrowd where they have them), ``categories`` (id, name).
        predictions: image_id, category_id, bbox xywh, score, each; or a data set whose annotations have scores.
        gt_file, predictions_file: their names in messages.

    Raises:
        UserError: something else; all kinds of mistakes at once, with the places of the first.
    """
    scored = scored_data_set(predictions)
    predictions = predictions if scored is None else scored.entries
    if problems := wrong_lists(ground_truth, gt_file, predictions, predictions_file):
        raise UserError(problems)
    if problems := wrong_heads(ground_truth, gt_file):
        raise UserError(problems)
    listed = sorted(ground_truth["images"], key=lambda image: (isinstance(image["id"], str), image["id"]))
    images = Images([image["id"] for image in listed], [_text(image, "file_name") for image in listed], gt_file)
    names = {category["id"]: _text(category, "name") for category in ground_truth["categories"]}
    predictions, set_note = (predictions, "") if scored is None else scored.with_ids_of(images, names)
    predictions, class_note = classes_in_numbers(predictions, names)
    try:
        results = _columns({**ground_truth, "images": listed}, predictions, images)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
        found = another_format(predictions, predictions_file) or [
            *wrong_entries(ground_truth["annotations"], gt_file, predictions, predictions_file, (images.by_id, names)),
            *image_problems(predictions, images, predictions_file),
        ]
        if not found:
            raise
        raise UserError(found) from None
    return replace(results, notes=tuple(filter(None, (set_note, *results.notes, class_note))))


def _columns(ground_truth: dict, predictions: list, known: Images) -> Results:
    images = ground_truth["images"]
    categories = sorted(ground_truth["categories"], key=lambda category: category["id"])
    label_of = {category["id"]: k for k, category in enumerate(categories)}
    annotations = ground_truth["annotations"]
    bboxes_xywh, image = _bboxes(annotations), _places(annotations, "image_id", known.by_id)
    label = _places(annotations, "category_id", label_of)
    gt_area = bboxes_xywh[:, 2] * bboxes_xywh[:, 3]
    area = [annotation.get("area") for annotation in annotations]
    coco_area = _numbers([own if value is None else value for value, own in zip(area, gt_area.tolist(), strict=True)])
    if (coco_area < 0).any():  # in none of COCO's size ranges: the object would not be measured
        raise ValueError("an area that is none")
    crowd = _crowds(annotations)
    gt = make_ground_truth(image, label, bboxes_xywh, coco_area, crowd)
    groups = group_of_all(categories, {annotation["category_id"] for annotation in annotations})
    bboxes_xywh, (image, label, notes) = _bboxes(predictions), _meant(predictions, known, label_of, groups, gt)
    score = _numbers([prediction["score"] for prediction in predictions])
    if not ((score >= 0) & (score <= 1)).all():
        raise ValueError("a score that is none")
    parts = [None if image.get("part") is None else str(image["part"]) for image in images]
    sizes_hw = [[image.get("height") or 0, image.get("width") or 0] for image in images]
    return Results(
        image_ids=np.array(known.ids, dtype=object if any(isinstance(one, str) for one in known.ids) else np.int64),
        file_names=[_text(image, "file_name") for image in images],
        sizes_hw=np.array(sizes_hw, dtype=np.int64).reshape(-1, 2),
        class_nums=np.array([category["id"] for category in categories], dtype=np.int64),
        class_names=[_text(category, "name") for category in categories],
        gt=gt,
        pred=make_predictions(image, label, bboxes_xywh, score),
        parts=None if None in parts or not parts else [part for part in parts if part is not None],
        notes=notes,
        gt_notes=_marks(annotations),
    )


def _marks(annotations: list) -> tuple[str, ...]:
    """Of objects that another tool would leave out; COCO's own has one mark alone, iscrowd."""
    of_object = [mark for one in annotations if (mark := _mark(one)) and not one.get("iscrowd")]
    if not of_object:
        return ()
    marked = counted(len(of_object), "object is marked", "objects are marked")
    return (
        f"{marked} as {' or '.join(sorted(set(of_object)))} and measured as all others, as COCO has it; iscrowd: 1 "
        "leaves one out of the numbers",
    )


def _mark(annotation: dict) -> str | None:
    attributes = annotation.get("attributes")
    more = attributes if isinstance(attributes, dict) else {}
    return next((name for name in _MARKS if annotation.get(name) or more.get(name)), None)


def _meant(
    predictions: list, known: Images, label_of: dict, groups: set, gt: GroundTruth
) -> tuple[Ints, Ints, tuple[str, ...]]:
    """Image and class of each prediction, and how they were found where that needs a sentence."""
    image, note = image_places(predictions, known)
    if image is None:
        raise ValueError("an image that is none")
    class_ids = [prediction["category_id"] for prediction in predictions]

    def agreement(shift: int) -> tuple[int, int]:
        label = np.array([label_of.get(number + shift, -1) for number in class_ids], dtype=np.int64)
        return boxes_on_objects(image, label, _bboxes(predictions), gt)

    shift, shift_note = shifted_classes(set(class_ids), list(label_of), agreement, groups)
    label = _places(predictions, "category_id", {number - shift: k for number, k in label_of.items()})
    return image, label, tuple(filter(None, (note, shift_note)))


def _bboxes(entries: list) -> Floats:
    boxes = [entry["bbox"] for entry in entries]
    if not set(map(type, boxes)) <= {list} or not set(map(len, boxes)) <= {4}:
        raise ValueError("a bbox without four numbers")
    bboxes_xywh = _numbers(list(chain.from_iterable(boxes))).reshape(-1, 4)
    if (bboxes_xywh[:, 2:] < 0).any():
        raise ValueError("a bbox that is none")
    return bboxes_xywh


def _numbers(values: list) -> Floats:
    """Numbers of JSON only: numpy would take a text or a truth value for one, too."""
    column = np.array(values, dtype=np.float64)
    kinds = set(map(type, values))
    if not all(issubclass(kind, (int, float)) and kind is not bool for kind in kinds):
        raise ValueError("what is no number")
    if not (np.abs(column) <= LARGEST).all():
        raise ValueError("a number that is not finite")
    return column


def _crowds(annotations: list) -> np.ndarray:
    marks = [annotation.get("iscrowd") for annotation in annotations]
    if not all(map(is_mark, marks)):
        raise ValueError("a mark that is none")
    return np.array([bool(mark) for mark in marks], dtype=bool)


def _places(entries: list, key: str, table: dict) -> np.ndarray:
    numbers = [entry[key] for entry in entries]
    if bool in set(map(type, numbers)):
        raise ValueError("an id that is none")
    return np.array([table[number] for number in numbers], dtype=np.int64)


def _text(entry: dict, key: str) -> str:
    return str(entry["id"] if entry.get(key) is None else entry[key])


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
    categories = [
        {"id": num, "name": name, "supercategory": "defect"}
        for num, name in zip(nums, results.class_names, strict=True)
    ]
    info = {
        "version": VERSION,
        "description": "ground truth of an evaluation by AnomDet; predictions.json goes with it",
    }
    return {"info": info, "images": images, "annotations": annotations, "categories": categories}, predictions
