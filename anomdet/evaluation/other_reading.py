"""Boxes or class numbers of another tool that fit the objects only if they are read in another way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain

import numpy as np

from anomdet.evaluation.pairs import pairs_of_boxes
from anomdet.evaluation.results import Boxes, Floats, GroundTruth, Predictions, Results, make_ground_truth

_MOST = 10_000  # predictions that are looked at
_LEAST_OF_CLASSES = 5  # boxes on objects; fewer are of other classes by chance
_Reading = Callable[[Floats], Floats]


def _from_corners(boxes: Floats) -> Floats:
    return np.column_stack([boxes[:, :2], np.maximum(boxes[:, 2:] - boxes[:, :2], 0)])


def _from_centre(boxes: Floats) -> Floats:
    return np.column_stack([boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, 2:]])


def _swapped(boxes: Floats) -> Floats:
    return boxes[:, [1, 0, 3, 2]]


_OF_A_FILE: tuple[tuple[str, _Reading], ...] = (
    ("x1, y1, x2, y2", _from_corners),
    ("the centre, width and height", _from_centre),
    ("y1, x1, y2, x2", lambda boxes: _from_corners(_swapped(boxes))),
)
_OF_BOTH = "y, x, height, width", _swapped  # whichever file has them, both fit when one is read so; turned ones, too
_NETWORK_SIDES = (*range(64, 2049, 32), 300, 500, 1000)  # pixels
_MMDET_SIDES = 1333, 800  # the longer and the shorter one at most, as MMDetection's configs have it


def _turned(boxes: Floats, sizes_wh: Floats) -> Iterator[tuple[str, Floats]]:
    """The boxes in the upright image if they are those of a mirrored or turned one, or are counted from below."""
    if not (sizes_wh > 0).all():
        return
    x, y, width, height = boxes.T
    right, below = (sizes_wh - boxes[:, :2] - boxes[:, 2:]).T
    yield "pixels of the image mirrored left to right", np.column_stack([right, y, width, height])
    yield "y counted from the bottom of the image", np.column_stack([x, below, width, height])
    yield "pixels of the image turned by 180 degrees", np.column_stack([right, below, width, height])
    quarter = "pixels of the image turned by 90 degrees, as one without its EXIF orientation"
    yield quarter, np.column_stack([sizes_wh[:, 0] - y - height, x, height, width])
    yield quarter, np.column_stack([y, sizes_wh[:, 1] - x - width, height, width])


def _resized(boxes: Floats, sizes_wh: Floats) -> Iterator[tuple[str, Floats]]:
    """The boxes in stored pixels if they are those of a square that a network sees: fitted, stretched or centred."""
    longest = sizes_wh.max(axis=1, keepdims=True)
    if not len(boxes) or not (sizes_wh > 0).all():
        return
    scale = np.maximum(longest / _MMDET_SIDES[0], sizes_wh.min(axis=1, keepdims=True) / _MMDET_SIDES[1])
    yield "pixels of the image resized to {} x {} at most".format(*_MMDET_SIDES), boxes * scale
    for side in _NETWORK_SIDES:
        name = f"pixels of the image resized to {side} x {side}"
        scale, margin = longest / side, (side - sizes_wh * side / longest) / 2
        yield name, boxes * scale
        yield name, boxes * np.tile(sizes_wh / side, 2)
        yield name, np.column_stack([boxes[:, :2] - margin, boxes[:, 2:]]) * scale


def boxes_read_otherwise(results: Results, gt_file: str, predictions_file: str) -> list[str]:
    """A sentence where hardly any box lies on an object, but most would if one file were read in another way.

    Args:
        results: as the files were read: x, y, width, height.
        gt_file, predictions_file: their names, for messages.
    """
    pred, gt = _best(results), results.gt
    now, _ = _fit(pred, pred.bboxes_xywh, gt)
    if not len(pred) or now > len(pred) / 10:
        return []
    found = []
    readings = ((name, read(pred.bboxes_xywh)) for name, read in (*_OF_A_FILE, _OF_BOTH))
    sizes_wh = results.sizes_hw[pred.image][:, ::-1].astype(np.float64)
    turned = list(_turned(pred.bboxes_xywh, sizes_wh))
    either = {_OF_BOTH[0], *(name for name, _ in turned)}
    for name, boxes in chain(readings, turned, _resized(pred.bboxes_xywh, sizes_wh)):
        other = f" (or those of {gt_file})" if name in either else ""
        found.append((*_fit(pred, boxes, gt), f"{predictions_file}: the boxes{other} look like {name}"))
    for name, read in _OF_A_FILE:
        fit = _fit(pred, pred.bboxes_xywh, _read_again(gt, read))
        found.append((*fit, f"{gt_file}: the boxes look like {name}"))
    then, _, told = max(found, key=lambda one: one[:2])  # of equal ones the first
    if then < len(pred) / 10 or not _is_clear(now, then, len(pred)):  # of many readings one fits some boxes by chance
        return []
    return [
        f"{told}: read so, {then} of the {len(pred)} best predictions lie on an object, and {now} when read as x, y, "
        "width, height, as COCO has it and they are measured"
    ]


def images_read_otherwise(results: Results, predictions_file: str) -> list[str]:
    """A sentence where hardly any box lies on an object, but most would in the image before or after.

    Some tools count images from 0, others from 1.
    """
    pred, gt = _best(results), results.gt
    now, _ = _fit(pred, pred.bboxes_xywh, gt)
    for step, which in ((1, "after"), (-1, "before")):
        inside = (pred.image + step >= 0) & (pred.image + step < results.num_images)
        moved = Predictions(pred.image[inside] + step, pred.label[inside], pred.bboxes_xywh[inside], pred.score[inside])
        then = _num_right(moved, gt)
        if then >= len(pred) / 2 and _is_clear(now, then, len(pred)):
            return [
                f"{predictions_file}: image_id looks counted from another start: {then} of the {len(pred)} best "
                f"predictions lie on an object of their class in the image {which} theirs, and {now} in their own; "
                "they are measured as they are"
            ]
    return []


def _num_right(pred: Predictions, gt: GroundTruth) -> int:
    pairs = pairs_of_boxes(pred.image, pred.label, pred.bboxes_xywh, gt)
    return len(np.unique(pairs.pred[pairs.same_class]))


def classes_read_otherwise(results: Results, predictions_file: str) -> list[str]:
    """A sentence where boxes lie on objects, but those of one class on those of another, and so on in turn.

    A class that the detector mistakes for another is none of these: of that other class, boxes are right.
    """
    pred, gt = _best(results), results.gt
    pairs = pairs_of_boxes(pred.image, pred.label, pred.bboxes_xywh, gt)
    on_object = np.unique(pairs.pred)
    is_right = np.zeros(len(pred), dtype=bool)
    is_right[pairs.pred[pairs.same_class]] = True
    target = np.full(len(pred), -1, dtype=np.int64)
    target[pairs.pred[::-1]] = gt.label[pairs.gt[::-1]]  # the pair of the largest IoU is written last
    num_of = np.bincount(pred.label[on_object], minlength=results.num_classes)
    num_right = np.bincount(pred.label[is_right], minlength=results.num_classes)
    wrong = num_right <= num_of / 10
    meant: dict[int, int] = {}
    for label in np.flatnonzero(wrong & (num_of > 0)).tolist():
        places = np.bincount(target[on_object][pred.label[on_object] == label], minlength=results.num_classes)
        if places.max() >= 0.8 * num_of[label] and wrong[places.argmax()]:
            meant[label] = int(places.argmax())
    count = int(num_of[list(meant)].sum())
    if count < _LEAST_OF_CLASSES or not _is_clear(int(num_right[list(meant)].sum()), count, len(on_object)):
        return []
    nums, names = results.class_nums.tolist(), results.class_names
    told = "; ".join(f"those of {nums[a]} ({names[a]}) on {nums[b]} ({names[b]})" for a, b in meant.items())
    return [
        f"{predictions_file}: category_id looks like numbers of other classes: {count} of the {len(on_object)} best "
        f"predictions on an object lie on another class: {told}; they are measured as they are"
    ]


def _best(results: Results) -> Predictions:
    """As many predictions of the highest scores as there are objects, 10,000 at most: the rest are mostly none."""
    pred = results.pred
    rows = np.sort(np.argsort(-pred.score, kind="stable")[: min(len(results.gt), _MOST)])
    return Predictions(pred.image[rows], pred.label[rows], pred.bboxes_xywh[rows], pred.score[rows])


def _fit(boxes: Boxes, bboxes_xywh: Floats, gt: GroundTruth) -> tuple[int, float]:
    """How many boxes lie on an object, and how closely: the sum of their IoU, so that the nearest reading is named."""
    pairs = pairs_of_boxes(boxes.image, boxes.label, bboxes_xywh, gt)
    rows, first = np.unique(pairs.pred, return_index=True)
    return len(rows), round(float(pairs.iou[first].sum()), 6)


def _read_again(gt: GroundTruth, read: _Reading) -> GroundTruth:
    return make_ground_truth(gt.image, gt.label, read(gt.bboxes_xywh), crowd=gt.crowd)


def _is_clear(now: int, then: int, num: int) -> bool:
    """At least ten, or three that are half of all; and ten times as many as without."""
    return (then >= 10 or (then >= 3 and then >= num / 2)) and now <= then / 10
