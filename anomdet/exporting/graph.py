"""The whole decision of a network as one module: pixels and sizes in, the rows of all detections out."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from anomdet.exporting.candidates import Candidates
from anomdet.exporting.decoding import best_first
from anomdet.exporting.finders import finder_of
from anomdet.exporting.suppression import suppress
from anomdet.inference.artifact import Preprocessing
from anomdet.models.efficientnet_lite import TOTAL_STRIDE, ConvNorm

INPUTS = ("images", "sizes", "threshold")
OUTPUTS = ("boxes", "scores", "labels", "image")
OUTPUTS_BEFORE_NMS = ("boxes", "scores")


class Graph(nn.Module):
    """What is exported.

    Inputs: ``images`` uint8 ``(N, H, W, 3)`` BGR, H and W multiples of the padding; ``sizes`` int64 ``(N, 2)``, height
    and width of the valid part; ``threshold`` float32 ``()``: scores above it are reported.

    Outputs, one row a detection: ``boxes`` float32 ``(K, 4)`` xyxy in pixels of the network, ``scores`` float32
    ``(K,)``, ``labels`` int64 ``(K,)`` positions in the order of the classes, ``image`` int64 ``(K,)``. Without
    suppression: ``boxes`` ``(N, P, 4)`` and ``scores`` ``(N, C, P)``.

    Args:
        model: MMDetection's, with its weights, for evaluation.
        preprocessing: of the artifact.
        where: for messages.
        with_nms: end after the suppression.
    """

    def __init__(self, model: Any, preprocessing: Preprocessing, where: str, *, with_nms: bool = True) -> None:
        super().__init__()
        self.finder: Any = finder_of(model, where)
        self.with_nms = with_nms
        self.pad_value = preprocessing.pad_value
        self.flip = preprocessing.channel_order == "rgb"
        mean, std = preprocessing.mean or (0.0, 0.0, 0.0), preprocessing.std or (1.0, 1.0, 1.0)
        for module in model.modules():
            if isinstance(module, ConvNorm):
                module.sides_are_even = preprocessing.pad_multiple % TOTAL_STRIDE == 0
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(std, dtype=torch.float32).view(1, 3, 1, 1))

    @property
    def is_fixed(self) -> bool:
        """Whether it is right at the traced size only."""
        return bool(self.finder.takes_one_size)

    def forward(self, images: Tensor, sizes: Tensor, threshold: Tensor | None = None) -> tuple[Tensor, ...]:
        """The rows of all images."""
        boxes, scores = self.finder(self.normalised(images, sizes), sizes)
        if not self.with_nms:
            return self.as_one_set(boxes, scores)
        assert threshold is not None
        if self.finder.iou_threshold is None:
            return self._best_rows(Candidates(boxes, scores), threshold)
        found = suppress(boxes, scores, threshold, self.finder.iou_threshold, self.finder.max_kept)
        image, label, row = found[:, 0], found[:, 1], found[:, 2]
        values = scores[image, label, row]
        if self.finder.per_class_boxes > 1:
            label = image % self.finder.per_class_boxes
            image_of = torch.div(image, self.finder.per_class_boxes, rounding_mode="floor")
            return boxes[image, row], values, label, image_of
        return boxes[image, row], values, label, image

    def normalised(self, images: Tensor, sizes: Tensor) -> Tensor:
        """``(N, 3, H, W)`` float32; the padding is set after the normalisation, as in training."""
        rows = torch.arange(images.shape[1], device=images.device)[None, :] < sizes[:, :1]
        columns = torch.arange(images.shape[2], device=images.device)[None, :] < sizes[:, 1:]
        inputs = images.permute(0, 3, 1, 2)
        if self.flip:
            inputs = inputs.flip(1)
        inputs = (inputs.to(torch.float32) - self.mean) / self.std
        if self.pad_value == 0:  # by products, in less time than by a choice
            return inputs * rows[:, None, :, None].to(torch.float32) * columns[:, None, None, :].to(torch.float32)
        inside = rows[:, None, :, None] & columns[:, None, None, :]
        return torch.where(inside, inputs, torch.full_like(inputs, self.pad_value))

    def as_one_set(self, boxes: Tensor, scores: Tensor) -> tuple[Tensor, Tensor]:
        """Where each class has its own box, one row for each: a class scores only on its own rows."""
        classes = self.finder.per_class_boxes
        if classes == 1:
            return boxes, scores
        count = boxes.shape[1]
        own = scores.reshape(-1, classes, count)
        spread = own[:, :, None, :] * torch.eye(classes, device=scores.device)[None, :, :, None]
        return boxes.reshape(-1, classes * count, 4), spread.reshape(-1, classes, classes * count)

    def _best_rows(self, found: Candidates, threshold: Tensor) -> tuple[Tensor, ...]:
        """Of each image the best ``max_kept`` pairs of query and class above the threshold."""
        every = found.scores.transpose(1, 2).reshape(found.scores.shape[0], -1)
        classes = found.scores.shape[1]
        best, indices = best_first(every, self.finder.max_kept)
        kept = (best > threshold).nonzero()
        image, place = kept[:, 0], kept[:, 1]
        chosen = indices[image, place]
        row = torch.div(chosen, classes, rounding_mode="floor")
        return found.boxes[image, row], best[image, place], chosen % classes, image
