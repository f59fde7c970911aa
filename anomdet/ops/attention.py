"""Multi-scale deformable attention (Zhu 2020) with torch's grid_sample, one feature level at a time to save memory.

Shapes: value ``(B, sum of h * w, heads, channels)``, spatial_shapes ``(levels, 2)`` as (h, w), sampling_locations
``(B, queries, heads, levels, points, 2)`` as (x, y) in [0, 1], attention_weights the same without the last axis.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from anomdet.ops.precision import upcast


class _Level(NamedTuple):
    """Where one feature level lies in the flattened values."""

    number: int
    keys: slice
    height: int
    width: int


def ms_deform_attn_forward(
    value: Tensor,
    value_spatial_shapes: Tensor,
    value_level_start_index: Tensor,
    sampling_locations: Tensor,
    attention_weights: Tensor,
    *,
    im2col_step: int,
) -> Tensor:
    """Attended values ``(B, queries, heads * channels)`` in the dtype of ``value``."""
    values, locations, weights = upcast(value), upcast(sampling_locations), upcast(attention_weights)
    batch, queries, heads = locations.shape[:3]
    attended = values.new_zeros(batch, queries, heads, value.shape[3])
    for level in _levels(value_spatial_shapes, value_level_start_index):
        attended += _attend(
            values[:, level.keys], locations[:, :, :, level.number], weights[:, :, :, level.number], level
        )
    return attended.flatten(2).to(value.dtype)


def ms_deform_attn_backward(  # noqa: PLR0913  (the signature is mmcv's)
    value: Tensor,
    value_spatial_shapes: Tensor,
    value_level_start_index: Tensor,
    sampling_locations: Tensor,
    attention_weights: Tensor,
    grad_output: Tensor,
    grad_value: Tensor,
    grad_sampling_loc: Tensor,
    grad_attn_weight: Tensor,
    *,
    im2col_step: int,
) -> None:
    """Write the three gradients; each level is attended again, now with autograd."""
    values, locations, weights = upcast(value), upcast(sampling_locations), upcast(attention_weights)
    grad = upcast(grad_output).view(*locations.shape[:3], value.shape[3])
    for level in _levels(value_spatial_shapes, value_level_start_index):
        parts = (values[:, level.keys], locations[:, :, :, level.number], weights[:, :, :, level.number])
        with torch.enable_grad():
            leaves = [part.detach().requires_grad_() for part in parts]
            attended = _attend(leaves[0], leaves[1], leaves[2], level)
        of_value, of_locations, of_weights = torch.autograd.grad(attended, leaves, grad)
        grad_value[:, level.keys] = of_value
        grad_sampling_loc[:, :, :, level.number] = of_locations
        grad_attn_weight[:, :, :, level.number] = of_weights


def _levels(spatial_shapes: Tensor, level_starts: Tensor) -> Iterator[_Level]:
    for number, ((height, width), start) in enumerate(zip(spatial_shapes.tolist(), level_starts.tolist(), strict=True)):
        yield _Level(number, slice(start, start + height * width), height, width)


def _attend(value: Tensor, locations: Tensor, weights: Tensor, level: _Level) -> Tensor:
    """One level's share ``(B, queries, heads, channels)`` of the attended values."""
    batch, _, heads, channels = value.shape
    planes = value.permute(0, 2, 3, 1).reshape(batch * heads, channels, level.height, level.width)
    grid = (2 * locations - 1).transpose(1, 2).flatten(0, 1)
    sampled = functional.grid_sample(planes, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    attended = (sampled * weights.transpose(1, 2).flatten(0, 1)[:, None]).sum(-1)
    return attended.view(batch, heads, *attended.shape[1:]).permute(0, 3, 1, 2)
