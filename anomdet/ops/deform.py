"""Deformable convolution, version 1 (offsets) and 2 (offsets and a mask), with torchvision's kernels.

Shapes: input ``(B, C, H, W)``, weight ``(O, C / group, kh, kw)``, offset ``(B, 2 * deformable_group * kh * kw, h, w)``
as (y, x) pairs, mask ``(B, deformable_group * kh * kw, h, w)``, output ``(B, O, h, w)``. mmcv allocates the results and
passes them in, together with scratch buffers that only its own kernels need.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from anomdet.ops.precision import upcast


class _Geometry(NamedTuple):
    """In the order of torchvision's arguments."""

    stride_h: int
    stride_w: int
    pad_h: int
    pad_w: int
    dilation_h: int
    dilation_w: int
    groups: int
    offset_groups: int


class _Gradients(NamedTuple):
    """In the order of torchvision's results."""

    input: Tensor
    weight: Tensor
    offset: Tensor
    mask: Tensor
    bias: Tensor


def deform_conv_forward(
    input: Tensor,
    weight: Tensor,
    offset: Tensor,
    output: Tensor,
    columns: Tensor,
    ones: Tensor,
    *,
    im2col_step: int,
    **kernel: int,
) -> None:
    """Write the convolution without bias to ``output``; ``kernel``: kW, kH, dW, dH, padW, padH and so on."""
    output.copy_(_convolve(input, weight, offset, None, None, _geometry_v1(kernel)))


def deform_conv_backward_input(  # noqa: PLR0913  (the signature is mmcv's)
    input: Tensor,
    offset: Tensor,
    grad_output: Tensor,
    grad_input: Tensor,
    grad_offset: Tensor,
    weight: Tensor,
    columns: Tensor,
    *,
    im2col_step: int,
    **kernel: int,
) -> None:
    """Write the gradients of input and offset."""
    gradients = _differentiate(grad_output, input, weight, offset, None, _geometry_v1(kernel))
    grad_input.copy_(gradients.input)
    grad_offset.copy_(gradients.offset)


def deform_conv_backward_parameters(  # noqa: PLR0913  (the signature is mmcv's)
    input: Tensor,
    offset: Tensor,
    grad_output: Tensor,
    grad_weight: Tensor,
    columns: Tensor,
    ones: Tensor,
    *,
    scale: float,
    im2col_step: int,
    **kernel: int,
) -> None:
    """Add the weight's gradient, times ``scale``, to ``grad_weight``."""
    # The weight's values do not enter its own gradient; its buffer has the shape that torchvision asks for.
    gradients = _differentiate(grad_output, input, grad_weight, offset, None, _geometry_v1(kernel))
    grad_weight.add_(gradients.weight * scale)


def modulated_deform_conv_forward(  # noqa: PLR0913  (the signature is mmcv's)
    input: Tensor,
    weight: Tensor,
    bias: Tensor,
    ones: Tensor,
    offset: Tensor,
    mask: Tensor,
    output: Tensor,
    columns: Tensor,
    *,
    with_bias: bool,
    **kernel: int,
) -> None:
    """Write the convolution to ``output``; ``kernel``: kernel_h, kernel_w, stride_h and so on."""
    offset, mask = _crop_to(offset, output), _crop_to(mask, output)
    output.copy_(_convolve(input, weight, offset, mask, bias if with_bias else None, _geometry_v2(kernel)))


def modulated_deform_conv_backward(  # noqa: PLR0913  (the signature is mmcv's)
    input: Tensor,
    weight: Tensor,
    bias: Tensor,
    ones: Tensor,
    offset: Tensor,
    mask: Tensor,
    columns: Tensor,
    grad_input: Tensor,
    grad_weight: Tensor,
    grad_bias: Tensor,
    grad_offset: Tensor,
    grad_mask: Tensor,
    grad_output: Tensor,
    *,
    with_bias: bool,
    **kernel: int,
) -> None:
    """Write the gradients of input, weight, offset and mask, and of the bias if there is one."""
    cropped_offset, cropped_mask = _crop_to(offset, grad_output), _crop_to(mask, grad_output)
    gradients = _differentiate(grad_output, input, weight, cropped_offset, cropped_mask, _geometry_v2(kernel))
    grad_input.copy_(gradients.input)
    grad_weight.copy_(gradients.weight)
    _uncrop(gradients.offset, grad_offset)
    _uncrop(gradients.mask, grad_mask)
    if with_bias:
        grad_bias.copy_(gradients.bias)


def _geometry_v1(kernel: dict[str, int]) -> _Geometry:
    names = ("dH", "dW", "padH", "padW", "dilationH", "dilationW", "group", "deformable_group")
    return _Geometry(*(kernel[name] for name in names))


def _geometry_v2(kernel: dict[str, int]) -> _Geometry:
    names = ("stride_h", "stride_w", "pad_h", "pad_w", "dilation_h", "dilation_w", "group", "deformable_group")
    return _Geometry(*(kernel[name] for name in names))


def _operands(input: Tensor, weight: Tensor, offset: Tensor, mask: Tensor | None) -> tuple[Any, ...]:
    """All in one dtype that torchvision has kernels for."""
    input = upcast(input)
    mask = input.new_zeros((len(input), 1)) if mask is None else mask
    return input, weight.to(input.dtype), offset.to(input.dtype), mask.to(input.dtype)


def _convolve(
    input: Tensor, weight: Tensor, offset: Tensor, mask: Tensor | None, bias: Tensor | None, geometry: _Geometry
) -> Tensor:
    operands = _operands(input, weight, offset, mask)
    bias = operands[0].new_zeros(len(weight)) if bias is None else bias.to(operands[0].dtype)
    return torch.ops.torchvision.deform_conv2d(*operands, bias, *geometry, mask is not None)


def _differentiate(
    grad_output: Tensor, input: Tensor, weight: Tensor, offset: Tensor, mask: Tensor | None, geometry: _Geometry
) -> _Gradients:
    operands = _operands(input, weight, offset, mask)
    grad = grad_output.to(operands[0].dtype)
    bias = grad.new_zeros(len(weight))
    return _Gradients(
        *torch.ops.torchvision._deform_conv2d_backward(grad, *operands, bias, *geometry, mask is not None)
    )


def _crop_to(maps: Tensor, output: Tensor) -> Tensor:
    """``maps`` as mmcv's kernels see them: each sample's memory read with the output's height and width.

    DyHead passes offsets and masks of a finer level's size and relies on that; weights trained with mmcv expect it.
    """
    size_hw = output.shape[2:]
    if maps.shape[2:] == size_hw:
        return maps
    num_values = maps.shape[1] * size_hw.numel()
    if maps.shape[1:].numel() < num_values:
        raise ValueError(f"offsets or mask {tuple(maps.shape)} are smaller than the output {tuple(output.shape)}")
    return maps.flatten(1)[:, :num_values].reshape(*maps.shape[:2], *size_hw)


def _uncrop(gradient: Tensor, result: Tensor) -> None:
    """Write the gradient of :func:`_crop_to`'s output to ``result``, which has its input's shape."""
    flat = gradient.new_zeros(len(result), result.shape[1:].numel())
    flat[:, : gradient.shape[1:].numel()] = gradient.flatten(1)
    result.copy_(flat.view(result.shape))
