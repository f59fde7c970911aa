"""Our metric in the config of a run, and the operating point that it goes by."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from anomdet.defaults import MATCHING_IOU_THR
from anomdet.fields import from_mapping
from anomdet.inference.artifact import OperatingPoint

if TYPE_CHECKING:
    from anomdet.engine.checkpoint import CheckpointFile
    from anomdet.evaluation.operating_point import Criterion


def own_metric(config: Any) -> Any:
    """The config of our metric, which is the first where there are several."""
    evaluator = config.test_evaluator
    return evaluator[0] if isinstance(evaluator, (list, tuple)) else evaluator


def wanted_criterion(metric: Any) -> Criterion:
    """How the config of our metric chooses the operating point."""
    from anomdet.evaluation.operating_point import Criterion

    iou_thr = metric.get("matching_iou_threshold", MATCHING_IOU_THR)
    return Criterion(**{**metric.get("operating_point", {}), "iou_thr": iou_thr})


def kept_point(file: CheckpointFile, criterion: dict[str, Any]) -> dict[str, Any] | None:
    """The operating point that the training chose, if it was by the same criterion."""
    kept = file.meta.operating_point or {}
    if kept.get("criterion") != criterion or not isinstance(kept.get("point"), dict):
        return None
    point = asdict(from_mapping(OperatingPoint, kept["point"], f"{file.path}: meta.operating_point.point"))
    del point["criterion"]
    return point
