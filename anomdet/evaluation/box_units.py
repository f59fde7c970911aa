"""Boxes of another tool that are not x, y, width and height in pixels: they would be measured as wrong ones."""

from __future__ import annotations

from anomdet.boxes import grow_as_corners, looks_like_two_corners
from anomdet.errors import Problem, UserError
from anomdet.evaluation.results import Boxes, Ints, Results
from anomdet.words import counted


def check_box_units(results: Results, gt_file: str, predictions_file: str) -> list[str]:
    """A sentence for each doubt.

    Args:
        results: as the files were read.
        gt_file, predictions_file: their names, for messages.

    Raises:
        UserError: all boxes of a file lie within the first pixel: fractions of the image's size.
    """
    files = ((gt_file, results.gt), (predictions_file, results.pred))
    problems = [Problem(name, *_FRACTIONS) for name, boxes in files if _are_fractions(boxes)]
    if problems:
        raise UserError(problems)
    notes = [note for name, boxes in files for note in _doubts(name, boxes, results.sizes_hw)]
    if no_size := int(((results.gt.area <= 0) & ~results.gt.crowd).sum()):
        no_size_text = counted(no_size, "object has no width or no height", "objects have no width or no height")
        notes.append(f"{gt_file}: {no_size_text}: no box can find it, it counts as missed")
    return notes


_FRACTIONS = (
    "boxes in pixels",
    "boxes that all lie within the first pixel",
    "these look like fractions of the image's size; multiply them by it",
)


def _are_fractions(boxes: Boxes) -> bool:
    """Whole numbers are none: a mask may mark one pixel."""
    xywh = boxes.bboxes_xywh
    return len(boxes) > 0 and bool((xywh[:, :2] + xywh[:, 2:]).max() <= 1) and bool((xywh % 1).any())


def _doubts(name: str, boxes: Boxes, sizes_hw: Ints) -> list[str]:
    sizes_wh = sizes_hw[boxes.image][:, ::-1]
    known = (sizes_wh > 0).all(axis=1)
    xywh, sizes_wh = boxes.bboxes_xywh[known], sizes_wh[known]
    leaves = looks_like_two_corners(xywh, sizes_wh) if len(xywh) else None
    if leaves is not None:
        count = f"{int(leaves.sum())} of {len(leaves)}"
        return [
            f"{name}: the boxes look like two corners: {count} leave their image when read as x, y, width, height, as "
            "COCO has it and they are measured, none when read as x1, y1, x2, y2"
        ]
    if grow_as_corners(boxes.bboxes_xywh):
        return [
            f"{name}: the boxes look like two corners: each of the {len(boxes)} is wider than its x and higher than "
            "its y, and they grow together, as x2 and y2 do; they are measured as x, y, width, height, as COCO has it"
        ]
    outside = int(((xywh[:, :2] >= sizes_wh) | (xywh[:, :2] + xywh[:, 2:] <= 0)).any(axis=1).sum())
    return (
        [f"{name}: {counted(outside, 'box that lies', 'boxes that lie')} wholly outside of the image"]
        if outside
        else []
    )
