"""Two processes compute the features of the normal images; the score is that of one process, bit for bit."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from tests.integration.conftest import ROOT

NUM_IMAGES = 21  # not a multiple of what two processes exchange at a time


def run_worker(images_dir: Path, out: Path, *, processes: int) -> list[dict[str, Any]]:
    """What each process found."""
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}"]
    command = [sys.executable, *(launcher if processes > 1 else []), "-m", "tests.integration.score_worker"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*command, str(images_dir), str(out)], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr + done.stdout
    return [torch.load(f"{out}.{rank}", weights_only=True) for rank in range(processes)]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Of one process, and of two."""
    folder = tmp_path_factory.mktemp("shared_score")
    (folder / "images").mkdir()
    rng = np.random.default_rng(0)
    for at in range(NUM_IMAGES):
        assert cv2.imwrite(str(folder / f"images/{at:02}.png"), rng.integers(0, 255, (64, 64, 3), dtype=np.uint8))
    return run_worker(folder / "images", folder / "one", processes=1), run_worker(
        folder / "images", folder / "two", processes=2
    )


def test_two_processes_learn_the_score_of_one(found: tuple[list[dict[str, Any]], list[dict[str, Any]]]) -> None:
    (one,), (first, second) = found
    assert one["arrays"].keys() == first["arrays"].keys() and "part.memory" in one["arrays"]
    different = [name for name, values in one["arrays"].items() if not torch.equal(values, first["arrays"][name])]
    assert not different
    assert second["arrays"] is None, "the first process alone learns"


def test_what_one_process_meets_is_raised_in_all(
    found: tuple[list[dict[str, Any]], list[dict[str, Any]]],
) -> None:
    (one,), both = found
    assert one["failure"] == "item 7: expected a good one, got a bad one"
    assert [process["failure"] for process in both] == ["item 7: expected a good one, got a bad one"] * 2
