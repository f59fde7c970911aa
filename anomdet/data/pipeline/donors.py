"""Which labelled defects of a training split can be shown in another image, and where their class is seen."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import takewhile
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anomdet.data.contracts import LendsImages
from anomdet.data.draw import Draw
from anomdet.data.pipeline.steps import FitInside
from anomdet.data.pipeline.tile_steps import CutTile
from anomdet.errors import Problem, UserError

_LABELS_STEP = "LoadAnnotations"
_NONE = (np.zeros(0), np.zeros(0), np.zeros((0, 2)), np.zeros(0))


@dataclass(frozen=True)
class Donors:
    """All M objects of a training split; 20 bytes an object.

    Args:
        images: ``(M,)`` position of the image in the split, see :meth:`TextLabelDataset.image_info`.
        rows: ``(M,)`` which of the image's objects.
        centers: ``(M, 2)`` x and y, as shares of the image's width and height.
        of_class: label to its objects, ``(K,)``; classes without any are left out.
    """

    images: NDArray[np.int32]
    rows: NDArray[np.int32]
    centers: NDArray[np.float32]
    of_class: dict[int, NDArray[np.int64]]

    @classmethod
    def of(cls, dataset: LendsImages) -> Donors:
        """Of a data set, whose items may be tiles: of its whole images."""
        parts: list[tuple[NDArray, ...]] = []
        for at in _with_objects(dataset).tolist():
            info = dataset.image_info(at)
            rows = np.flatnonzero([not one["ignore_flag"] for one in info["instances"]])
            boxes = np.array([info["instances"][row]["bbox"] for row in rows], np.float32).reshape(-1, 4)
            size_wh = np.array([info["width"], info["height"]], np.float32)
            labels = np.array([info["instances"][row]["bbox_label"] for row in rows], np.int32)
            parts.append((np.full(len(rows), at), rows, (boxes[:, :2] + boxes[:, 2:]) / 2 / size_wh, labels))
        images, held, centers, classes = (np.concatenate(one) for one in zip(*parts, _NONE, strict=True))
        of_class = {int(label): np.flatnonzero(classes == label) for label in np.unique(classes)}
        return cls(images.astype(np.int32), held.astype(np.int32), centers.astype(np.float32), of_class)


def _with_objects(dataset: LendsImages) -> NDArray[np.int64]:
    """Images that are not normal; all images where the items are tiles of them, since tiles are what is counted."""
    if len(dataset) != dataset.num_images:
        return np.arange(dataset.num_images)
    return np.flatnonzero(dataset.image_class_counts.any(axis=1))


def dataset_of(results: dict[str, Any], step: object) -> LendsImages:
    """The data set that an image is from, which AnomDet's gives to the steps with ``mixes_images``.

    Raises:
        UserError: it is someone else's, or wrapped in MultiImageMixDataset.
    """
    if "dataset" not in results:
        hint = "put the step into the pipeline of anomdet.TextLabelDataset, or of a data set derived from it"
        raise UserError(Problem(type(step).__name__, "a data set that shows its other images", "none", hint))
    found: LendsImages = results["dataset"]
    return found


def load_item(dataset: LendsImages, draw: Draw) -> dict[str, Any]:
    """An image or tile of the split as the pipeline reads it, with its boxes, without any augmentation.

    It is fitted where that is the pipeline's next step: a large image may have been kept so.
    """
    results, steps = dataset.get_data_info(draw), dataset.pipeline.transforms
    after = next((at for at, step in enumerate(steps, 1) if type(step).__name__ == _LABELS_STEP), len(steps))
    for step in (*steps[:after], *takewhile(lambda step: isinstance(step, FitInside), steps[after:])):
        results = step(results)
    return results


def load_whole(dataset: LendsImages, at: int) -> dict[str, Any]:
    """A whole image of the split as the pipeline reads it: its record and ``img``, without any augmentation.

    Where the items are tiles, the pixels may be those that are kept for them, which are read-only.
    """
    results = dataset.image_info(at)
    if dataset.tile_index is None:
        results["as_stored"] = True  # not as a FitInside before the caller would make it
    else:
        results["window"] = np.array([0, 0, results["width"], results["height"]])
    steps = takewhile(lambda step: type(step).__name__ != _LABELS_STEP, dataset.pipeline.transforms)
    for step in steps:
        if not isinstance(step, CutTile):
            results = step(results)
    return results
