"""What looks wrong in the files of another tool, though it can be measured: a sentence each."""

from __future__ import annotations

import numpy as np

from anomdet.evaluation.box_units import check_box_units
from anomdet.evaluation.doubtful_numbers import areas, no_objects, scores, unpredicted
from anomdet.evaluation.other_reading import boxes_read_otherwise, classes_read_otherwise, images_read_otherwise
from anomdet.evaluation.repeated import repeated
from anomdet.evaluation.results import Results
from anomdet.words import counted


def file_doubts(results: Results, gt_file: str, predictions_file: str) -> list[str]:
    """A sentence for each doubt about a COCO data set and its predictions.

    Args:
        results: as the files were read.
        gt_file, predictions_file: their names, for messages.

    Raises:
        UserError: boxes are fractions of the image's size.
    """
    units = check_box_units(results, gt_file, predictions_file)
    read_otherwise = [
        *boxes_read_otherwise(results, gt_file, predictions_file),
        *(images_read_otherwise(results, predictions_file) or classes_read_otherwise(results, predictions_file)),
    ]
    if any("look like two corners" in note for note in units):
        read_otherwise = []
    of_truth = (*results.gt_notes, *areas(results), *no_objects(results))
    return [
        *units,
        *read_otherwise,
        *_crowds(results, gt_file),
        *(f"{gt_file}: {note}" for note in of_truth),
        *(f"{predictions_file}: {note}" for note in (*scores(results), *unpredicted(results))),
        *repeated(results, gt_file, predictions_file),
    ]


def _crowds(results: Results, gt_file: str) -> list[str]:
    """Regions of many objects are not measured, as COCO has it; an image of nothing else passes for a good part."""
    gt = results.gt
    if not gt.crowd.any():
        return []
    only = len(np.setdiff1d(gt.image[gt.crowd], gt.image[~gt.crowd]))
    crowds = counted(int(gt.crowd.sum()), "object is marked", "objects are marked")
    images = counted(only, "image that holds nothing else counts", "images that hold nothing else count")
    as_good = f"{images} as good; " if only else ""
    return [
        f"{gt_file}: {crowds} as a region of many (iscrowd: 1) and not measured, as COCO has it; {as_good}"
        "tools that export masks often set this mark: set it to 0 where the box is around one object"
    ]
