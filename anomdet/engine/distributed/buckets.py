"""One order of the gradients in DDP's buckets, from the first step of every start."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel


def settle_buckets(wrapped: nn.Module) -> bool:
    """Let DDP arrange its buckets now, by a backward pass without data; every process must call it.

    DDP sends gradients in buckets, which it arranges anew after its first backward pass. From three processes on, a
    ring sums an element in an order that depends on its place in the bucket. So the first step after a resume would sum
    otherwise than the same step of a run that was never broken off, and the weights would differ from there on.
    Here the first backward pass is one of zeros, which draws nothing and changes no weight: all real steps find the
    buckets in their last order, with the last layers first.

    Args:
        wrapped: the model in DDP.

    Returns:
        Whether it was needed: not for a static graph, which DDP learns from its first step, and not with
        ``find_unused_parameters``, where it never rearranges.
    """
    if not isinstance(wrapped, DistributedDataParallel) or wrapped.static_graph or wrapped.find_unused_parameters:
        return False
    module = wrapped.module
    own = vars(module).get("forward")
    module.forward = lambda _: _zero(module)
    try:
        wrapped(0).backward()  # on a GPU DDP moves its inputs there, and takes it that there are some
    finally:
        if own is None:
            del module.forward
        else:
            module.forward = own
    module.zero_grad(set_to_none=True)
    return True


def _zero(module: nn.Module) -> Tensor:
    """0, by way of every weight that learns; their gradients are 0 too, also of weights that are not finite."""
    total = None
    for weight in module.parameters():
        if weight.requires_grad:
            nothing = weight.reshape(-1)[:0].sum()
            total = nothing if total is None else total + nothing.to(total)
    assert total is not None, "a model without weights that learn"
    return total
