"""A training of three processes that is broken off and resumed sums its gradients as one that is not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import torch
from torch import nn

from anomdet.engine.buckets import settle_buckets
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
