"""What each process does in test_buckets.py: three steps in one go, or with a new DDP after the first, as a resume has.

python -m tests.integration.bucket_worker OUT    prints nothing; the first process saves a dict of the final weights
"""

from __future__ import annotations

import sys

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from anomdet.engine.distributed.buckets import settle_buckets


class Crossed(nn.Module):
    """Uses its layers in another order than it holds them, so that DDP rearranges its buckets."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(64, 64) for _ in range(8))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        for number in (3, 0, 7, 1, 5, 2, 6, 4):
            inputs = torch.tanh(self.layers[number](inputs))
        return inputs.square().sum()


def train(*, settle: bool, break_after: int | None) -> torch.Tensor:
    """Weights after three steps."""
    torch.manual_seed(0)
    model = Crossed()
    for step in range(3):
        if step in (0, break_after):
            wrapped = DistributedDataParallel(model, bucket_cap_mb=0.05)
            assert settle_buckets(wrapped) if settle else True
            assert all(weight.grad is None for weight in model.parameters()) or not settle
            optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
        generator = torch.Generator().manual_seed(100 * step + dist.get_rank())
        wrapped(torch.randn(16, 64, generator=generator)).backward()
        optimizer.step()
        optimizer.zero_grad()
    return torch.cat([weight.detach().ravel() for weight in model.parameters()])


def main() -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    found = {
        f"{'settled' if settle else 'plain'} {'broken' if broken else 'whole'}": train(
            settle=settle, break_after=broken
        )
        for settle in (True, False)
        for broken in (None, 1)
    }
    if dist.get_rank() == 0:
        torch.save(found, sys.argv[1])
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
