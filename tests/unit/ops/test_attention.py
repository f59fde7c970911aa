import pytest
import torch
from mmcv.ops.multi_scale_deform_attn import MultiScaleDeformableAttnFunction, multi_scale_deformable_attn_pytorch
from torch.autograd import gradcheck

SHAPES = torch.tensor([[3, 4], [2, 1]])
STARTS = torch.tensor([0, 12])


def attend(value, locations, weights):
    return MultiScaleDeformableAttnFunction.apply(value, SHAPES, STARTS, locations, weights, 64)


def operands(batch=2, queries=3, heads=2, channels=2, points=2, dtype=torch.float64):
    """Locations reach beyond the image, where the values are 0."""
    torch.manual_seed(0)
    value = torch.randn(batch, 14, heads, channels, dtype=dtype)
    locations = torch.rand(batch, queries, heads, 2, points, 2, dtype=dtype) * 1.4 - 0.2
    return value, locations, torch.rand(batch, queries, heads, 2, points, dtype=dtype)


def slow_attention(value, locations, weights):
    batch, queries, heads, levels, points, _ = locations.shape
    out = torch.zeros(batch, queries, heads, value.shape[3], dtype=value.dtype)
    for b, q, h, m, p in torch.cartesian_prod(*map(torch.arange, (batch, queries, heads, levels, points))).tolist():
        height, width = SHAPES[m].tolist()
        x, y = (locations[b, q, h, m, p] * torch.tensor([width, height]) - 0.5).tolist()
        for row in range(height):
            for column in range(width):
                share = max(0, 1 - abs(row - y)) * max(0, 1 - abs(column - x)) * weights[b, q, h, m, p]
                out[b, q, h] += share * value[b, STARTS[m] + row * width + column, h]
    return out.flatten(2)


def test_equals_loops_and_mmcv():
    value, locations, weights = operands()
    result = attend(value, locations, weights)
    torch.testing.assert_close(result, slow_attention(value, locations, weights))
    torch.testing.assert_close(result, multi_scale_deformable_attn_pytorch(value, SHAPES, locations, weights))


def test_gradient():
    assert gradcheck(attend, [tensor.requires_grad_() for tensor in operands(batch=1, queries=2)])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_float32_rounded(dtype):
    low = [tensor.requires_grad_() for tensor in operands(dtype=dtype)]
    high = [tensor.detach().float().requires_grad_() for tensor in low]
    out_low, out_high = attend(*low), attend(*high)
    assert torch.equal(out_low, out_high.to(dtype))
    out_low.sum().backward()
    out_high.sum().backward()
    for a, b in zip(low, high, strict=True):
        assert torch.equal(a.grad, b.grad.to(dtype))


@pytest.mark.parametrize("size", [{"batch": 0}, {"queries": 0}])
def test_nothing_to_attend(size):
    value, locations, weights = operands(**size)
    result = attend(value.requires_grad_(), locations, weights)
    result.sum().backward()
    assert result.shape == (*locations.shape[:2], 4)
    assert not value.grad.any()
