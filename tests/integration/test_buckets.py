"""A training of three processes that is broken off and resumed sums its gradients as one that is not."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from anomdet.engine.distributed.buckets import settle_buckets
from tests.integration.conftest import ROOT


def test_a_new_start_sums_in_the_same_order(tmp_path: Path) -> None:
    out = tmp_path / "weights.pt"
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=3"]
    command += ["-m", "tests.integration.bucket_worker", str(out)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr + done.stdout
    weights = torch.load(out, weights_only=True)
    assert torch.equal(weights["settled whole"], weights["settled broken"])
    # Or settle_buckets is not needed any more.
    assert not torch.equal(weights["plain whole"], weights["plain broken"])


def test_a_model_of_one_process_is_left_alone() -> None:
    assert not settle_buckets(nn.Linear(2, 2))


class _OnTheGpu(DistributedDataParallel):
    """As on a GPU, which moves the inputs of each forward pass: none may not be there."""

    def _pre_forward(self, *inputs: object, **kwargs: object) -> object:
        self.device_ids = [0]
        return super()._pre_forward(*inputs, **kwargs)


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[None]:
    """A process group of this process."""
    dist.init_process_group("gloo", init_method=f"file://{tmp_path / 'store'}", rank=0, world_size=1)
    yield
    dist.destroy_process_group()


def test_a_model_on_a_gpu(alone: None) -> None:
    model = nn.Sequential(nn.Conv2d(3, 8, 1), nn.BatchNorm2d(8), nn.Linear(4, 2), nn.Linear(2, 1, dtype=torch.bfloat16))
    model[2].requires_grad_(False)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    wrapped = _OnTheGpu(model.to(memory_format=torch.channels_last))
    assert wrapped.device_type == "cpu" and settle_buckets(wrapped)
    assert "forward" not in vars(model) and all(weight.grad is None for weight in model.parameters())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
