"""Boxes that are there twice: the very same, or nearly the same, with one class or two."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from anomdet.boxes import area_xyxy, xywh_to_xyxy
from anomdet.quality.check.findings import Finding
from anomdet.quality.check.table import Boxes, Floats, Ints

NEAR_IOU = 0.9
_MAX_NEIGHBOURS = 2000  # of a box, in order of x; a column of more boxes than this is not searched to its end


def exact_duplicates(boxes: Boxes) -> tuple[Ints, Ints]:
    """Positions of boxes that stand in their file before, with class and all, and of the first of each."""
    columns = (*boxes.values.T[::-1], boxes.class_nums, boxes.file_at)
    order = np.lexsort(columns)  # stable: equal boxes stay in the order of lines
    same = np.ones(max(len(boxes) - 1, 0), bool)
    for column in columns:
        same &= column[order[1:]] == column[order[:-1]]
    starts = np.concatenate([[True], ~same])[: len(boxes)]
    first = order[np.maximum.accumulate(np.where(starts, np.arange(len(boxes)), 0))]
    again = np.flatnonzero(~starts)
    return order[again], first[again]


def check_duplicates(boxes: Boxes, bboxes_xywh: Floats) -> Iterator[Finding]:
    """Each box that repeats an earlier one of its file; a box is named once, with the first that it repeats.

    Args:
        boxes: where they stand.
        bboxes_xywh: ``(N, 4)`` corner and size in pixels.
    """
    again, first = exact_duplicates(boxes)
    for at, other in zip(again.tolist(), first.tolist(), strict=True):
        got = f"the box of line {boxes.line_nums[other]} again"
        yield Finding("box-exact-duplicate", *boxes.place(at), "each box once", got, "delete one")
    keep = np.ones(len(boxes), bool)
    keep[again] = False
    for first_at, second_at, iou in _near_pairs(np.flatnonzero(keep), boxes, bboxes_xywh):
        line_num, class_num = boxes.line_nums[first_at], boxes.class_nums[first_at]
        how = f"the box of line {line_num} again, IoU {iou:.3f}"
        if class_num == boxes.class_nums[second_at]:
            yield Finding("box-near-duplicate", *boxes.place(second_at), "each defect once", how, "delete one")
        else:
            got = f"{how}, as class {class_num} there and {boxes.class_nums[second_at]} here"
            hint = "choose one, if it is one defect"
            yield Finding("box-two-classes", *boxes.place(second_at), "one class for a box", got, hint)


def _near_pairs(chosen: Ints, boxes: Boxes, bboxes_xywh: Floats) -> Iterator[tuple[int, int, float]]:
    """(earlier, later, IoU) of boxes in one file with an IoU above :data:`NEAR_IOU`; a later box comes once.

    Sorted by x, a box's partners follow it closely: an IoU above t leaves the left sides at most (1 - t) / t of a
    width apart. Boxes are compared with their k-th neighbour, for k = 1, 2, ... until no neighbour is near enough.
    """
    xyxy = xywh_to_xyxy(bboxes_xywh[chosen])
    order = np.lexsort((xyxy[:, 0], boxes.file_at[chosen]))
    xyxy, chosen = xyxy[order], chosen[order]
    file_at = boxes.file_at[chosen]
    limit = xyxy[:, 0] + (xyxy[:, 2] - xyxy[:, 0]) * (1 - NEAR_IOU) / NEAR_IOU
    area = area_xyxy(xyxy)
    told = np.zeros(len(chosen), bool)
    active: Ints = np.arange(len(chosen))
    for k in range(1, _MAX_NEIGHBOURS):
        active = active[active + k < len(chosen)]
        other = active + k
        near = (file_at[other] == file_at[active]) & (xyxy[other, 0] <= limit[active])
        active, other = active[near], other[near]
        if not len(active):
            return
        size = np.minimum(xyxy[active, 2:], xyxy[other, 2:]) - np.maximum(xyxy[active, :2], xyxy[other, :2])
        shared = np.maximum(size, 0).prod(axis=1)
        iou = shared / (area[active] + area[other] - shared)
        for at in np.flatnonzero(iou > NEAR_IOU):
            a, b = int(active[at]), int(other[at])
            early, late = (a, b) if chosen[a] < chosen[b] else (b, a)
            if not told[late]:
                told[late] = True
                yield int(chosen[early]), int(chosen[late]), float(iou[at])
        active = active[~told[active]]
