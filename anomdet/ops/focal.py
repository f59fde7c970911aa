"""Focal losses (Lin 2017) and their gradients, element by element; mmcv's wrappers reduce them.

A target outside ``[0, classes)`` is background. mmcv allocates the results and passes them in; ``weight`` is a weight
per class ``(C,)`` or empty.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from anomdet.ops.precision import upcast


def sigmoid_focal_loss_forward(
    input: Tensor, target: Tensor, weight: Tensor, output: Tensor, *, gamma: float, alpha: float
) -> None:
    """Write the loss of logits ``input`` ``(N, C)`` for class indices ``target`` ``(N,)`` to ``output`` ``(N, C)``."""
    logits = upcast(input)
    p = logits.sigmoid()
    positive = -alpha * (1 - p) ** gamma * functional.logsigmoid(logits)
    negative = -(1 - alpha) * p**gamma * functional.logsigmoid(-logits)
    loss = torch.where(_is_target(logits, target), positive, negative)
    output.copy_(loss * _row_weights(target, weight, logits)[:, None])


def sigmoid_focal_loss_backward(
    input: Tensor, target: Tensor, weight: Tensor, grad_input: Tensor, *, gamma: float, alpha: float
) -> None:
    """Write the derivative by the logits ``(N, C)`` to ``grad_input``."""
    logits = upcast(input)
    p = logits.sigmoid()
    q = 1 - p
    positive = alpha * q**gamma * (gamma * p * functional.logsigmoid(logits) - q)
    negative = (1 - alpha) * p**gamma * (p - gamma * q * functional.logsigmoid(-logits))
    gradient = torch.where(_is_target(logits, target), positive, negative)
    grad_input.copy_(gradient * _row_weights(target, weight, logits)[:, None])


def softmax_focal_loss_forward(
    softmax: Tensor, target: Tensor, weight: Tensor, output: Tensor, *, gamma: float, alpha: float
) -> None:
    """Write the loss of probabilities ``softmax`` ``(N, C)`` for class indices ``target`` to ``output`` ``(N,)``."""
    p, factor = _target_probability(softmax, target, weight)
    output.copy_(-alpha * factor * (1 - p) ** gamma * p.log())


def softmax_focal_loss_backward(
    softmax: Tensor,
    target: Tensor,
    weight: Tensor,
    buff: Tensor,
    grad_input: Tensor,
    *,
    gamma: float,
    alpha: float,
) -> None:
    """Write the derivative by the logits ``(N, C)`` to ``grad_input``; ``buff`` ``(N,)`` gets dloss/dp times p."""
    p, factor = _target_probability(softmax, target, weight)
    # The slope of (1 - p)^gamma is infinite at p = 1 for gamma < 1; there log(p) is 0, and so is the product.
    base = (1 - p).clamp(min=torch.finfo(p.dtype).eps)
    slope = alpha * factor * (gamma * base ** (gamma - 1) * p * p.log() - (1 - p) ** gamma)
    buff.copy_(slope)
    probabilities = upcast(softmax)
    grad_input.copy_(slope[:, None] * (_is_target(probabilities, target).to(p.dtype) - probabilities))


def _is_target(logits: Tensor, target: Tensor) -> Tensor:
    return target[:, None] == torch.arange(logits.shape[1], device=target.device)


def _row_weights(target: Tensor, weight: Tensor, like: Tensor) -> Tensor:
    """The weight of each row's class ``(N,)``; 1 for background, for which mmcv has no weight either."""
    if weight.numel() == 0:
        return like.new_ones(len(target))
    known = (target >= 0) & (target < len(weight))
    return torch.where(known, weight.to(like)[target.clamp(0, len(weight) - 1)], like.new_ones(()))


def _target_probability(softmax: Tensor, target: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Probability of each row's class, kept above 0 for the logarithm, and the row's weight: 0 for background."""
    probabilities = upcast(softmax)
    num_classes = probabilities.shape[1]
    known = (target >= 0) & (target < num_classes)
    picked = probabilities.gather(1, target.clamp(0, num_classes - 1)[:, None])[:, 0]
    factor = _row_weights(target, weight, probabilities) * known
    return picked.clamp(min=torch.finfo(picked.dtype).tiny), factor
