"""RTMDet with a quick start: a head whose first boxes have a size, and enough positives from the first step on.

And for small objects: one that lies between the cells, 5 px of a scratch on a grid of 8 px, has cells of its own too.

RTMDet predicts the distances from a cell to the sides of its box; they begin near zero. Its soft labels are the
overlaps of these boxes with the objects, and the number of positive cells follows them: at first every object has one,
with a label and a weight of its box loss near zero. That costs the first hundreds of steps; a short run has few more.
"""

from __future__ import annotations

from typing import Any

import torch
from mmdet.models.dense_heads import RTMDetSepBNHead
from mmdet.models.task_modules.assigners import AssignResult, DynamicSoftLabelAssigner
from mmdet.structures.bbox import HorizontalBoxes, get_box_tensor
from mmengine.structures import InstanceData
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


class _WithinReach(HorizontalBoxes):
    """Boxes of which ``least_px`` around the centre count as inside, however thin they are."""

    def __init__(self, boxes: Tensor, least_px: float) -> None:
        super().__init__(boxes)
        self.least_px = least_px

    def find_inside_points(self, points: Tensor, is_aligned: bool = False) -> Tensor:
        """Which points ``(m, 2)`` are inside which boxes: ``(m, n)``."""
        assert not is_aligned
        away = (points[:, None] - self.centers).abs()
        return ((away < (self.tensor[:, 2:] - self.tensor[:, :2]) / 2) | (away <= self.least_px / 2)).all(-1)


@TASK_UTILS.register_module()
class QuickStartAssigner(DynamicSoftLabelAssigner):
    """RTMDet's dynamic soft label assigner with a least number of positives for each object.

    The number follows the overlaps of the predicted boxes (SimOTA), but is never below ``min_positives``. All objects
    are matched at once; MMDetection's loop over them gives the same for ``min_positives=1``.

    Args:
        *args, **kwargs: of DynamicSoftLabelAssigner.
        min_positives: cells for each object, as far as there are as many.
        reach_strides: an object's cells are those in its box, which counts as so many strides of the finest level wide
            and high at least. 0: MMDetection's, where an object that no cell lies in gets cells of others, or none.

    Source: Lyu et al., RTMDet, arXiv:2212.07784; Ge et al., YOLOX, arXiv:2107.08430.
    """

    def __init__(self, *args: Any, min_positives: int = 4, reach_strides: float = 1.0, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.min_positives, self.reach_strides = min_positives, reach_strides

    def assign(
        self,
        pred_instances: InstanceData,
        gt_instances: InstanceData,
        gt_instances_ignore: InstanceData | None = None,
        **kwargs: Any,
    ) -> AssignResult:
        """As MMDetection's; objects thinner than the reach have the cells around them as well."""
        boxes = get_box_tensor(gt_instances.bboxes)
        if len(boxes) and len(pred_instances.priors):
            least_px = self.reach_strides * float(pred_instances.priors[:, 2].min())
            if bool(((boxes[:, 2:] - boxes[:, :2]) < least_px).any()):
                gt_instances = gt_instances.new(bboxes=_WithinReach(boxes, least_px), labels=gt_instances.labels)
        return super().assign(pred_instances, gt_instances, gt_instances_ignore, **kwargs)

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
