import math

import pytest
import torch
from mmcv.ops import RoIAlign
from torch.autograd import gradcheck

ROIS = [[0, 1.0, 2.0, 11.0, 9.5], [1, -3.0, -2.0, 6.0, 30.0], [1, 4.2, 4.1, 4.3, 4.2], [0, 0.0, 0.0, 23.0, 19.0]]


def bilinear(plane, y, x):
    height, width = plane.shape
    if y < -1 or y > height or x < -1 or x > width:
        return 0.0
    y, x = min(max(y, 0), height - 1), min(max(x, 0), width - 1)
    top, left = int(y), int(x)
    total = 0.0
    for row, weight_y in ((top, top + 1 - y), (top + 1, y - top)):
        for column, weight_x in ((left, left + 1 - x), (left + 1, x - left)):
            if weight_y * weight_x:
                total += plane[row, column].item() * weight_y * weight_x
    return total


def slow_roi_align(features, rois, size, *, scale, ratio, aligned, mode):
    out = torch.zeros(len(rois), features.shape[1], *size, dtype=features.dtype)
    shift = 0.5 if aligned else 0
    for n, (image, *box) in enumerate(rois.tolist()):
        x1, y1, x2, y2 = (v * scale - shift for v in box)
        width, height = x2 - x1, y2 - y1
        if not aligned:
            width, height = max(width, 1), max(height, 1)
        num_y = ratio or math.ceil(height / size[0])
        num_x = ratio or math.ceil(width / size[1])
        for c in range(features.shape[1]):
            for i in range(size[0]):
                for j in range(size[1]):
                    samples = [
                        bilinear(
                            features[int(image), c],
                            y1 + height / size[0] * (i + (k + 0.5) / num_y),
                            x1 + width / size[1] * (j + (m + 0.5) / num_x),
                        )
                        for k in range(num_y)
                        for m in range(num_x)
                    ]
                    out[n, c, i, j] = max(samples) if mode == "max" else sum(samples) / len(samples)
    return out


def operands(seed=0):
    torch.manual_seed(seed)
    return torch.randn(2, 2, 6, 7, dtype=torch.float64), torch.tensor(ROIS, dtype=torch.float64)


@pytest.mark.parametrize("mode", ["avg", "max"])
@pytest.mark.parametrize("aligned", [True, False])
@pytest.mark.parametrize("ratio", [0, 2])
def test_equals_loops(mode, aligned, ratio):
    features, rois = operands()
    result = RoIAlign((3, 2), 0.3, ratio, mode, aligned)(features, rois)
    expected = slow_roi_align(features, rois, (3, 2), scale=0.3, ratio=ratio, aligned=aligned, mode=mode)
    torch.testing.assert_close(result, expected)


@pytest.mark.parametrize("mode", ["avg", "max"])
@pytest.mark.parametrize("ratio", [0, 2])
def test_gradient(mode, ratio):
    features, rois = operands()
    assert gradcheck(lambda f: RoIAlign(2, 0.3, ratio, mode)(f, rois), features.requires_grad_(), fast_mode=ratio == 0)


@pytest.mark.parametrize("mode", ["avg", "max"])
def test_bfloat16_is_float32_rounded(mode):
    features, rois = (tensor.bfloat16() for tensor in operands())
    layer = RoIAlign(2, 0.3, 2, mode)
    low, high = features.clone().requires_grad_(), features.float().requires_grad_()
    out_low, out_high = layer(low, rois), layer(high, rois.float())
    assert torch.equal(out_low, out_high.bfloat16())
    out_low.sum().backward()
    out_high.sum().backward()
    assert low.grad.dtype == torch.bfloat16
    # Max keeps its sampling positions in the features' dtype, as mmcv does: three digits of a pixel's place.
    torch.testing.assert_close(low.grad.float(), high.grad, atol=0.05 if mode == "max" else 0.02, rtol=0.02)


@pytest.mark.parametrize("mode", ["avg", "max"])
def test_no_rois(mode):
    features = torch.rand(2, 3, 5, 5, requires_grad=True)
    pooled = RoIAlign(7, pool_mode=mode)(features, torch.zeros(0, 5))
    pooled.sum().backward()
    assert pooled.shape == (0, 3, 7, 7)
    assert not features.grad.any()


@pytest.mark.parametrize("mode", ["avg", "max"])
def test_a_roi_without_area_pools_zero(mode):
    features = torch.rand(1, 3, 5, 5, requires_grad=True)
    pooled = RoIAlign(2, pool_mode=mode)(features, torch.tensor([[0.0, 2, 2, 2, 2]]))
    pooled.sum().backward()
    assert not pooled.any()
    assert not features.grad.any()
