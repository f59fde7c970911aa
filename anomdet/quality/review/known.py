"""What an earlier review says about labels as they are now: how many are probably wrong, and in which images."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from anomdet.boxes import pairwise_iou, xywh_to_xyxy
from anomdet.documents.review_kinds import LabelBox, ReviewDocument, SuspectedError
from anomdet.evaluation.results import Floats, Ints

LIKELY = 0.5
"""Probability from which a suspected error is more likely one than not."""
_SAME_PX = 0.02  # review.json holds coordinates to three decimals
_SAME_OBJECT_IOU = 0.5


@dataclass(frozen=True)
class KnownSuspects:
    """Of the images that were reviewed and are asked for.

    Args:
        num_images: these.
        num_labels: their labels as they are now.
        expected_errors: the sum of the probabilities.
        num_likely: suspects with a probability of at least ``LIKELY``.
        images: names of the images with one of these, in order.
        num_unknown: suspects without a probability, which count for nothing here.
        num_outdated: suspects that no longer fit the labels, as after a correction; neither do these count.
    """

    num_images: int
    num_labels: int
    expected_errors: float
    num_likely: int
    images: tuple[str, ...]
    num_unknown: int
    num_outdated: int

    @property
    def share(self) -> float | None:
        """Wrong labels to expect for each label; None without labels."""
        return self.expected_errors / self.num_labels if self.num_labels else None


def known_suspects(
    document: ReviewDocument, names: Sequence[str], image: Ints, class_nums: Ints, bboxes_xywh: Floats
) -> KnownSuspects:
    """What a review says about some images.

    Args:
        document: review.json.
        names: of the images, relative to images/.
        image: ``(N,)`` position in ``names`` of the image of each label.
        class_nums: ``(N,)``.
        bboxes_xywh: ``(N, 4)`` corner and size, pixels.
    """
    reviewed = set(document["images"])
    rows_of = _rows_by_name(names, image)
    here = [name for name in names if name in reviewed]
    known, here_too = [], set(here)
    num_unknown = num_outdated = 0
    for suspect in document["suspects"]:
        if suspect["image"] not in here_too:
            continue
        rows = rows_of.get(suspect["image"], np.zeros(0, np.int64))
        if suspect["probability"] is None:
            num_unknown += 1
        elif _fits(suspect, class_nums[rows], bboxes_xywh[rows]):
            known.append((suspect["image"], suspect["probability"]))
        else:
            num_outdated += 1
    likely = [name for name, probability in known if probability >= LIKELY]
    return KnownSuspects(
        num_images=len(here),
        num_labels=sum(len(rows_of.get(name, ())) for name in here),
        expected_errors=float(sum(probability for _, probability in known)),
        num_likely=len(likely),
        images=tuple(sorted(set(likely))),
        num_unknown=num_unknown,
        num_outdated=num_outdated,
    )


def _rows_by_name(names: Sequence[str], image: Ints) -> Mapping[str, Ints]:
    rows: dict[str, list[int]] = defaultdict(list)
    for row, at in enumerate(image.tolist()):
        rows[names[at]].append(row)
    return {name: np.array(mine, dtype=np.int64) for name, mine in rows.items()}


def _fits(suspect: SuspectedError, class_nums: Ints, bboxes_xywh: Floats) -> bool:
    """The labels to remove are there, and of a missing label there is still none on its place."""
    if not all(_has(box, class_nums, bboxes_xywh) for box in suspect["remove"]):
        return False
    if suspect["remove"] or not len(bboxes_xywh):
        return True
    added = np.array([box["bbox_xywh"] for box in suspect["add"]], dtype=np.float64).reshape(-1, 4)
    return not (pairwise_iou(xywh_to_xyxy(added), xywh_to_xyxy(bboxes_xywh)) >= _SAME_OBJECT_IOU).any()


def _has(box: LabelBox, class_nums: Ints, bboxes_xywh: Floats) -> bool:
    near = (np.abs(bboxes_xywh - np.array(box["bbox_xywh"])) <= _SAME_PX).all(axis=1)
    return bool((near & (class_nums == box["class_num"])).any())
