import math
from types import SimpleNamespace

import pytest
import torch
from mmcv.ops import DeformConv2d, DeformConv2dPack, ModulatedDeformConv2d, deform_conv2d, modulated_deform_conv2d
from mmdet.models.necks import DyHead
from torch.autograd import gradcheck
from torch.nn import functional

# Height and width differ everywhere: swapping them must not go unnoticed.
UNEVEN = SimpleNamespace(kernel=(2, 3), stride=(2, 1), padding=(1, 2), dilation=(1, 2), groups=2, deform_groups=2)
PLAIN = SimpleNamespace(kernel=(3, 3), stride=(1, 1), padding=(1, 1), dilation=(1, 1), groups=1, deform_groups=1)
IN, OUT, SIZE = 4, 2, (5, 6)


def output_size(case):
    return tuple(
        (SIZE[d] + 2 * case.padding[d] - case.dilation[d] * (case.kernel[d] - 1) - 1) // case.stride[d] + 1
        for d in range(2)
    )


def operands(case, batch=2, dtype=torch.float64, size=None):
    torch.manual_seed(0)
    taps, size = case.deform_groups * math.prod(case.kernel), size or output_size(case)
    return (
        torch.randn(batch, IN, *SIZE, dtype=dtype),
        torch.randn(batch, 2 * taps, *size, dtype=dtype),
        torch.rand(batch, taps, *size, dtype=dtype),
        torch.randn(OUT, IN // case.groups, *case.kernel, dtype=dtype),
        torch.randn(OUT, dtype=dtype),
    )


def geometry(case):
    return case.stride, case.padding, case.dilation, case.groups, case.deform_groups


def version_1(case, input, offset, weight):
    return deform_conv2d(input, offset, weight, *geometry(case))


def version_2(case, *tensors):
    return modulated_deform_conv2d(*tensors, *geometry(case))


def slow_deform_conv(case, input, offset, mask, weight, bias):
    """Every output as a sum over channels, taps and pixels, each pixel with its bilinear share."""
    height, width = output_size(case)
    out = torch.zeros(len(input), OUT, height, width, dtype=input.dtype) + bias[:, None, None]
    rows, columns = torch.arange(SIZE[0])[:, None], torch.arange(SIZE[1])
    num_taps = math.prod(case.kernel)
    for b, i, j, c, tap in torch.cartesian_prod(*map(torch.arange, (len(input), height, width, IN, num_taps))).tolist():
        ky, kx = divmod(tap, case.kernel[1])
        map_index = c // (IN // case.deform_groups) * num_taps + tap
        y = i * case.stride[0] - case.padding[0] + ky * case.dilation[0] + offset[b, 2 * map_index, i, j]
        x = j * case.stride[1] - case.padding[1] + kx * case.dilation[1] + offset[b, 2 * map_index + 1, i, j]
        shares = (1 - (rows - y).abs()).clamp(min=0) * (1 - (columns - x).abs()).clamp(min=0)
        value = (input[b, c] * shares).sum() * mask[b, map_index, i, j]
        group, channel = divmod(c, IN // case.groups)
        outputs = slice(group * (OUT // case.groups), (group + 1) * (OUT // case.groups))
        out[b, outputs, i, j] += weight[outputs, channel, ky, kx] * value
    return out


@pytest.mark.parametrize("case", [UNEVEN, PLAIN], ids=["uneven", "plain"])
def test_equals_loops(case):
    input, offset, mask, weight, bias = operands(case, batch=1 if case is PLAIN else 2)
    expected = slow_deform_conv(case, input, offset, mask, weight, bias)
    torch.testing.assert_close(version_2(case, input, offset, mask, weight, bias), expected)
    expected = slow_deform_conv(case, input, offset, torch.ones_like(mask), weight, torch.zeros_like(bias))
    torch.testing.assert_close(version_1(case, input, offset, weight), expected)
    torch.testing.assert_close(version_2(case, input, offset, torch.ones_like(mask), weight, None), expected)


def test_no_offset_is_a_convolution():
    input, offset, mask, weight, bias = operands(UNEVEN)
    expected = functional.conv2d(input, weight, bias, *geometry(UNEVEN)[:4])
    result = version_2(UNEVEN, input, torch.zeros_like(offset), torch.ones_like(mask), weight, bias)
    torch.testing.assert_close(result, expected)


def test_gradient_version_1():
    input, offset, _, weight, _ = (tensor.requires_grad_() for tensor in operands(UNEVEN))
    assert gradcheck(lambda *tensors: version_1(UNEVEN, *tensors), (input, offset, weight), fast_mode=True)
    small = [tensor[:1] for tensor in (input, offset)]
    assert gradcheck(lambda w: version_1(UNEVEN, *small, w), weight)


@pytest.mark.parametrize("with_bias", [True, False])
def test_gradient_version_2(with_bias):
    tensors = [tensor.requires_grad_() for tensor in operands(UNEVEN)]
    tensors[4] = tensors[4] if with_bias else None
    assert gradcheck(lambda *tensors: version_2(UNEVEN, *tensors), tensors, fast_mode=True)


def as_memory(maps, size):
    """What mmcv's kernels read: each sample's first values, row after row of the output's width."""
    count = maps.shape[1] * size[0] * size[1]
    return torch.stack([sample.reshape(-1)[:count].reshape(-1, *size) for sample in maps])


def test_larger_offsets_are_read_as_memory():
    size = output_size(UNEVEN)
    input, offset, mask, weight, bias = operands(UNEVEN, size=(size[0] + 1, size[1] + 2))
    expected = version_2(UNEVEN, input, as_memory(offset, size), as_memory(mask, size), weight, bias)
    torch.testing.assert_close(version_2(UNEVEN, input, offset, mask, weight, bias), expected)
    tensors = [t.requires_grad_() for t in (input, offset.to(memory_format=torch.channels_last), mask, weight, bias)]
    assert gradcheck(lambda *tensors: version_2(UNEVEN, *tensors), tensors, fast_mode=True)


def test_smaller_offsets_are_refused():
    size = output_size(UNEVEN)
    with pytest.raises(ValueError, match="smaller than the output"):
        version_2(UNEVEN, *operands(UNEVEN, size=(size[0] - 1, size[1])))


def test_dyhead_trains_on_uneven_levels():
    neck = DyHead(16, 16, num_blocks=1)
    levels = [torch.rand(1, 16, *size, requires_grad=True) for size in ((9, 13), (5, 7), (3, 4))]
    sum(level.sum() for level in neck(levels)).backward()
    assert all(level.grad.isfinite().all() for level in levels)
    assert all(parameter.grad is not None for parameter in neck.parameters())


def test_bfloat16_is_float32_rounded():
    low = [tensor.requires_grad_() for tensor in operands(PLAIN, dtype=torch.bfloat16)]
    high = [tensor.detach().float().requires_grad_() for tensor in low]
    out_low, out_high = version_2(PLAIN, *low), version_2(PLAIN, *high)
    assert torch.equal(out_low, out_high.bfloat16())
    out_low.sum().backward()
    out_high.sum().backward()
    for a, b in zip(low, high, strict=True):
        torch.testing.assert_close(a.grad, b.grad.bfloat16())
    low, high = ([t.detach().requires_grad_() for t in (x[0], x[1], x[3])] for x in (low, high))
    version_1(PLAIN, *low).sum().backward()
    version_1(PLAIN, *high).sum().backward()
    for a, b in zip(low, high, strict=True):
        torch.testing.assert_close(a.grad, b.grad.bfloat16())


def test_layers_train_under_autocast():
    for layer in (DeformConv2dPack(IN, OUT, 3, padding=1), ModulatedDeformConv2d(IN, OUT, 3, padding=1)):
        input, offset, mask, _, _ = operands(PLAIN, dtype=torch.float32)
        extra = () if isinstance(layer, DeformConv2d) else (offset, mask)
        with torch.autocast("cpu", torch.bfloat16):
            layer(input, *extra).float().sum().backward()
        assert layer.weight.grad.isfinite().all()
        assert layer.weight.grad.any()
