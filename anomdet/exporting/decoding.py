"""Boxes from what heads put out, written so that a tracer keeps batch, height and width free.

MMDetection's own coders hold Python numbers of the traced image; these give the same boxes (docs/export.md has the
measured differences).
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

_CLIP_RATIO = 16 / 1000


def flat(outputs: Tensor, width: int) -> Tensor:
    """``(N, A * width, H, W)`` to ``(N, H * W * A, width)``, as MMDetection orders its priors."""
    return outputs.permute(0, 2, 3, 1).reshape(outputs.shape[0], -1, width)


def grid_xy(features: Tensor, stride_wh: tuple[int, int], offset: float) -> Tensor:
    """``(H * W, 2)`` pixels of the points of a feature map ``(N, C, H, W)``, row by row."""
    height, width = features.shape[2], features.shape[3]
    x = (torch.arange(width, device=features.device, dtype=torch.float32) + offset) * stride_wh[0]
    y = (torch.arange(height, device=features.device, dtype=torch.float32) + offset) * stride_wh[1]
    grid = torch.stack([x[None, :].expand(height, width), y[:, None].expand(height, width)], dim=-1)
    return grid.reshape(-1, 2)


def anchors_xyxy(features: Tensor, generator: Any, level: int) -> Tensor:
    """``(H * W * A, 4)`` anchors of one level of MMDetection's ``AnchorGenerator``."""
    base = generator.base_anchors[level].to(features.device)
    shifts = grid_xy(features, generator.strides[level], 0.0).repeat(1, 2)
    return (shifts[:, None, :] + base[None, :, :]).reshape(-1, 4)


def from_distances(points: Tensor, distances: Tensor) -> Tensor:
    """Points ``(P, 2)`` and distances ``(N, P, 4)`` to left, top, right, bottom, to boxes ``(N, P, 4)`` xyxy."""
    return torch.cat([points - distances[..., :2], points + distances[..., 2:]], dim=-1)


def from_deltas(rois: Tensor, deltas: Tensor, coder: Any) -> Tensor:
    """Boxes ``(..., 4)`` xyxy moved and scaled by deltas ``(..., 4)``, as ``DeltaXYWHBBoxCoder`` decodes."""
    means = torch.tensor(tuple(coder.means), dtype=deltas.dtype, device=deltas.device)
    stds = torch.tensor(tuple(coder.stds), dtype=deltas.dtype, device=deltas.device)
    deltas = deltas * stds + means
    limit = abs(math.log(_CLIP_RATIO))
    size = rois[..., 2:] - rois[..., :2]
    center = (rois[..., :2] + rois[..., 2:]) * 0.5 + size * deltas[..., :2]
    half = size * deltas[..., 2:].clamp(-limit, limit).exp() * 0.5
    return torch.cat([center - half, center + half], dim=-1)


def clip(boxes: Tensor, sizes_hw: Tensor) -> Tensor:
    """Boxes ``(N, ..., 4)`` xyxy cut to the valid size ``(N, 2)`` of their image."""
    limits = sizes_hw.to(boxes.dtype)[:, [1, 0, 1, 0]]
    limits = limits.reshape([limits.shape[0]] + [1] * (boxes.dim() - 2) + [4])
    return torch.minimum(boxes.clamp(min=0.0), limits)


def has_size(boxes: Tensor) -> Tensor:
    """``(...)`` whether a box has a positive width and height.

    Eager suppression drops boxes that are turned inside out; the operator of ONNX would swap their corners.
    """
    return (boxes[..., 2] > boxes[..., 0]) & (boxes[..., 3] > boxes[..., 1])


def at_most(count: int, available: Tensor) -> Tensor:
    """The smaller of a number and a length that is known only when the graph runs."""
    return torch.minimum(torch.tensor(count, dtype=torch.int64), available)


def best_only(scores: Tensor, count: int) -> Tensor:
    """Scores ``(N, P, C)`` with all but the best ``count`` of each image set to 0; ties with the last one stay."""
    every = scores.reshape(scores.shape[0], -1)
    length = torch.as_tensor(every.shape[1], dtype=torch.int64)
    least = every.topk(as_int(at_most(count, length)), dim=1).values[:, -1]
    return torch.where(scores >= least[:, None, None], scores, torch.zeros_like(scores))


def best_first(ranks: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The best ``count`` of each row ``(N, P)`` and their positions; of equal ones the first comes first.

    So do ONNX's operator and OpenVINO's, where it is asked to (:mod:`anomdet.exporting.writers`); torch's does not.
    """
    if not torch.onnx.is_in_onnx_export():
        values, indices = ranks.sort(dim=1, descending=True, stable=True)
        return values[:, :count], indices[:, :count]
    length = torch.as_tensor(ranks.shape[1], dtype=torch.int64)
    best = ranks.topk(as_int(at_most(count, length)), dim=1)
    return best.values, best.indices


def as_int(number: Tensor) -> Any:
    """For ``topk``: a tensor while a tracer looks on, which keeps it in the graph; else the number."""
    return number if torch.jit.is_tracing() else int(number)
