"""The suppression that ends a graph: one node in ONNX and OpenVINO, torchvision's operator in PyTorch."""

from __future__ import annotations

from typing import Any

import torch
import torchvision
from torch import Tensor

_SHIFT_PX = 2.0**17
OPSET = 17


@torch.library.custom_op("anomdet::suppress", mutates_args=())
def suppress(boxes: Tensor, scores: Tensor, threshold: Tensor, iou_threshold: float, max_kept: int) -> Tensor:
    """``(K, 3)`` int64: image, class and box of every kept box, in the order of image, class and falling score.

    Args:
        boxes: ``(N, P, 4)`` xyxy.
        scores: ``(N, C, P)``.
        threshold: ``()``; only scores above it count.
        iou_threshold: a box that overlaps a better one of its class by more than this is dropped.
        max_kept: of each class of an image, at most.
    """
    found = (scores > threshold).nonzero()
    image, label, row = found.unbind(1)
    groups = image * scores.shape[1] + label
    apart = boxes[image, row].double().clamp(-_SHIFT_PX / 2, _SHIFT_PX / 2) + (groups.double() * _SHIFT_PX)[:, None]
    values = scores[image, label, row]
    kept = torchvision.ops.nms(apart, values.double(), iou_threshold)
    kept = kept[torch.argsort(groups[kept], stable=True)]
    # No more than max_kept of each group: the position within it.
    counts = torch.bincount(groups[kept], minlength=scores.shape[0] * scores.shape[1])
    starts = counts.cumsum(0) - counts
    place = torch.arange(len(kept), device=kept.device) - starts[groups[kept]]
    return found[kept[place < max_kept]]


@suppress.register_fake
def _shape(boxes: Tensor, scores: Tensor, threshold: Tensor, iou_threshold: float, max_kept: int) -> Tensor:
    count = torch.library.get_ctx().new_dynamic_size()
    return boxes.new_empty((count, 3), dtype=torch.int64)


def _symbolic(g: Any, boxes: Any, scores: Any, threshold: Any, iou_threshold: Any, max_kept: Any) -> Any:
    """The node of the TorchScript exporter."""
    from torch.onnx import symbolic_helper

    iou = g.op("Constant", value_t=torch.tensor([symbolic_helper._maybe_get_const(iou_threshold, "f")]).float())
    most = g.op("Constant", value_t=torch.tensor([symbolic_helper._maybe_get_const(max_kept, "i")]))
    least = g.op("Reshape", threshold, g.op("Constant", value_t=torch.tensor([1])))
    return g.op("NonMaxSuppression", boxes, scores, most, iou, least)


def register_symbolic() -> None:
    """Teach the TorchScript exporter the node."""
    torch.onnx.register_custom_op_symbolic("anomdet::suppress", _symbolic, OPSET)


def translation_table() -> dict[Any, Any]:
    """For the dynamo exporter."""
    from onnxscript import opset18

    op: Any = opset18

    def translate(boxes: Any, scores: Any, threshold: Any, iou_threshold: float, max_kept: int) -> Any:
        most = op.Constant(value_ints=[max_kept])
        iou = op.Constant(value_floats=[iou_threshold])
        least = op.Reshape(threshold, op.Constant(value_ints=[1]))
        return op.NonMaxSuppression(boxes, scores, most, iou, least)

    return {torch.ops.anomdet.suppress.default: translate}
