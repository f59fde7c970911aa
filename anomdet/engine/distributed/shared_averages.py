"""Losses averaged over all processes, where MMDetection averages over a process's own targets.

DDP averages the gradients of the processes with equal weights. With a loss that is divided by the positives of its own
process, a process with few of them counts as much as one with many: two processes of one image each train otherwise
than one process of two (RetinaNet's first gradients differ by 74 %). ATSS, FCOS, RTMDet, YOLOX and DINO divide by the
mean over the processes already; the heads below are taught to.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn


def share_averages(model: nn.Module) -> list[str]:
    """Let every head of a model divide by the mean of all processes; every process must call it.

    Returns:
        The names of the heads that were changed.
    """
    from mmdet.models.dense_heads.anchor_head import AnchorHead  # here, since mmcv's operators must be there first
    from mmdet.models.roi_heads.bbox_heads import BBoxHead

    changed = []
    for name, module in model.named_modules():
        if isinstance(module, AnchorHead) and "reduce_mean" not in type(module).loss_by_feat.__code__.co_names:
            module.get_targets = _with_shared_factor(module.get_targets)
            changed.append(name)
        elif isinstance(module, BBoxHead):
            module.loss = _rescaled(module.loss)
            changed.append(name)
    return changed


def _with_shared_factor(get_targets: Callable[..., tuple]) -> Callable[..., tuple]:
    @wraps(get_targets)
    def shared(*args: Any, **kwargs: Any) -> tuple:
        labels, label_weights, bbox_targets, bbox_weights, avg_factor, *rest = get_targets(*args, **kwargs)
        mean = _mean([float(avg_factor)], label_weights[0].device)
        return labels, label_weights, bbox_targets, bbox_weights, float(mean[0]), *rest

    return shared


def _rescaled(loss: Callable[..., dict]) -> Callable[..., dict]:
    """A second stage divides inside of ``loss``: what comes out is set right, so that no process waits for one without
    positives, which computes no box loss."""

    @wraps(loss)
    def shared(
        cls_score: Tensor | None,
        bbox_pred: Tensor | None,
        rois: Tensor,
        labels: Tensor,
        label_weights: Tensor,
        bbox_targets: Tensor,
        *args: Any,
        **kwargs: Any,
    ) -> dict:
        losses = loss(cls_score, bbox_pred, rois, labels, label_weights, bbox_targets, *args, **kwargs)
        own = [max(float((label_weights > 0).sum()), 1.0), max(float(bbox_targets.size(0)), 1.0)]
        mean = _mean(own, label_weights.device)
        for number, word in enumerate(("loss_cls", "loss_bbox")):
            if word in losses:
                losses[word] = losses[word] * (own[number] / mean[number].clamp(min=1e-12))
        return losses

    return shared


def _mean(values: list[float], device: torch.device) -> Tensor:
    """Of each value over the processes."""
    mean = torch.tensor(values, dtype=torch.float32, device=device)
    if not dist.is_initialized():  # the validation's loss is each process's own
        return mean
    dist.all_reduce(mean)
    return mean / dist.get_world_size()
