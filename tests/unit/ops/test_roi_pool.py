import math

import pytest
import torch
from mmcv.ops import RoIPool
from torch.autograd import gradcheck

# Coordinates whose bins end between pixels, so that rounding errors cannot move an edge.
ROIS = [[0, 1.3, 2.1, 11.2, 9.4], [1, -4.0, -3.3, 6.1, 31.0], [1, 4.2, 4.1, 4.4, 4.3], [0, 40.0, 40.0, 50.0, 50.0]]


def slow_roi_pool(features, rois, size, scale):
    """By definition: the roi, whose last pixel counts, cut into bins; each bin takes every pixel that it touches."""
    height, width = features.shape[2:]
    out = torch.zeros(len(rois), features.shape[1], *size, dtype=features.dtype)
    for n, (image, x1, y1, x2, y2) in enumerate(rois.tolist()):
        x1, y1, x2, y2 = x1 * scale, y1 * scale, (x2 + 1) * scale, (y2 + 1) * scale
        bin_h, bin_w = (y2 - y1) / size[0], (x2 - x1) / size[1]
        for i in range(size[0]):
            for j in range(size[1]):
                rows = range(math.floor(y1 + i * bin_h), math.ceil(y1 + (i + 1) * bin_h))
                columns = range(math.floor(x1 + j * bin_w), math.ceil(x1 + (j + 1) * bin_w))
                pixels = [(r, c) for r in rows for c in columns if 0 <= r < height and 0 <= c < width]
                if pixels:
                    out[n, :, i, j] = torch.stack([features[int(image), :, r, c] for r, c in pixels]).amax(0)
    return out


def operands():
    torch.manual_seed(0)
    return torch.randn(2, 3, 6, 7, dtype=torch.float64), torch.tensor(ROIS, dtype=torch.float64)


@pytest.mark.parametrize("scale", [1.0, 0.3])
def test_equals_loops(scale):
    features, rois = operands()
    torch.testing.assert_close(RoIPool((3, 2), scale)(features, rois), slow_roi_pool(features, rois, (3, 2), scale))


def test_gradient():
    features, rois = operands()
    assert gradcheck(lambda f: RoIPool(2, 0.3)(f, rois), features.requires_grad_())


def test_bfloat16_and_no_rois():
    features, rois = (tensor.bfloat16() for tensor in operands())
    features.requires_grad_()
    pooled = RoIPool(2, 0.3)(features, rois)
    pooled.sum().backward()
    assert torch.equal(pooled, RoIPool(2, 0.3)(features.float(), rois.float()).bfloat16())
    assert features.grad.sum().item() == pooled.detach().count_nonzero().item()
    assert RoIPool(2)(features, rois[:0]).shape == (0, 3, 2, 2)
