"""The candidates of dense heads (RTMDet, RetinaNet, FCOS, ATSS, YOLOX), with nothing but tensor operations."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from anomdet.exporting import decoding
from anomdet.exporting.candidates import Candidates

_ALL = 2**31 - 1
_FEW = 5_000  # a head that keeps more candidates of a level keeps all that matter


class OneStage(nn.Module):
    """A dense head."""

    per_class_boxes = 1
    takes_one_size, takes_one_image = False, False

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model, self.head = model, model.bbox_head
        cfg = self.head.test_cfg
        self.iou_threshold: float | None = float(cfg.nms["iou_threshold"])
        self.floor = float(cfg.get("score_thr", 0.0))
        self._best = int(cfg.get("nms_pre", -1))
        self._is_yolox = hasattr(self.head, "multi_level_conv_obj")
        self.max_kept = _ALL if self._is_yolox else int(cfg.get("max_per_img", 0)) or _ALL  # YOLOX keeps all
        self._by_distance = hasattr(self.head.prior_generator, "offset")

    def forward(self, inputs: Tensor, sizes_hw: Tensor) -> Candidates:
        """See :class:`anomdet.exporting.candidates.Finder`."""
        outputs = self.head(self.model.extract_feat(inputs))
        levels = [self._level(at, *maps) for at, maps in enumerate(zip(*outputs, strict=True))]
        boxes = decoding.clip(torch.cat([boxes for boxes, _ in levels], dim=1), sizes_hw)
        scores = torch.cat([scores for _, scores in levels], dim=1)
        if self._is_yolox:
            boxes = torch.cat([boxes for boxes, _ in levels], dim=1)
        scores = scores * decoding.has_size(boxes)[..., None].to(scores.dtype)
        return Candidates(boxes, scores.transpose(1, 2))

    def _level(
        self, at: int, logits: Tensor, regression: Tensor, factor: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        scores = decoding.flat(logits, self.head.cls_out_channels).sigmoid()
        values = decoding.flat(regression, 4)
        if self._is_yolox:
            assert factor is not None
            best = scores.max(dim=-1, keepdim=True).values  # one class for each point
            scores = torch.where(scores >= best, scores, torch.zeros_like(scores))
            return self._yolox(at, logits, values), scores * decoding.flat(factor, 1).sigmoid()
        scores = torch.where(scores > self.floor, scores, torch.zeros_like(scores))
        if 0 < self._best <= _FEW:
            scores = decoding.best_only(scores, self._best)
        if factor is not None:
            scores = scores * decoding.flat(factor, 1).sigmoid()
        return self._boxes(at, logits, values), scores

    def _boxes(self, at: int, logits: Tensor, values: Tensor) -> Tensor:
        generator = self.head.prior_generator
        if not self._by_distance:
            return decoding.from_deltas(
                decoding.anchors_xyxy(logits, generator, at)[None], values, self.head.bbox_coder
            )
        points = decoding.grid_xy(logits, generator.strides[at], generator.offset)
        return decoding.from_distances(points, values)

    def _yolox(self, at: int, logits: Tensor, values: Tensor) -> Tensor:
        generator = self.head.prior_generator
        stride = generator.strides[at]
        points = decoding.grid_xy(logits, stride, generator.offset)
        scale = torch.tensor([float(stride[0]), float(stride[1])], device=values.device)
        center, half = values[..., :2] * scale + points, values[..., 2:].exp() * scale * 0.5
        return torch.cat([center - half, center + half], dim=-1)
