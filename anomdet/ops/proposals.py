"""Proposals of a two-stage detector that do not depend on the last bit of their scores.

On a plain background many anchors have one and the same score, and which of them survive depends on their order:
MMDetection's sorting is not stable, and another runtime's rounding breaks the ties in another way. Scores are therefore
compared in steps, and of equal ones the first in the order of level, row, column and anchor comes first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torchvision
from torch import Tensor

_STEPS = 1024.0  # in a logit of 1: coarser than rounding by a factor of 1,000, finer than what matters
_MOST = 2.0**20
_SHIFT_PX = 2.0**17


def rank(logits: Tensor) -> Tensor:
    """Of logits, the order in which proposals come: whole numbers above 0, float32, exact.

    >>> rank(torch.tensor([0.0, 1e-6, 0.5])).tolist()
    [2097152.0, 2097152.0, 2097664.0]
    """
    return (logits.float() * _STEPS).round().clamp(-_MOST, _MOST) + 2 * _MOST


class Proposals:
    """In place of ``RPNHead.predict``; the same boxes where no two scores are equal.

    Args:
        head: MMDetection's ``RPNHead``.
    """

    def __init__(self, head: Any) -> None:
        self._head = head

    def __call__(self, features: tuple[Tensor, ...], samples: Sequence[Any], rescale: bool = False) -> list[Any]:
        """``InstanceData`` of each image, best first: ``bboxes`` in pixels of the network, ``scores``, ``labels``."""
        assert not rescale, "a detector's second stage works in pixels of the network"
        logits, deltas = self._head(features)
        sizes = [one.shape[-2:] for one in logits]
        priors = self._head.prior_generator.grid_priors(sizes, dtype=logits[0].dtype, device=logits[0].device)
        return [
            self._of_image([one[at] for one in logits], [one[at] for one in deltas], priors, sample.img_shape)
            for at, sample in enumerate(samples)
        ]

    def _of_image(
        self, logits: Sequence[Tensor], deltas: Sequence[Tensor], priors: Sequence[Tensor], shape: tuple[int, ...]
    ) -> Any:
        from mmengine.structures import InstanceData

        cfg, coder = self._head.test_cfg, self._head.bbox_coder
        most = int(cfg.get("nms_pre", -1))
        boxes, scores, ranks, levels = [], [], [], []
        for level, (logit, delta, prior) in enumerate(zip(logits, deltas, priors, strict=True)):
            logit, delta = logit.permute(1, 2, 0).reshape(-1), delta.permute(1, 2, 0).reshape(-1, 4)
            places = rank(logit)
            best = places.argsort(descending=True, stable=True)
            best = best[:most] if most > 0 else best
            boxes.append(coder.decode(prior[best], delta[best], max_shape=shape))
            scores.append(logit[best].sigmoid())
            ranks.append(places[best])
            levels.append(torch.full_like(places[best], float(level)))
        kept = self._kept(torch.cat(boxes), torch.cat(ranks), torch.cat(levels))
        score = torch.cat(scores)[kept]
        return InstanceData(bboxes=torch.cat(boxes)[kept], scores=score, labels=torch.zeros_like(kept))

    def _kept(self, boxes: Tensor, ranks: Tensor, levels: Tensor) -> Tensor:
        """Indices of the boxes with a size that survive suppression within their level, the best first."""
        cfg = self._head.test_cfg
        width_height = boxes[:, 2:] - boxes[:, :2]
        large = (width_height > max(float(cfg.get("min_bbox_size", -1)), 0.0)).all(dim=1).nonzero().squeeze(1)
        apart = boxes[large].double() + (levels[large].double() * _SHIFT_PX)[:, None]
        # torchvision sorts stably.
        kept = torchvision.ops.nms(apart, ranks[large].double(), float(cfg.nms["iou_threshold"]))
        return large[kept[: int(cfg.max_per_img)]]


def settle(model: Any) -> None:
    """Let a two-stage model propose by :class:`Proposals`, in place; any other model stays as it is."""
    from mmdet.models.dense_heads import RPNHead

    head: Any = getattr(model, "rpn_head", None)
    if type(head) is not RPNHead or not head.use_sigmoid_cls or head.bbox_coder.use_box_type:
        return
    nms = head.test_cfg.nms
    if nms.get("type", "nms") == "nms" and set(nms) <= {"type", "iou_threshold"}:
        head.predict = Proposals(head)
