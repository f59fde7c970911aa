"""Faster and Cascade R-CNN up to their candidates, with a fixed number of proposals and masks instead of selections."""

from __future__ import annotations

from typing import Any

import torch
import torchvision
from torch import Tensor, nn

from anomdet.exporting import decoding
from anomdet.exporting.candidates import Candidates
from anomdet.exporting.suppression import suppress
from anomdet.ops.proposals import rank

_ALL = 2**31 - 1


def is_two_stage(model: Any) -> bool:
    """Whether a model is one of those that :class:`TwoStage` stands for."""
    from mmdet.models.dense_heads import RPNHead
    from mmdet.models.roi_heads import CascadeRoIHead, StandardRoIHead
    from mmdet.models.roi_heads.roi_extractors import SingleRoIExtractor

    head: Any = getattr(model, "roi_head", None)
    if type(head) not in (StandardRoIHead, CascadeRoIHead) or type(model.rpn_head) is not RPNHead:
        return False
    extractors = (
        head.bbox_roi_extractor if isinstance(head.bbox_roi_extractor, nn.ModuleList) else [head.bbox_roi_extractor]
    )
    return all(type(one) is SingleRoIExtractor for one in extractors) and not head.with_mask


class TwoStage(nn.Module):
    """Proposals, then one or several heads on what is under them."""

    takes_one_size, takes_one_image = False, False

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model
        head, cfg = model.roi_head, model.roi_head.test_cfg
        several = isinstance(head.bbox_head, nn.ModuleList)
        self.heads = list(head.bbox_head) if several else [head.bbox_head]
        self.extractors = list(head.bbox_roi_extractor) if several else [head.bbox_roi_extractor]
        self.iou_threshold: float | None = float(cfg.nms["iou_threshold"])
        self.max_kept = int(cfg.max_per_img)
        self.floor = float(cfg.score_thr)
        last = self.heads[-1]
        self.per_class_boxes = 1 if last.reg_class_agnostic else int(last.num_classes)

    def forward(self, inputs: Tensor, sizes_hw: Tensor) -> Candidates:
        """See :class:`anomdet.exporting.candidates.Finder`."""
        features = self.model.extract_feat(inputs)
        rois, is_real = self._proposals(features, sizes_hw)
        logits: list[Tensor] = []
        for stage, (head, extractor) in enumerate(zip(self.heads, self.extractors, strict=True)):
            scores, deltas = head(_pooled(features, rois, extractor))
            logits.append(scores.reshape(rois.shape[0], rois.shape[1], -1))
            deltas = deltas.reshape(rois.shape[0], rois.shape[1], -1, 4)
            boxes = decoding.from_deltas(rois[:, :, None, :], deltas, head.bbox_coder)
            boxes = decoding.clip(boxes, sizes_hw)
            if stage + 1 < len(self.heads):
                rois = _refined(boxes, logits[-1])
        mean = torch.stack(logits).sum(dim=0) / float(len(logits))
        scores = mean.softmax(dim=-1)[..., :-1] * is_real[..., None]
        return _as_candidates(boxes, scores)

    def _proposals(self, features: tuple[Tensor, ...], sizes_hw: Tensor) -> tuple[Tensor, Tensor]:
        """``(N, R, 4)`` boxes, the best first, and ``(N, R)`` 1 for a proposal, 0 for what only fills up."""
        head, cfg = self.model.rpn_head, self.model.rpn_head.test_cfg
        boxes, scores, levels = [], [], []
        for at, (logits, deltas) in enumerate(zip(*head(features), strict=True)):
            values, indices = decoding.best_first(rank(decoding.flat(logits, 1)[..., 0]), int(cfg.nms_pre))
            chosen = indices[..., None].expand(-1, -1, 4)
            anchors = decoding.anchors_xyxy(logits, head.prior_generator, at)[indices]
            boxes.append(decoding.from_deltas(anchors, decoding.flat(deltas, 4).gather(1, chosen), head.bbox_coder))
            scores.append(values)
            levels.append(torch.full_like(values, float(at)))
        every, score = decoding.clip(torch.cat(boxes, dim=1), sizes_hw), torch.cat(scores, dim=1)
        score = score * decoding.has_size(every).to(score.dtype)
        return _kept(every, score, torch.cat(levels, dim=1), len(boxes), cfg)


