"""Region of interest align that keeps each bin's greatest sample instead of the average, in plain torch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

# Stands for "no sample" in the arg-max coordinates; farther out than any sample that gets a weight.
_NOWHERE = -2.0


@dataclass(frozen=True)
class Grid:
    """How a roi is cut into bins and a bin into samples; see :func:`anomdet.ops.roi_align.roi_align_forward`."""

    height: int
    width: int
    spatial_scale: float
    sampling_ratio: int
    aligned: bool


def pool(features: Tensor, rois: Tensor, grid: Grid) -> tuple[Tensor, Tensor, Tensor]:
    """The greatest sample per bin and its y and x in feature pixels, each ``(N, C, height, width)``."""
    shape = (len(rois), features.shape[1], grid.height, grid.width)
    pooled = features.new_zeros(shape)
    argmax_y, argmax_x = features.new_full(shape, _NOWHERE), features.new_full(shape, _NOWHERE)
    for n, (image, x1, y1, x2, y2) in enumerate(rois.tolist()):
        ys = _sample_positions(y1, y2, grid.height, grid).to(features)
        xs = _sample_positions(x1, x2, grid.width, grid).to(features)
        if ys.numel() == 0 or xs.numel() == 0:
            continue
        samples = _interpolate(features[int(image)], ys.flatten(), xs.flatten())
        # (C, bins_y, samples_y, bins_x, samples_x) -> (C, bins_y, bins_x, samples)
        samples = samples.view(-1, *ys.shape, *xs.shape).transpose(2, 3).flatten(3)
        pooled[n], best = samples.max(dim=-1)
        rows = torch.arange(grid.height, device=best.device)[:, None]
        columns = torch.arange(grid.width, device=best.device)
        argmax_y[n] = ys[rows, best // xs.shape[1]]
        argmax_x[n] = xs[columns, best % xs.shape[1]]
    return pooled, argmax_y, argmax_x


def spread(grad: Tensor, rois: Tensor, argmax_y: Tensor, argmax_x: Tensor, shape: Sequence[int]) -> Tensor:
    """The gradient ``shape`` = ``(B, C, H, W)`` of :func:`pool`: each bin's goes to the four pixels it came from."""
    _, channels, height, width = shape
    planes = rois[:, 0].long()[:, None] * channels + torch.arange(channels, device=rois.device)
    firsts = planes[:, :, None, None] * (height * width)
    result = grad.new_zeros(math.prod(shape))
    for row, weight_y in _neighbours(argmax_y, height):
        for column, weight_x in _neighbours(argmax_x, width):
            places = firsts + row * width + column
            result.index_add_(0, places.flatten(), (grad * weight_y * weight_x).flatten())
    return result.view(*shape)


def _sample_positions(start: float, end: float, num_bins: int, grid: Grid) -> Tensor:
    """Sample positions along an axis, float64 ``(num_bins, samples)`` in feature pixels; an empty roi has none."""
    shift = 0.5 if grid.aligned else 0.0
    first = start * grid.spatial_scale - shift
    extent = end * grid.spatial_scale - shift - first
    if not grid.aligned:
        extent = max(extent, 1.0)
    bin_size = extent / num_bins
    num_samples = grid.sampling_ratio if grid.sampling_ratio > 0 else max(math.ceil(bin_size), 0)
    bins = torch.arange(num_bins, dtype=torch.float64)[:, None]
    middles = torch.arange(num_samples, dtype=torch.float64) + 0.5
    return first + bin_size * (bins + middles / max(num_samples, 1))


def _interpolate(feature: Tensor, ys: Tensor, xs: Tensor) -> Tensor:
    """Bilinear samples ``(C, Y, X)`` of ``feature`` ``(C, H, W)`` on the lattice of ``ys`` and ``xs``."""
    _, height, width = feature.shape
    rows = sum(feature[:, row] * weight[:, None] for row, weight in _neighbours(ys, height))
    return sum(rows[:, :, column] * weight for column, weight in _neighbours(xs, width))


def _neighbours(positions: Tensor, size: int) -> list[tuple[Tensor, Tensor]]:
    """The two pixels next to each position, with their weights; outside, up to one pixel is the border's value."""
    inside = (positions >= -1) & (positions <= size)
    positions = positions.clamp(0, size - 1)
    low = positions.floor().long()
    high = (low + 1).clamp(max=size - 1)
    fraction = positions - low
    return [(low, (1 - fraction) * inside), (high, fraction * inside)]
