"""What a network finds before suppression: the same for every kind of detector."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from torch import Tensor


class Candidates(NamedTuple):
    """Before suppression.

    Args:
        boxes: ``(N, P, 4)`` xyxy in pixels of the network.
        scores: ``(N, C, P)``; 0 where there is nothing.
    """

    boxes: Tensor
    scores: Tensor


class Finder(Protocol):
    """A network up to its candidates.

    Attributes:
        iou_threshold: of the suppression; None: the network needs none.
        max_kept: of an image.
        floor: no score at or below it is reported.
        per_class_boxes: classes that have a box each: the images of ``boxes`` are image x class.
        takes_one_size: right at the traced size only.
        takes_one_image: at a time.
    """

    iou_threshold: float | None
    max_kept: int
    floor: float
    per_class_boxes: int
    takes_one_size: bool
    takes_one_image: bool

    def __call__(self, inputs: Tensor, sizes_hw: Tensor) -> Candidates:
        """Normalised images ``(N, 3, H, W)`` and their valid sizes ``(N, 2)`` to candidates."""
