"""Numbers in the files of another tool that are allowed, but make what is measured of them another thing."""

from __future__ import annotations

import numpy as np

from anomdet.evaluation.results import Results
from anomdet.words import counted

_LEAST_LOW_SCORE = 0.1  # detectors are cut at 0.05 and lower where they are to be measured
_LEAST = 20  # predictions, to say something of their scores
_MANY, _FEW = 5, 3  # predictions of an image; images


def areas(results: Results) -> list[str]:
    """Of objects that cannot have the area that the file says."""
    gt = results.gt
    is_wrong = ((gt.coco_area < 1) & (gt.area >= 4)) | (gt.coco_area > 1.5 * gt.area + 4)
    count = int((is_wrong & ~gt.crowd).sum())
    if not count:
        return []
    of = counted(len(gt), "object", "objects")
    return [
        f"area does not fit the box of {count} of {of} (below a pixel, or half as large again): the numbers of small, "
        "medium and large objects go by it, as COCO has it; without area they go by the box"
    ]


def no_objects(results: Results) -> list[str]:
    """None at all."""
    if (~results.gt.crowd).any():
        return []
    return ["no image has an object: mAP, recall and escapes have no value; are the annotations in another file?"]


def scores(results: Results) -> list[str]:
    """Of predictions that were cut, or have none of their own."""
    score = results.pred.score
    if len(score) < _LEAST:
        return []
    lowest = float(score.min())
    if lowest == float(score.max()):
        return [
            f"all {len(score)} predictions have the score {lowest:g}: their order in the file decides about mAP, and "
            "no threshold can be chosen; write how sure the detector is of each"
        ]
    if lowest < _LEAST_LOW_SCORE:
        return []
    return [
        f"no score is below {lowest:.3g}: were the weaker predictions left out? They count as missed, so that mAP is "
        "lower than the detector's, and no lower threshold can be chosen; save them from 0.001 on"
    ]


def unpredicted(results: Results) -> list[str]:
    """Images without a prediction, where nearly all others have many and no fewer of these have an object."""
    gt, counts = results.gt, np.bincount(results.pred.image, minlength=results.num_images)
    some, none = counts[counts > 0], counts == 0
    if len(some) < _FEW or np.quantile(some, 0.05) < _MANY:
        return []
    defective = np.bincount(gt.image[~gt.crowd], minlength=results.num_images) > 0
    if (defective & none).sum() < _FEW or defective[none].mean() < defective.mean() / 2:
        return []
    images = counted(int(none.sum()), "image has", "images have")
    return [
        f"{images} no prediction at any score, the other {len(some)} have {np.median(some):.0f} each: was every image "
        "predicted? In one that was not all objects count as missed, and a good part as passed"
    ]