def _kept(boxes: Tensor, scores: Tensor, levels: Tensor, num_levels: int, cfg: Any) -> tuple[Tensor, Tensor]:
    """The proposals that survive suppression within their level, the best ``max_per_img``."""
    at = torch.arange(num_levels, device=levels.device, dtype=levels.dtype)
    apart = scores[:, None, :] * (levels[:, None, :] == at[None, :, None]).to(scores.dtype)
    zero = torch.zeros((), device=scores.device)
    found = suppress(boxes, apart, zero, float(cfg.nms["iou_threshold"]), _ALL)
    flat = found[:, 0] * scores.shape[1] + found[:, 2]
    marks = torch.zeros_like(scores).reshape(-1).scatter(0, flat, torch.ones_like(flat).to(scores.dtype))
    scores = scores * marks.reshape(scores.shape)
    values, indices = decoding.best_first(scores, int(cfg.max_per_img))
    rois = boxes.gather(1, indices[..., None].expand(-1, -1, 4))
    return rois, (values > 0).to(scores.dtype)


def _pooled(features: tuple[Tensor, ...], rois: Tensor, extractor: Any) -> Tensor:
    """``(N * R, C, h, w)``: each box pooled from the level that its size says.

    All boxes are pooled at all levels, those of another level as one pixel that is left out: a box without area gives
    NaN in some runtimes.
    """
    num, count = rois.shape[0], rois.shape[1]
    image = torch.arange(num, device=rois.device, dtype=rois.dtype)[:, None, None].expand(-1, count, 1).reshape(-1, 1)
    flat = rois.reshape(-1, 4)
    side = ((flat[:, 2] - flat[:, 0]) * (flat[:, 3] - flat[:, 1])).clamp(min=0).sqrt()
    level = torch.floor(torch.log2(side / extractor.finest_scale + 1e-6)).clamp(0, extractor.num_inputs - 1)
    has_area = decoding.has_size(flat)
    pixel = torch.tensor([0.0, 0.0, 1.0, 1.0], device=rois.device)
    total = None
    for at in range(extractor.num_inputs):
        layer = extractor.roi_layers[at]
        mine = ((level == at) & has_area)[:, None]
        boxes = torch.cat([image, torch.where(mine, flat, pixel[None])], dim=1)
        found = torchvision.ops.roi_align(
            features[at], boxes, layer.output_size, layer.spatial_scale, layer.sampling_ratio, layer.aligned
        )
        found = torch.where(mine[:, :, None, None], found, torch.zeros_like(found))
        total = found if total is None else total + found
    assert total is not None
    return total


def _refined(boxes: Tensor, logits: Tensor) -> Tensor:
    """The boxes ``(N, R, 4)`` of the class that a stage found: what the next stage looks at."""
    if boxes.shape[2] == 1:
        return boxes[:, :, 0]
    label = logits[..., :-1].argmax(dim=-1)
    return boxes.gather(2, label[..., None, None].expand(-1, -1, 1, 4))[:, :, 0]


def _as_candidates(boxes: Tensor, scores: Tensor) -> Candidates:
    """Boxes ``(N, R, K, 4)``, K 1 or the number of classes, and scores ``(N, R, C)``."""
    if boxes.shape[2] == 1:
        boxes = boxes[:, :, 0]
        scores = scores * decoding.has_size(boxes)[..., None].to(scores.dtype)
        return Candidates(boxes, scores.transpose(1, 2))
    scores = scores * decoding.has_size(boxes).to(scores.dtype)
    classes = boxes.shape[2]
    return (
        Candidates(
            boxes.transpose(1, 2).reshape(-1, boxes.shape[1], 4), scores.transpose(1, 2).reshape(-1, 1, scores.shape[1])
        )
        if classes > 1
        else Candidates(boxes[:, :, 0], scores.transpose(1, 2))
    )
