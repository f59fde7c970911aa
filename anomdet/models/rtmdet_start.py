"""RTMDet with a quick start: a head whose first boxes have a size, and enough positives from the first step on.

RTMDet predicts the distances from a cell to the sides of its box; they begin near zero. Its soft labels are the
overlaps of these boxes with the objects, and the number of positive cells follows them: at first every object has one,
with a label and a weight of its box loss near zero. That costs the first hundreds of steps; a short run has few more.
"""

from __future__ import annotations

from typing import Any

import torch
from mmdet.models.dense_heads import RTMDetSepBNHead
from mmdet.models.task_modules.assigners import DynamicSoftLabelAssigner
from torch import Tensor, nn

from anomdet.registry import MODELS, TASK_UTILS


@MODELS.register_module()
class QuickStartRTMDetHead(RTMDetSepBNHead):
    """RTMDet's head with separate norms; before training each cell predicts a square around its centre.

    Args:
        *args, **kwargs: of RTMDetSepBNHead.
        start_strides: half the side of that square, in strides of the level: 2.5 makes boxes of 40, 80 and 160 px at
            the strides 8, 16 and 32.
    """

    def __init__(self, *args: Any, start_strides: float = 2.5, **kwargs: Any) -> None:
        self.start_strides = start_strides
        super().__init__(*args, **kwargs)

    def init_weights(self) -> None:
        """RTMDet's, and the distances' biases."""
        super().init_weights()
        distance = torch.tensor(self.start_strides)
        for layer in self.rtm_reg:
            nn.init.constant_(layer.bias, float(distance.log() if self.exp_on_reg else distance))

    def forward(self, feats: tuple[Tensor, ...]) -> tuple[list[Tensor], list[Tensor]]:
        """RTMDet's scores and distances, in float32: losses and boxes of bfloat16 are too coarse."""
        scores, distances = super().forward(feats)
        return [level.float() for level in scores], [level.float() for level in distances]


@TASK_UTILS.register_module()
class QuickStartAssigner(DynamicSoftLabelAssigner):
    """RTMDet's dynamic soft label assigner with a least number of positives for each object.

    The number follows the overlaps of the predicted boxes (SimOTA), but is never below ``min_positives``. All objects
    are matched at once; MMDetection's loop over them gives the same for ``min_positives=1``.

    Args:
        *args, **kwargs: of DynamicSoftLabelAssigner.
        min_positives: cells for each object, as far as there are as many.

    Source: Lyu et al., RTMDet, arXiv:2212.07784; Ge et al., YOLOX, arXiv:2107.08430.
    """

    def __init__(self, *args: Any, min_positives: int = 4, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.min_positives = min_positives

    def dynamic_k_matching(
        self, cost: Tensor, pairwise_ious: Tensor, num_gt: int, valid_mask: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The overlap and the object of each positive cell.

        Args:
            cost, pairwise_ious: of each candidate cell with each object ``(N, num_gt)``.
            num_gt: objects.
            valid_mask: of the candidates among all cells; left with the positives alone.
        """
        num_cells = len(cost)
        best_ious = pairwise_ious.topk(min(self.topk, num_cells), dim=0).values
        wanted = best_ious.sum(0).int().clamp(min=self.min_positives).clamp(max=num_cells)  # (num_gt,)
        nearest = cost.topk(int(wanted.max()), dim=0, largest=False).indices  # (most, num_gt)
        is_wanted = torch.arange(len(nearest), device=cost.device)[:, None] < wanted
        matched = torch.zeros_like(cost, dtype=torch.bool).scatter_(0, nearest, is_wanted)
        shared = matched.sum(1) > 1  # a cell belongs to the object that it costs least
        matched[shared] = nn.functional.one_hot(cost[shared].argmin(1), num_gt).bool()
        positive = matched.any(1)
        valid_mask[valid_mask.clone()] = positive
        return (matched * pairwise_ious).sum(1)[positive], matched[positive].int().argmax(1)
