"""DINO and Deformable DETR up to their candidates: a set of queries, each with a box, and no suppression."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from anomdet.exporting.candidates import Candidates


class Queries(nn.Module):
    """A transformer's decoder, traced for one image of one size that fills it.

    Positions, level sizes and reference points become constants of the graph: at another size it would run and be
    wrong, so that :func:`anomdet.inference.backends.rows.check_size` lets none in.
    """

    iou_threshold: float | None = None
    per_class_boxes = 1
    floor = 0.0
    takes_one_size, takes_one_image = True, True

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model
        self.max_kept = int(model.bbox_head.test_cfg.get("max_per_img", model.num_queries))

    def forward(self, inputs: Tensor, sizes_hw: Tensor) -> Candidates:
        """See :class:`anomdet.exporting.candidates.Finder`."""
        from mmdet.structures import DetDataSample

        size_hw = (int(inputs.shape[2]), int(inputs.shape[3]))
        samples = [DetDataSample(metainfo={"batch_input_shape": size_hw, "img_shape": size_hw}) for _ in inputs]
        outputs = self.model.forward_transformer(self.model.extract_feat(inputs), samples)
        logits, centered = self.model.bbox_head(outputs["hidden_states"], outputs["references"])
        center, half = centered[-1][..., :2], centered[-1][..., 2:] * 0.5
        limits = inputs.new_tensor([size_hw[1], size_hw[0]] * 2)
        boxes = torch.cat([center - half, center + half], dim=-1) * limits
        return Candidates(boxes.clamp(min=0.0).minimum(limits), logits[-1].sigmoid().transpose(1, 2))


def is_set_of_queries(model: Any) -> bool:
    """Whether a model is one of those that :class:`Queries` stands for."""
    from mmdet.models.dense_heads import DeformableDETRHead, DINOHead
    from mmdet.models.detectors import DINO, DeformableDETR

    head: Any = getattr(model, "bbox_head", None)
    known = (type(model), type(head)) in ((DINO, DINOHead), (DeformableDETR, DeformableDETRHead))
    return known and bool(head.loss_cls.use_sigmoid)
