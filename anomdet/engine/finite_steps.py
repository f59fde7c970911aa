"""An optimizer's step is made only where the loss and the gradient are finite; otherwise the model stays as it was."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, Literal

import torch
from mmengine.dist import all_gather_object
from torch import Tensor, nn

Outcome = Literal["accumulated", "stepped", "rescaled", "skipped"]


class FiniteSteps:
    """Stands in for an optimizer wrapper in ``train_step``.

    A loss that is not finite makes the whole gradient NaN, and DDP's sum of the gradients takes that to all processes:
    each decides the same without asking the others, and the loss is not waited for before the backward pass. For finite
    values nothing changes by a bit. What a forward pass writes into buffers (batch norm) is taken back with the step.

    Args:
        wrapper: MMEngine's OptimWrapper. One with a loss scaler skips steps itself while it looks for its scale, which
            is ``rescaled``; at a scale of 1 there is nothing left to look for.
        model: whose buffers are kept.

    Attributes:
        outcome: of the newest batch.
        losses_finite: what was seen when the newest step was not made: for each process, of each of its batches since
            the step before.
    """

    def __init__(self, wrapper: Any, model: nn.Module) -> None:
        self.wrapper = wrapper
        self.outcome: Outcome = "accumulated"
        self.losses_finite: list[list[bool]] = []
        self._pending: list[Tensor] = []
        self._buffers = _by_dtype(model.buffers())
        self._kept = [[torch.empty_like(buffer) for buffer in group] for group in self._buffers]
        self._step = wrapper.step
        wrapper.step = self._finite_step

    def __getattr__(self, name: str) -> Any:
        """All else is the wrapper's."""
        return getattr(self.wrapper, name)

    def begin(self) -> None:
        """Keep the buffers, before the first forward pass of a step."""
        if not self._pending:
            _copy(self._buffers, self._kept)

    def update_params(self, loss: Tensor, *args: Any, **kwargs: Any) -> None:
        """The wrapper's: backward, and at the end of an accumulation a step."""
        is_finite = torch.isfinite(loss.detach())
        self._pending.append(is_finite)
        self.outcome = "accumulated"
        self.wrapper.update_params(loss * torch.where(is_finite, 1.0, math.nan).to(loss.dtype), *args, **kwargs)
        if self.outcome != "accumulated":
            self._pending = []

    def _finite_step(self, **kwargs: Any) -> None:
        """In place of the wrapper's ``step``."""
        if self._gradient_is_finite():
            self._step(**kwargs)
            self.outcome = "stepped"
            return
        # All processes come here together.
        self.losses_finite = all_gather_object([bool(is_finite) for is_finite in self._pending])
        is_searching = self._let_scaler_search(**kwargs)
        self.outcome = "rescaled" if is_searching and all(map(all, self.losses_finite)) else "skipped"
        if self.outcome == "skipped":
            _copy(self._kept, self._buffers)

    def _let_scaler_search(self, **kwargs: Any) -> bool:
        """A loss scaler makes no such step either, but lowers its scale; whether it still can."""
        scaler = getattr(self.wrapper, "loss_scaler", None)
        if scaler is None:
            return False
        before = scaler.get_scale()
        self._step(**kwargs)
        return bool(1 <= scaler.get_scale() < before)

    def _gradient_is_finite(self) -> bool:
        groups = self.wrapper.optimizer.param_groups
        grads = [parameter.grad for group in groups for parameter in group["params"] if parameter.grad is not None]
        return not grads or math.isfinite(float(torch.nn.utils.get_total_norm(grads)))


def all_finite(tensors: Iterable[Any]) -> bool:
    """Whether no value of any of them is NaN or infinite."""
    return all(bool(torch.isfinite(each).all()) for each in tensors if isinstance(each, Tensor))


def blame_losses(losses_finite: list[list[bool]], batch_idx: int, parts: dict[str, Any]) -> str:
    """Which batches of a step, and of which process, had the loss that is not finite, or that none had.

    Args:
        losses_finite: for each process, of each batch of the step.
        batch_idx: the last batch of the step, from 0.
        parts: the losses of that batch on this process.

    >>> blame_losses([[True], [True]], 4, {}), blame_losses([[True, True], [False, True]], 4, {})
    ('batch 5: the gradient is not finite', 'batch 4 of rank 1: the loss is not finite')
    """
    found = []
    for rank, finite in enumerate(losses_finite):
        process = f" of rank {rank}" if len(losses_finite) > 1 else ""
        first = batch_idx + 2 - len(finite)
        found += [f"{first + position}{process}" for position, is_finite in enumerate(finite) if not is_finite]
    if not found:
        return f"batch {batch_idx + 1}: the gradient is not finite"
    values = {name: float(torch.as_tensor(value).detach()) for name, value in parts.items()}
    bad = [f"{name} {value}" for name, value in values.items() if not math.isfinite(value) and name != "loss"]
    shown = f" ({', '.join(bad)})" if bad else ""
    return f"batch {', '.join(found)}: the loss is not finite{shown}"


def _by_dtype(tensors: Iterable[Tensor]) -> list[list[Tensor]]:
    """In groups that are copied in one kernel each."""
    groups: dict[tuple[torch.dtype, torch.device], list[Tensor]] = {}
    for tensor in tensors:
        groups.setdefault((tensor.dtype, tensor.device), []).append(tensor)
    return list(groups.values())


@torch.no_grad()
def _copy(source: list[list[Tensor]], target: list[list[Tensor]]) -> None:
    for read, written in zip(source, target, strict=True):
        torch._foreach_copy_(written, read)
