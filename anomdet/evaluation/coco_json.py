"""COCO's JSON to columns and back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from reprlib import repr as short_repr
from typing import Any

import numpy as np

from anomdet.documents import VERSION
from anomdet.errors import Problem, UserError
from anomdet.evaluation.pairs import boxes_on_objects
from anomdet.evaluation.reconcile import Images, image_places, image_problems, shifted_classes
from anomdet.evaluation.results import Floats, GroundTruth, Ints, Results, make_ground_truth, make_predictions

_MAX_PROBLEMS = 20  # a file with one kind of mistake has it on every entry
_LARGEST = 1e100  # an area can still be computed
_MOST_PIXELS = 2**31
_LARGEST_ID = 2**63 - 1


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
        *([] if isinstance(predictions, list) else [_no_list(predictions_file, predictions)]),
    ]
    if problems:
        raise UserError(problems)
    problems = [
        *_wrong_heads(ground_truth["images"], f"{gt_file}: images", _IMAGE_CHECKS),
        *_wrong_heads(ground_truth["categories"], f"{gt_file}: categories", _CATEGORY_CHECKS),
    ]
    if problems:
        raise UserError(problems)
    listed = sorted(ground_truth["images"], key=lambda image: (isinstance(image["id"], str), image["id"]))
    images = Images([image["id"] for image in listed], [_text(image, "file_name") for image in listed], gt_file)
    label_of = {number: k for k, number in enumerate(sorted(c["id"] for c in ground_truth["categories"]))}
    try:
        return _columns({**ground_truth, "images": listed}, predictions, images, label_of)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
        annotations, where = ground_truth["annotations"], f"{gt_file}: annotations"
        found = [
            *_wrong_entries(annotations, where, [_image_check(images.by_id), *_entry_checks(label_of), _AREA, _CROWD]),
            *_wrong_entries(predictions, predictions_file, [*_entry_checks(label_of), _SCORE]),
            *image_problems(predictions, images, predictions_file),
        ]
        if not found:
            raise
        raise UserError(found) from None


def _columns(ground_truth: dict, predictions: list, known: Images, label_of: dict) -> Results:
    images = ground_truth["images"]
    categories = sorted(ground_truth["categories"], key=lambda category: category["id"])
    annotations = ground_truth["annotations"]
    bboxes_xywh, image = _bboxes(annotations), _places(annotations, "image_id", known.by_id)
    label = _places(annotations, "category_id", label_of)
    gt_area = bboxes_xywh[:, 2] * bboxes_xywh[:, 3]
    area = [annotation.get("area") for annotation in annotations]
    coco_area = _numbers([own if value is None else value for value, own in zip(area, gt_area.tolist(), strict=True)])
    crowd = _crowds(annotations)
    gt = make_ground_truth(image, label, bboxes_xywh, coco_area, crowd)
    bboxes_xywh, (image, label, notes) = _bboxes(predictions), _meant(predictions, known, label_of, gt)
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
    )


def _meant(predictions: list, known: Images, label_of: dict, gt: GroundTruth) -> tuple[Ints, Ints, tuple[str, ...]]:
    """Image and class of each prediction, and how they were found where that needs a sentence."""
    image, note = image_places(predictions, known)
    if image is None:
        raise ValueError("an image that is none")
    class_ids = [prediction["category_id"] for prediction in predictions]

    def agreement(shift: int) -> tuple[int, int]:
        label = np.array([label_of.get(number + shift, -1) for number in class_ids], dtype=np.int64)
        return boxes_on_objects(image, label, _bboxes(predictions), gt)

    shift, shift_note = shifted_classes(set(class_ids), list(label_of), agreement)
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
    if not (np.abs(column) <= _LARGEST).all():
        raise ValueError("a number that is not finite")
    return column


def _crowds(annotations: list) -> np.ndarray:
    """A text is none: bool("0") would make every object one of a crowd."""
    marks = [annotation.get("iscrowd") for annotation in annotations]
    if not all(map(_is_mark, marks)):
        raise ValueError("a mark that is none")
    return np.array([bool(mark) for mark in marks], dtype=bool)


def _is_mark(value: Any) -> bool:
    return value is None or (isinstance(value, (int, float)) and value in (0, 1))


def _places(entries: list, key: str, table: dict) -> np.ndarray:
    numbers = [entry[key] for entry in entries]
    if bool in set(map(type, numbers)):
        raise ValueError("an id that is none")
    return np.array([table[number] for number in numbers], dtype=np.int64)


def _text(entry: dict, key: str) -> str:
    return str(entry["id"] if entry.get(key) is None else entry[key])


def _wrong_kind(where: str, expected: str, got: Any) -> Problem:
    return Problem(where, expected, type(got).__name__)


def _no_list(where: str, got: Any) -> Problem:
    """COCO's results are a list; some tools write it into an object, or give the data set itself."""
    lists = [key for key, value in got.items() if isinstance(value, list)] if isinstance(got, dict) else []
    found = f"an object with {', '.join(map(short_repr, lists[:4]))}" if lists else type(got).__name__
    hint = "save the list of results alone, as COCO has it: image_id, category_id, bbox and score in each entry"
    return Problem(where, "a JSON array", found, hint)


