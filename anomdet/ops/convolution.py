"""Convolutions with the same sums by faster kernels: what a training step on a CPU waits for longest.

Measured with torch 2.14.1 (oneDNN) on channels-last maps, one core:

- The weight gradient of a depthwise kernel more than three columns wide has no code of its own in oneDNN: 11 ms in
  float32 and 50 ms in bfloat16 where three columns take 0.5 ms. So it is taken three columns at a time.
- Nor has the map's gradient of a depthwise kernel with strides: 65 ms in bfloat16, where a plain one takes 2 ms.
- With one thread and fewer than 16 images, PyTorch unfolds a 1 x 1 convolution by hand, copying its map twice; on
  channels-last maps it is one matrix product.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

_COLUMNS = 3  # of a depthwise kernel, at most, whose weight gradient is fast


def conv2d(
    x: Tensor, weight: Tensor, bias: Tensor | None, stride: tuple[int, int], padding: tuple[int, int], groups: int = 1
) -> Tensor:
    """``F.conv2d`` without dilation: the same result, and the same gradients but for the order of their sums.

    Only what learns on a CPU from channels-last maps is computed in another way; anything else is ``F.conv2d`` itself.

    Args:
        x: ``(N, C, H, W)``.
        weight: ``(out, C / groups, kernel_h, kernel_w)``.
        bias: ``(out,)`` or None.
    """
    if _learns_channels_last(x, weight):
        is_depthwise = groups > 1 and groups == len(weight) == x.shape[1]
        if is_depthwise and weight.shape[3] > _COLUMNS and weight.shape[3] % 2 and _is_usual(weight, padding):
            return depthwise_conv2d(x, weight, bias, stride, padding)
        if groups == 1 and weight.shape[2:] == (1, 1) and stride == (1, 1) and padding == (0, 0):
            return F.linear(x.permute(0, 2, 3, 1), weight.flatten(1), bias).permute(0, 3, 1, 2)
    return F.conv2d(x, weight, bias, stride, padding, 1, groups)


def depthwise_conv2d(
    x: Tensor, weight: Tensor, bias: Tensor | None, stride: tuple[int, int], padding: tuple[int, int], skip: int = 0
) -> Tensor:
    """A depthwise convolution, one kernel a channel, without the first ``skip`` rows and columns.

    Args:
        x: ``(N, C, H, W)``.
        weight: ``(C, 1, kernel_h, kernel_w)``, of an odd width from 3 on.
        bias: ``(C,)`` or None.
        padding: zeros around the map; with ``skip``, fewer remain at the top left: padding less ``skip`` strides.
    """
    if _learns_channels_last(x, weight):
        if torch.is_autocast_enabled("cpu"):
            dtype = torch.get_autocast_dtype("cpu")
            x, weight, bias = x.to(dtype), weight.to(dtype), None if bias is None else bias.to(dtype)
        output: Tensor = _Depthwise.apply(x, weight, bias, stride, padding, skip)
        return output
    return F.conv2d(x, weight, bias, stride, padding, 1, len(weight))[:, :, skip:, skip:]


def _is_usual(weight: Tensor, padding: tuple[int, int]) -> bool:
    """Whether the padding is smaller than the kernel: no output sees nothing but zeros."""
    height, width = weight.shape[2:]
    return padding[0] < int(height) and padding[1] < int(width)


def _learns_channels_last(x: Tensor, weight: Tensor) -> bool:
    if not (torch.is_grad_enabled() and weight.requires_grad and x.device.type == "cpu"):
        return False
    return bool(x.is_contiguous(memory_format=torch.channels_last))


class _Depthwise(torch.autograd.Function):
    """Forward as oneDNN does it; backward in pieces that oneDNN has depthwise code for."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, stride: Any, padding: Any, skip: int
    ) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.stride, ctx.padding, ctx.skip = stride, padding, skip
        output = F.conv2d(x, weight, bias, stride, padding, 1, len(weight))
        return output[:, :, skip:, skip:].contiguous(memory_format=torch.channels_last) if skip else output

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        gradient = gradient.contiguous(memory_format=torch.channels_last)
        of_x = _gradient_of_map(ctx, gradient, x, weight) if ctx.needs_input_grad[0] else None
        of_weight = _gradient_of_weight(ctx, gradient, x, weight) if ctx.needs_input_grad[1] else None
        of_bias = gradient.sum((0, 2, 3)) if ctx.needs_input_grad[2] else None
        return of_x, of_weight, of_bias, None, None, None


