"""Which finder a network needs."""

from __future__ import annotations

from typing import Any

from mmdet.models.dense_heads import AnchorHead, FCOSHead, RTMDetHead, YOLOXHead
from mmdet.models.task_modules.coders import DeltaXYWHBBoxCoder, DistancePointBBoxCoder

from anomdet.errors import Problem, UserError
from anomdet.exporting.candidates import Finder
from anomdet.exporting.one_stage import OneStage
from anomdet.exporting.own_model import OwnModel
from anomdet.exporting.queries import Queries, is_set_of_queries
from anomdet.exporting.two_stage import TwoStage, is_two_stage
from anomdet.models.file_model import FileModel


def finder_of(model: Any, where: str) -> Finder:
    """The finder for a network.

    Raises:
        UserError: of a kind that cannot be exported.
    """
    if isinstance(model, FileModel):
        return OwnModel(model)
    if is_set_of_queries(model):
        return Queries(model)
    if is_two_stage(model):
        return TwoStage(model)
    head: Any = getattr(model, "bbox_head", None)
    coder = getattr(head, "bbox_coder", None)
    plain = not getattr(getattr(head, "loss_cls", None), "custom_cls_channels", False)
    known = isinstance(head, YOLOXHead) or (
        isinstance(head, (AnchorHead, FCOSHead, RTMDetHead))
        and type(coder) in (DeltaXYWHBBoxCoder, DistancePointBBoxCoder)
        and getattr(head, "use_sigmoid_cls", False)
    )
    if not (known and plain and head.test_cfg.nms.get("type", "nms") == "nms"):
        got = f"{type(model).__name__} with {type(head).__name__}"
        kinds = "RTMDet, RetinaNet, FCOS, ATSS, YOLOX, Faster and Cascade R-CNN, DINO, your own"
        raise UserError(Problem(where, f"a network that can be exported ({kinds})", got, "predict runs it as it is"))
    return OneStage(model)