def _wrong_lists(ground_truth: Any, gt_file: str) -> list[Problem]:
    if not isinstance(ground_truth, dict):
        return [_wrong_kind(gt_file, "a JSON object with images, annotations and categories", ground_truth)]
    keys = ("images", "annotations", "categories")
    wrong = [key for key in keys if not isinstance(ground_truth.get(key), list)]
    return [Problem(f"{gt_file}: {key}", "an array", type(ground_truth.get(key)).__name__) for key in wrong]


def _is_image_id(value: Any) -> bool:
    return _is_id(value) or (isinstance(value, str) and bool(value) and _is_text(value))


def _is_id(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _LARGEST_ID


def _is_text(value: Any) -> bool:
    """Nothing, a whole number, or what can be written as UTF-8, which half a surrogate pair cannot."""
    if isinstance(value, str):
        return not any("\ud800" <= letter <= "\udfff" for letter in value)
    return value is None or _is_id(value)


def _is_length(value: Any) -> bool:
    return value is None or (_is_number(value) and 0 <= value <= _MOST_PIXELS and value == int(value))


_Check = tuple[str, str, Callable[[Any], bool]]
_ID: _Check = ("id", "an integer of 64 bits", _is_id)
_IMAGE_ID: _Check = ("id", "an integer of 64 bits or a text", _is_image_id)
_IMAGE_CHECKS: tuple[_Check, ...] = (_IMAGE_ID, ("file_name", "a text", _is_text), ("part", "a text", _is_text))
_IMAGE_CHECKS += tuple((key, "a whole number of pixels", _is_length) for key in ("width", "height"))
_CATEGORY_CHECKS: tuple[_Check, ...] = (_ID, ("name", "a text", _is_text))


def _wrong_heads(entries: list, where: str, checks: Iterable[_Check]) -> Iterator[Problem]:
    """What is wrong with images or categories, up to twenty places."""
    return islice(chain(_wrong_values(entries, where, checks), _repeated_ids(entries, where)), _MAX_PROBLEMS)


def _wrong_values(entries: list, where: str, checks: Iterable[_Check]) -> Iterator[Problem]:
    for i, entry in enumerate(entries):
        if not isinstance(entry, dict):
            yield _wrong_kind(f"{where}[{i}]", "a JSON object", entry)
            continue
        for key, expected, is_right in checks:
            if not is_right(entry.get(key)):
                yield Problem(f"{where}[{i}].{key}", expected, short_repr(entry.get(key)))


def _repeated_ids(entries: list, where: str) -> Iterator[Problem]:
    seen: set[int | str] = set()
    for i, entry in enumerate(entries):
        number = entry.get("id") if isinstance(entry, dict) else None
        if not isinstance(number, (int, str)) or isinstance(number, bool):
            continue
        if number in seen:
            yield Problem(f"{where}[{i}].id", "an id that no other has", short_repr(number))
        seen.add(number)


_SCORE: _Check = ("score", "a number from 0 to 1", lambda value: _is_number(value) and 0 <= value <= 1)
_CROWD: _Check = ("iscrowd", "0 or 1, a number", _is_mark)
_AREA: _Check = ("area", "a finite number, or nothing", lambda value: value is None or _is_number(value))


def _image_check(by_id: dict) -> _Check:
    return "image_id", "the id of an image in the ground truth", lambda value: _known(value, by_id)


def _entry_checks(label_of: dict) -> list[_Check]:
    return [
        ("category_id", "the id of a category in the ground truth", lambda value: _known(value, label_of)),
        ("bbox", "[x, y, width, height], finite (below 1e100), no size negative", _is_bbox),
    ]


def _wrong_entries(entries: list, where: str, checks: Iterable[_Check]) -> Iterator[Problem]:
    return islice(_wrong_values(entries, where, list(checks)), _MAX_PROBLEMS)


def _known(value: Any, table: dict) -> bool:
    return isinstance(value, (int, float, str)) and not isinstance(value, bool) and value in table


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and -_LARGEST <= value <= _LARGEST


def _is_bbox(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 4 and all(map(_is_number, value)) and min(value[2:]) >= 0


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
