"""Fast convolutions: the results and the gradients of F.conv2d, which PyTorch's own autograd gives."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from anomdet.ops.convolution import FastConv2d, conv2d, depthwise_conv2d, use_fast_convolutions

CHANNELS = 8


def learning(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64).requires_grad_()


def channels_last(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64).contiguous(memory_format=torch.channels_last).requires_grad_()


def assert_same(ours: Tensor, theirs: Tensor, inputs: tuple[Tensor, ...], **tolerance: float) -> None:
    torch.testing.assert_close(ours, theirs, **tolerance)
    gradient = torch.randn_like(theirs)
    pairs = zip(torch.autograd.grad(ours, inputs, gradient), torch.autograd.grad(theirs, inputs, gradient), strict=True)
    for ours_gradient, theirs_gradient in pairs:
        torch.testing.assert_close(ours_gradient, theirs_gradient, **tolerance)


@pytest.mark.parametrize("kernel", [(3, 3), (5, 5), (7, 7), (3, 5), (5, 3)])
@pytest.mark.parametrize(("stride", "skip"), [(1, 0), (2, 0), (2, 1)])
@pytest.mark.parametrize("size_hw", [(14, 14), (9, 12), (7, 5)])
def test_a_depthwise_convolution_has_the_gradients_of_the_plain_one(
    kernel: tuple[int, int], stride: int, skip: int, size_hw: tuple[int, int]
) -> None:
    padding = (kernel[0] // 2 + skip, kernel[1] // 2 + skip)
    x, weight, bias = channels_last(2, CHANNELS, *size_hw), learning(CHANNELS, 1, *kernel), learning(CHANNELS)
    ours = depthwise_conv2d(x, weight, bias, (stride, stride), padding, skip)
    theirs = F.conv2d(x, weight, bias, stride, padding, groups=CHANNELS)[:, :, skip:, skip:]
    assert_same(ours, theirs, (x, weight, bias))


@pytest.mark.parametrize("bias", [True, False])
def test_a_pointwise_convolution_is_a_matrix_product_with_the_same_gradients(bias: bool) -> None:
    x, weight = channels_last(2, CHANNELS, 6, 5), learning(3, CHANNELS, 1, 1)
    inputs = (x, weight, learning(3)) if bias else (x, weight)
    ours = conv2d(x, weight, inputs[2] if bias else None, (1, 1), (0, 0))
    assert ours.grad_fn is not None and "Permute" in ours.grad_fn.name()
    assert ours.is_contiguous(memory_format=torch.channels_last)
    assert_same(ours, F.conv2d(x, weight, inputs[2] if bias else None), inputs)


def test_the_gradient_of_the_weights_alone() -> None:
    x, weight = channels_last(2, CHANNELS, 9, 9).detach(), learning(CHANNELS, 1, 5, 5)
    ours = conv2d(x, weight, None, (1, 1), (2, 2), CHANNELS)
    assert_same(ours, F.conv2d(x, weight, padding=2, groups=CHANNELS), (weight,))


def test_under_autocast_it_computes_in_bfloat16_and_learns_in_float32() -> None:
    x, weight = channels_last(2, CHANNELS, 9, 9).float().detach(), learning(CHANNELS, 1, 5, 5).float().detach()
    x, weight = x.requires_grad_(), weight.requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        ours = conv2d(x, weight, None, (1, 1), (2, 2), CHANNELS)
    assert ours.dtype == torch.bfloat16
    assert_same(ours.float(), F.conv2d(x, weight, padding=2, groups=CHANNELS), (x, weight), rtol=0.05, atol=0.2)


@pytest.mark.parametrize("why", ["no gradients", "frozen weights", "another layout", "padding of a kernel"])
def test_what_does_not_learn_from_channels_last_maps_is_computed_by_pytorch(why: str) -> None:
    x, weight = channels_last(2, CHANNELS, 9, 9), learning(CHANNELS, 1, 5, 5)
    if why == "frozen weights":
        weight = weight.detach()
    if why == "another layout":
        x = x.detach().contiguous().requires_grad_()
    padding = 5 if why == "padding of a kernel" else 2
    with torch.set_grad_enabled(why != "no gradients"):
        ours = conv2d(x, weight, None, (2, 2), (padding, padding), CHANNELS)
    assert ours.grad_fn is None or "Convolution" in ours.grad_fn.name()
    assert torch.equal(ours, F.conv2d(x, weight, stride=2, padding=padding, groups=CHANNELS))


def test_plain_convolutions_of_a_model_are_switched_and_others_left() -> None:
    class Own(nn.Conv2d):
        pass

    def convolution(kind: Any = nn.Conv2d, **options: Any) -> Any:
        return kind(4, 4, 3, **options)

    others = [
        convolution(Own),
        convolution(dilation=2),
        convolution(padding="same"),
        convolution(padding=1, padding_mode="reflect"),
    ]
    model = nn.Sequential(convolution(padding=1), *others)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    x = torch.randn(1, 4, 16, 16)
    expected = model(x)
    use_fast_convolutions(model)
    assert type(model[0]) is FastConv2d
    assert [type(module) for module in model[1:]] == [Own, nn.Conv2d, nn.Conv2d, nn.Conv2d]
    assert before.keys() == model.state_dict().keys()
    assert torch.equal(model(x), expected)