def _gradient_of_map(ctx: Any, gradient: Tensor, x: Tensor, weight: Tensor) -> Tensor:
    """With strides: the gradient, spread by them among zeros, under the turned kernel."""
    if ctx.stride == (1, 1) and not ctx.skip:
        return _backward(gradient, x, weight, ctx.stride, ctx.padding)[0]
    sides = [x.shape[2 + axis] + weight.shape[2 + axis] - 1 for axis in (0, 1)]
    canvas = torch.empty((*x.shape[:2], *sides), dtype=x.dtype, memory_format=torch.channels_last).zero_()
    top, left, _, _ = _margins(ctx, gradient, x, weight)
    first_h, first_w = weight.shape[2] - 1 - top, weight.shape[3] - 1 - left
    rows = slice(first_h, first_h + (gradient.shape[2] - 1) * ctx.stride[0] + 1, ctx.stride[0])
    columns = slice(first_w, first_w + (gradient.shape[3] - 1) * ctx.stride[1] + 1, ctx.stride[1])
    canvas[:, :, rows, columns] = gradient
    return F.conv2d(canvas, weight.flip(2, 3), groups=len(weight))


def _gradient_of_weight(ctx: Any, gradient: Tensor, x: Tensor, weight: Tensor) -> Tensor:
    top, left, bottom, right = _margins(ctx, gradient, x, weight)
    rows, of_rows = ((top, bottom), 0) if ctx.skip else ((0, 0), ctx.padding[0])
    width = weight.shape[3]
    result = torch.empty_like(weight)
    for first in range(0, max(width - _COLUMNS, 0) + 1, _COLUMNS - 1):
        seen = F.pad(x, (left - first, right - (width - _COLUMNS - first), *rows))
        seen = seen.contiguous(memory_format=torch.channels_last)
        columns = slice(first, first + _COLUMNS)
        piece = weight[..., columns].contiguous()
        result[..., columns] = _backward(gradient, seen, piece, ctx.stride, (of_rows, 0), of_map=False)[1]
    return result


def _margins(ctx: Any, gradient: Tensor, x: Tensor, weight: Tensor) -> tuple[int, int, int, int]:
    """Rows and columns that the kernel sees beyond the map: top, left, bottom, right; less than 0: not seen."""
    before = [ctx.padding[axis] - ctx.skip * ctx.stride[axis] for axis in (0, 1)]
    after = [
        (gradient.shape[2 + axis] - 1) * ctx.stride[axis] + weight.shape[2 + axis] - before[axis] - x.shape[2 + axis]
        for axis in (0, 1)
    ]
    return before[0], before[1], after[0], after[1]


def _backward(
    gradient: Tensor, x: Tensor, weight: Tensor, stride: Any, padding: Any, of_map: bool = True
) -> tuple[Tensor, Tensor]:
    result: tuple[Tensor, Tensor] = torch.ops.aten.convolution_backward(
        gradient, x, weight, None, stride, padding, (1, 1), False, (0, 0), len(weight), (of_map, not of_map, False)
    )[:2]
    return result


class FastConv2d(nn.Conv2d):
    """A ``Conv2d`` that computes by :func:`conv2d`; with the same parameters under the same names."""

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return conv2d(input, weight, bias, self.stride, self.padding, self.groups)


def use_fast_convolutions(model: nn.Module) -> None:
    """Let every plain ``Conv2d`` of a model, with zeros around its map and no dilation, compute by :func:`conv2d`."""
    for module in model.modules():
        plain = type(module) is nn.Conv2d and module.padding_mode == "zeros" and module.dilation == (1, 1)
        if plain and not isinstance(module.padding, str):
            module.__class__ = FastConv2d
