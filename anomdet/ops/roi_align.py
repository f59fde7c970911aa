"""Region of interest align. Average pooling is torchvision's kernel; max pooling, which it lacks, is plain torch.

mmcv allocates the result and passes it in; ``rois`` ``(N, 5)`` are (image index, x1, y1, x2, y2) in image pixels.
"""

from __future__ import annotations

import torch
from torch import Tensor

from anomdet.ops import roi_align_max
from anomdet.ops.precision import upcast

_MAX, _AVERAGE = 0, 1


def roi_align_forward(  # noqa: PLR0913  (the signature is mmcv's)
    input: Tensor,
    rois: Tensor,
    output: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    *,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: int,
    aligned: bool,
) -> None:
    """Pool ``input`` ``(B, C, H, W)`` to ``output`` ``(N, C, aligned_height, aligned_width)``.

    Args:
        pool_mode: 0 max, 1 average. Max also writes where each value was sampled to ``argmax_y`` and ``argmax_x``.
        sampling_ratio: samples per bin and axis; 0: as many as the bin has pixels.
        aligned: shift by half a pixel, so that a pixel's value sits at its middle.
    """
    features = upcast(input)
    rois = rois.to(features.dtype)
    if pool_mode == _AVERAGE:
        pooled = torch.ops.torchvision.roi_align(
            features, rois, spatial_scale, aligned_height, aligned_width, sampling_ratio, aligned
        )
        output.copy_(pooled)
        return
    assert pool_mode == _MAX, f"unknown pool mode {pool_mode}"
    grid = roi_align_max.Grid(aligned_height, aligned_width, spatial_scale, sampling_ratio, aligned)
    pooled, y, x = roi_align_max.pool(features, rois, grid)
    output.copy_(pooled)
    argmax_y.copy_(y)
    argmax_x.copy_(x)


def roi_align_backward(  # noqa: PLR0913  (the signature is mmcv's)
    grad_output: Tensor,
    rois: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    grad_input: Tensor,
    *,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: int,
    aligned: bool,
) -> None:
    """Write the gradient ``(B, C, H, W)`` to ``grad_input``; the rois get none."""
    grad = upcast(grad_output)
    rois = rois.to(grad.dtype)
    if pool_mode == _AVERAGE:
        size = (aligned_height, aligned_width, *grad_input.shape)
        spread = torch.ops.torchvision._roi_align_backward(grad, rois, spatial_scale, *size, sampling_ratio, aligned)
    else:
        spread = roi_align_max.spread(grad, rois, argmax_y.to(grad.dtype), argmax_x.to(grad.dtype), grad_input.shape)
    grad_input.copy_(spread)
