"""A user's own detector (``model.custom_model_file``): whatever it returns are the detections."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from anomdet.exporting.candidates import Candidates

_ALL = 2**31 - 1


class OwnModel(nn.Module):
    """A detector with torchvision's interface, traced for one image at a time; it suppresses by itself.

    What its Python code decides by the values of an image is fixed in the graph; the comparison finds that.
    """

    iou_threshold: float | None = None
    per_class_boxes = 1
    floor = 0.0
    max_kept = _ALL
    takes_one_size, takes_one_image = False, True

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model, self.num_classes = model.model, int(model.num_classes)

    def forward(self, inputs: Tensor, sizes_hw: Tensor) -> Candidates:
        """See :class:`anomdet.exporting.candidates.Finder`."""
        found = self.model([inputs[0, :, : sizes_hw[0, 0], : sizes_hw[0, 1]]])[0]
        labels = torch.arange(1, self.num_classes + 1, device=inputs.device)
        own = (found["labels"][None, :] == labels[:, None]).to(torch.float32)
        return Candidates(found["boxes"].float()[None], (own * found["scores"].float()[None, :])[None])
