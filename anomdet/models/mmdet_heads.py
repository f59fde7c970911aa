"""What two heads of MMDetection need to predict: attributes that their own code, or their own pipeline, leaves out."""

from __future__ import annotations

from functools import wraps
from typing import Any


def complete_heads() -> None:
    """Let SSD and CenterNet predict; doing it again changes nothing.

    SSD's head has no ``loss_cls``, which the common prediction asks; CenterNet's subtracts the border that the test
    pipeline of its config pads with, and ours does not.
    """
    from mmdet.models.dense_heads import CenterNetHead, SSDHead

    if not hasattr(SSDHead, "loss_cls"):
        SSDHead.loss_cls = None
    predict = CenterNetHead._predict_by_feat_single
    if hasattr(predict, "__wrapped__"):
        return

    @wraps(predict)
    def without_border(self: Any, center: Any, wh: Any, offset: Any, img_meta: dict, *args: Any, **kwargs: Any) -> Any:
        return predict(self, center, wh, offset, {"border": (0, 0, 0, 0), **img_meta}, *args, **kwargs)

    CenterNetHead._predict_by_feat_single = without_border
