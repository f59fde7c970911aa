"""The ground truth and the predictions of a set of images, in columns."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from anomdet.errors import Problem, UserError

Ints: TypeAlias = NDArray[np.int64]
Floats: TypeAlias = NDArray[np.float64]
Bools: TypeAlias = NDArray[np.bool_]
Numbers: TypeAlias = NDArray[Any]  # integers or floats


@dataclass(frozen=True)
class Boxes:
    """Boxes of many images, a row each, ordered by image.

    Attributes:
        image: ``(N,)`` position in :attr:`Results.image_ids`; rising.
        label: ``(N,)`` position in :attr:`Results.class_nums`.
        bboxes_xywh: ``(N, 4)`` float64, pixels of the original image.
    """

    image: Ints
    label: Ints
    bboxes_xywh: Floats

    def __len__(self) -> int:
        return len(self.image)

    @cached_property
    def area(self) -> Floats:
        """``(N,)`` width times height."""
        return self.bboxes_xywh[:, 2] * self.bboxes_xywh[:, 3]


@dataclass(frozen=True)
class GroundTruth(Boxes):
    """Objects.

    Attributes:
        coco_area: ``(N,)`` what COCO's size ranges go by: a mask's area in some files, else the box's.
        crowd: ``(N,)`` regions of many objects, which cost and earn nothing.
    """

    coco_area: Floats
    crowd: Bools


@dataclass(frozen=True)
class Predictions(Boxes):
    """Predicted boxes; within an image by falling score, those of equal score in the order in which they came.

    Attributes:
        score: ``(N,)``.
    """

    score: Floats


@dataclass(frozen=True)
class Results:
    """What an evaluation works on.

    Attributes:
        image_ids: ``(I,)`` integers or texts, rising.
        file_names: of the images.
        sizes_hw: ``(I, 2)`` height and width in pixels; 0 where unknown.
        class_nums: ``(K,)`` the user's numbers, rising.
        class_names: as the user wrote them.
        gt: objects.
        pred: predictions.
        parts: name of the part that each image shows; None: each image is a part.
        notes: how ids of another tool were understood, a sentence each.
        gt_notes: what the ground truth says that is not gone by, a sentence each.
    """

    image_ids: NDArray[Any]
    file_names: Sequence[str]
    sizes_hw: Ints
    class_nums: Ints
    class_names: Sequence[str]
    gt: GroundTruth
    pred: Predictions
    parts: Sequence[str] | None = None
    notes: tuple[str, ...] = ()
    gt_notes: tuple[str, ...] = ()

    @property
    def num_images(self) -> int:
        return len(self.image_ids)

    @property
    def num_classes(self) -> int:
        return len(self.class_nums)

    @cached_property
    def unique_names(self) -> list[str]:
        """A name for each class; the number is added to one that several classes bear."""
        numbered = [f"{name} ({num})" for name, num in zip(self.class_names, self.class_nums.tolist(), strict=True)]
        uses = Counter(self.class_names)
        names = [name if uses[name] == 1 else long for name, long in zip(self.class_names, numbered, strict=True)]
        return names if len(set(names)) == len(names) else numbered

    @cached_property
    def part_of_image(self) -> Ints:
        """``(I,)`` the number of the part that each image shows, from 0 on."""
        if self.parts is None:
            return np.arange(self.num_images)
        result: Ints = np.unique(np.asarray(self.parts), return_inverse=True)[1].astype(np.int64)
        return result

    @property
    def num_parts(self) -> int:
        return int(self.part_of_image.max()) + 1 if self.num_images else 0


_GT_COLUMNS = ("label", "bboxes_xywh", "coco_area", "crowd")
_PRED_COLUMNS = ("label", "bboxes_xywh", "score")


def part_name(file_name: str, group_by: str) -> str:
    """The part that an image shows: the first group of the match in its name, or the whole match, or its name.

    Of alternatives the group that found something, as where the images are shared out and judged.

    >>> part_name("cam2_7.png", r"cam1_(\\d+)|cam2_(\\d+)")
    '7'
    """
    found = re.search(group_by, file_name)
    if found is None:
        return file_name
    return (next((text for text in found.groups() if text), "") if found.re.groups else found.group(0)) or file_name


def part_names(file_names: Sequence[str], group_by: str) -> list[str]:
    """The part of each image.

    Raises:
        UserError: the pattern matches no name at all.
    """
    if file_names and not any(re.search(group_by, name) for name in file_names):
        got = f"{group_by!r}, which is in none of {len(file_names)} names; the first is {file_names[0]}"
        raise UserError(Problem("data.group_by", "a regular expression that the images' names hold", got))
    return [part_name(name, group_by) for name in file_names]


def only_images(results: Results, kept: Bools) -> Results:
    """The results of some images.

    Args:
        results: of all.
        kept: ``(I,)`` which stay.
    """
    place = np.cumsum(kept) - 1
    gt_rows, pred_rows = kept[results.gt.image], kept[results.pred.image]
    gt = GroundTruth(place[results.gt.image[gt_rows]], *(getattr(results.gt, name)[gt_rows] for name in _GT_COLUMNS))
    pred = Predictions(
        place[results.pred.image[pred_rows]], *(getattr(results.pred, name)[pred_rows] for name in _PRED_COLUMNS)
    )
    ats = np.flatnonzero(kept).tolist()
    return replace(
        results,
        image_ids=results.image_ids[kept],
        file_names=[results.file_names[at] for at in ats],
        sizes_hw=results.sizes_hw[kept],
        gt=gt,
        pred=pred,
        parts=None if results.parts is None else [results.parts[at] for at in ats],
    )


def by_image(boxes: Boxes, num_images: int) -> Ints:
    """``(I + 1,)`` the row where each image begins, and the number of rows."""
    return np.searchsorted(boxes.image, np.arange(num_images + 1)).astype(np.int64)


def make_predictions(image: Ints, label: Ints, bboxes_xywh: Floats, score: Floats) -> Predictions:
    """Predictions in any order, put in the order of :class:`Predictions`."""
    order = np.lexsort((-score, image))  # stable: equal scores keep their order
    return Predictions(image[order], label[order], bboxes_xywh[order], score[order])


def make_ground_truth(
    image: Ints, label: Ints, bboxes_xywh: Floats, coco_area: Floats | None = None, crowd: Bools | None = None
) -> GroundTruth:
    """Objects in any order, ordered by image."""
    order = np.argsort(image, kind="stable")
    area = bboxes_xywh[:, 2] * bboxes_xywh[:, 3] if coco_area is None else coco_area
    crowd = np.zeros(len(image), dtype=bool) if crowd is None else crowd
    return GroundTruth(image[order], label[order], bboxes_xywh[order], area[order], crowd[order])
