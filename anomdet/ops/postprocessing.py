"""MMDetection's heads with our suppression behind them, and with a score floor that can be raised for each call."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
from torch import nn

from anomdet.ops.proposals import settle
from anomdet.ops.suppression import suppress

_KNOWN_KEYS = {"type", "iou_threshold", "class_agnostic"}
_ALL = 2**31 - 1


class Postprocessing:
    """What happens to a model's candidates: those above the floor are decoded by its head and suppressed by ours.

    Args:
        head: MMDetection's, whose ``test_cfg`` this object owns from now on.
        limited: whether the head keeps ``test_cfg.max_per_img`` boxes; YOLOX's keeps all.

    Attributes:
        score_floor: of the model's config.
    """

    def __init__(self, head: Any, *, limited: bool) -> None:
        self._cfg = head.test_cfg = copy.deepcopy(head.test_cfg)
        self._iou_threshold = float(self._cfg.nms["iou_threshold"])
        self._class_agnostic = bool(self._cfg.nms.get("class_agnostic", False))
        self._max_kept = int(self._cfg.max_per_img) if limited else None
        self._cfg.nms = None  # the head returns every candidate, in the order of the scores
        self._cfg.max_per_img = _ALL
        self.score_floor = float(self._cfg.get("score_thr", 0.0))

    def set_floor(self, min_score: float) -> None:
        """Leave candidates below ``min_score`` out of the next predictions; never below the config's floor."""
        # Heads compare with > in float32, and keep what equals the threshold only if theirs lies below it.
        below = float(np.nextafter(np.float32(min_score), np.float32(-1)))
        self._cfg.score_thr = max(self.score_floor, below)

    def __call__(self, _model: nn.Module, _args: Any, kwargs: dict[str, Any], output: Any) -> Any:
        """A forward hook: suppresses where the model was asked to predict."""
        if kwargs.get("mode") == "predict":
            for sample in output:
                sample.pred_instances = self._kept(sample.pred_instances)
        return output

    def _kept(self, candidates: Any) -> Any:
        labels = candidates.labels * 0 if self._class_agnostic else candidates.labels
        bboxes_xyxy = getattr(candidates.bboxes, "tensor", candidates.bboxes)
        return candidates[
            suppress(
                bboxes_xyxy,
                candidates.scores,
                labels,
                iou_threshold=self._iou_threshold,
                max_kept=self._max_kept,
            )
        ]


def take_over(model: nn.Module) -> Postprocessing | None:
    """Put our suppression behind a model's head, in place; None, and the head as it was, where that cannot be.

    A two-stage model's proposals are settled, too.

    Heads are known by the function that calls ``batched_nms``: one of another kind may use the suppressed boxes for
    more, as PAA's score voting does. Soft-NMS stays MMDetection's.
    """
    settle(model)
    found = _head(model)
    if found is None or not _is_plain(found[0].test_cfg):
        return None
    postprocessing = Postprocessing(found[0], limited=found[1])
    model.register_forward_hook(postprocessing, with_kwargs=True)
    return postprocessing


def _is_plain(test_cfg: Any) -> bool:
    nms = (test_cfg or {}).get("nms")
    if not nms or nms.get("type", "nms") != "nms" or not set(nms) <= _KNOWN_KEYS or "iou_threshold" not in nms:
        return False
    return int(test_cfg.get("max_per_img", 0)) > 0


def _head(model: nn.Module) -> tuple[Any, bool] | None:
    """The head that suppresses, and whether it limits its boxes."""
    from mmdet.models.dense_heads import RTMDetHead, YOLOXHead
    from mmdet.models.dense_heads.base_dense_head import BaseDenseHead
    from mmdet.models.roi_heads import CascadeRoIHead, StandardRoIHead
    from mmdet.models.roi_heads.bbox_heads import BBoxHead

    roi_head = getattr(model, "roi_head", None)
    if roi_head is not None:
        stages = roi_head.bbox_head if isinstance(roi_head.bbox_head, nn.ModuleList) else [roi_head.bbox_head]
        known = type(roi_head).predict_bbox in (StandardRoIHead.predict_bbox, CascadeRoIHead.predict_bbox)
        plain = all(type(stage)._predict_by_feat_single is BBoxHead._predict_by_feat_single for stage in stages)
        return (roi_head, True) if known and plain else None
    head = getattr(model, "bbox_head", None)
    last_step = getattr(type(head), "_bbox_post_process", None)
    if last_step in (BaseDenseHead._bbox_post_process, RTMDetHead._bbox_post_process):
        return head, True
    return (head, False) if last_step is YOLOXHead._bbox_post_process else None
