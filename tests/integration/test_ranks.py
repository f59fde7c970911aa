"""Two processes train as one with twice the batch; one that sees only normal images hangs nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from anomdet.config.preset_names import PRESETS
from tests.integration.conftest import ROOT

COMPARED = ("atss", "retinanet", "fcos", "rtmdet_tiny", "faster_rcnn")


def run_worker(work: str, out: Path, names: tuple[str, ...], *, processes: int) -> dict:
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}"]
    command = [sys.executable, *(launcher if processes > 1 else []), "-m", "tests.integration.rank_worker"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*command, work, str(out), *names], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr + done.stdout
    return torch.load(out, weights_only=True)


def relative_difference(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> float:
    """Of all gradients taken as one vector, in the L2 norm."""
    assert one.keys() == other.keys()
    a, b = (torch.cat([gradient.double().ravel() for gradient in run.values()]) for run in (one, other))
    return float((a - b).norm() / a.norm())


def test_two_processes_have_the_gradients_of_one(tmp_path: Path) -> None:
    alone = run_worker("gradients", tmp_path / "1.pt", COMPARED, processes=1)
    shared = run_worker("gradients", tmp_path / "2.pt", COMPARED, processes=2)
    differences = {name: relative_difference(alone[name], shared[name]) for name in COMPARED}
    assert all(difference < 1e-5 for difference in differences.values()), differences


@pytest.mark.slow
def test_a_process_with_normal_images_only_hangs_nothing(tmp_path: Path) -> None:
    found = run_worker("steps", tmp_path / "steps.pt", tuple(PRESETS), processes=2)
    assert set(found) == set(PRESETS)
