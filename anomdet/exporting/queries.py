"""DINO and its kin up to their rows; traced at one size, since their positions are computed outside of tensors."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from anomdet.exporting.candidates import Candidates


def is_query_based(model: Any) -> bool:
    """Whether a model is one of those that :class:`Queries` stands for."""
    from mmdet.models.dense_heads import DINOHead
    from mmdet.models.detectors import DINO

    return type(model) is DINO and type(model.bbox_head) is DINOHead


class Queries(nn.Module):
    """Rows that need no suppression; only images that fill the traced size are right."""

    iou_threshold: float | None = None
    per_class_boxes = 1
    floor = 0.0

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model
        self.max_kept = int(model.test_cfg.get("max_per_img", model.num_queries))

    def forward(self, inputs: Tensor, sizes_hw: Tensor) -> Candidates:
        """See :class:`anomdet.exporting.candidates.Finder`."""
        from mmdet.structures import DetDataSample

        height, width = int(inputs.shape[2]), int(inputs.shape[3])
        shape = {"img_shape": (height, width), "batch_input_shape": (height, width)}
        samples = [DetDataSample(metainfo=shape) for _ in range(int(inputs.shape[0]))]
        found = self.model.forward_transformer(self.model.extract_feat(inputs), samples)
        logits, boxes = self.model.bbox_head(found["hidden_states"], found["references"])
        scores, center, size = logits[-1].sigmoid(), boxes[-1][..., :2], boxes[-1][..., 2:]
        corners = torch.cat([center - size * 0.5, center + size * 0.5], dim=-1)
        limits = sizes_hw.to(corners.dtype)[:, [1, 0, 1, 0]][:, None, :]
        corners = torch.minimum((corners * limits).clamp(min=0.0), limits)
        return Candidates(corners, scores.transpose(1, 2))
