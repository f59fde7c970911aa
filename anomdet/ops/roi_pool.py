"""Region of interest max pooling, in plain torch.

torchvision's roi_pool rounds the roi to whole pixels first, mmcv's does not: their results differ, so it cannot serve.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from anomdet.ops.precision import upcast


def roi_pool_forward(
    input: Tensor,
    rois: Tensor,
    output: Tensor,
    argmax: Tensor,
    *,
    pooled_height: int,
    pooled_width: int,
    spatial_scale: float,
) -> None:
    """Write each bin's greatest pixel to ``output`` ``(N, C, pooled_height, pooled_width)``, 0 for an empty bin.

    ``argmax`` (int32, same shape) gets its flat place in the plane, -1 for an empty bin. ``rois`` ``(N, 5)`` are (image
    index, x1, y1, x2, y2) in image pixels, x2 and y2 included.
    """
    output.zero_()
    argmax.fill_(-1)
    height, width = input.shape[2:]
    for n, (image, x1, y1, x2, y2) in enumerate(upcast(rois).tolist()):
        rows = _bin_edges(y1 * spatial_scale, (y2 + 1) * spatial_scale, pooled_height, height)
        columns = _bin_edges(x1 * spatial_scale, (x2 + 1) * spatial_scale, pooled_width, width)
        for i, (top, bottom) in enumerate(rows):
            for j, (left, right) in enumerate(columns):
                if top >= bottom or left >= right:
                    continue
                values, places = input[int(image), :, top:bottom, left:right].flatten(1).max(dim=1)
                output[n, :, i, j] = values
                argmax[n, :, i, j] = (top + places // (right - left)) * width + left + places % (right - left)


def roi_pool_backward(
    grad_output: Tensor,
    rois: Tensor,
    argmax: Tensor,
    grad_input: Tensor,
    *,
    pooled_height: int,
    pooled_width: int,
    spatial_scale: float,
) -> None:
    """Write the gradient ``(B, C, H, W)`` to ``grad_input``: each bin's goes to the pixel it came from."""
    grad = upcast(grad_output)
    _, channels, height, width = grad_input.shape
    planes = rois[:, 0].long()[:, None] * channels + torch.arange(channels, device=rois.device)
    places = planes[:, :, None, None] * (height * width) + argmax
    filled = argmax >= 0
    result = grad.new_zeros(grad_input.numel())
    result.index_add_(0, places[filled], grad[filled])
    grad_input.copy_(result.view(grad_input.shape))


def _bin_edges(start: float, end: float, num_bins: int, size: int) -> list[tuple[int, int]]:
    """First and last-plus-one pixel of each bin, cut to the plane; neighbouring bins may share a pixel."""
    if end <= start:
        return [(0, 0)] * num_bins
    bin_size = (end - start) / num_bins
    edges = [(math.floor(start + k * bin_size), math.ceil(start + (k + 1) * bin_size)) for k in range(num_bins)]
    return [(min(max(first, 0), size), min(max(last, 0), size)) for first, last in edges]
