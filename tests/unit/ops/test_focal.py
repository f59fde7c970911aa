import math

import pytest
import torch
from mmcv.ops import SigmoidFocalLoss, SoftmaxFocalLoss, sigmoid_focal_loss, softmax_focal_loss
from torch.autograd import gradcheck

# 3 of 3 classes is MMDetection's background.
TARGET = torch.tensor([0, 2, 3, 1, -1])


def logits(dtype=torch.float64):
    torch.manual_seed(0)
    return (2 * torch.randn(5, 3)).to(dtype)


def slow_sigmoid(x, target, gamma, alpha, weight):
    loss = torch.zeros_like(x)
    for n, t in enumerate(target.tolist()):
        for c in range(x.shape[1]):
            p = 1 / (1 + math.exp(-x[n, c]))
            loss[n, c] = (
                -alpha * (1 - p) ** gamma * math.log(p) if t == c else -(1 - alpha) * p**gamma * math.log(1 - p)
            )
        if weight is not None and 0 <= t < x.shape[1]:
            loss[n] *= weight[t]
    return loss


@pytest.mark.parametrize("gamma", [0.0, 1.5, 2.0])
@pytest.mark.parametrize("weight", [None, torch.tensor([1.0, 0.3, 2.0], dtype=torch.float64)])
def test_sigmoid(gamma, weight):
    x = logits().requires_grad_()
    result = sigmoid_focal_loss(x, TARGET, gamma, 0.25, weight, "none")
    torch.testing.assert_close(result, slow_sigmoid(x, TARGET, gamma, 0.25, weight))
    assert gradcheck(lambda x: sigmoid_focal_loss(x, TARGET, gamma, 0.25, weight, "none"), x)
    assert gradcheck(lambda x: sigmoid_focal_loss(x, TARGET, gamma, 0.25, weight, "mean"), x)


def test_sigmoid_stays_finite_and_exact_far_out():
    x = torch.tensor([[60.0, -200.0, 200.0], [60.0, -200.0, 200.0]], requires_grad=True)
    loss = sigmoid_focal_loss(x, torch.tensor([1, 2]), 2.0, 0.25, None, "none")
    torch.testing.assert_close(loss.detach(), torch.tensor([[45.0, 50, 150], [45, 0, 0]]))
    loss.sum().backward()
    torch.testing.assert_close(x.grad, torch.tensor([[0.75, -0.25, 0.75], [0.75, 0, 0]]))


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("weight", [None, torch.tensor([1.0, 0.3, 2.0], dtype=torch.float64)])
def test_softmax(gamma, weight):
    x = logits().requires_grad_()
    expected = torch.zeros(5, dtype=x.dtype)
    for n, t in enumerate(TARGET.tolist()):
        if 0 <= t < 3:
            p = math.exp(x[n, t]) / sum(math.exp(v) for v in x[n])
            factor = 1 if weight is None else weight[t]
            expected[n] = -0.25 * factor * (1 - p) ** gamma * math.log(p)
    torch.testing.assert_close(softmax_focal_loss(x, TARGET, gamma, 0.25, weight, "none"), expected)
    assert gradcheck(lambda x: softmax_focal_loss(x, TARGET, gamma, 0.25, weight, "mean"), x)


def test_softmax_of_certainty_has_a_finite_gradient():
    x = torch.tensor([[300.0, 0.0], [0.0, 300.0]], requires_grad=True)
    SoftmaxFocalLoss(0.5, 0.25)(x, torch.tensor([0, 0])).backward()
    assert x.grad.isfinite().all()
    assert not x.grad[0].any()


@pytest.mark.parametrize("loss", [SigmoidFocalLoss(2.0, 0.25), SoftmaxFocalLoss(2.0, 0.25)])
def test_bfloat16_and_no_rows(loss):
    low = logits(torch.bfloat16).requires_grad_()
    high = low.detach().float().requires_grad_()
    loss(low, TARGET).backward()
    loss(high, TARGET).backward()
    torch.testing.assert_close(low.grad.float(), high.grad, atol=2e-3, rtol=0.03)
    nothing = torch.zeros(0, 3, requires_grad=True)
    loss.__class__(2.0, 0.25, reduction="sum")(nothing, TARGET[:0]).backward()
    assert nothing.grad.shape == (0, 3)
