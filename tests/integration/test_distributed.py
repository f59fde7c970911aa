"""Two processes under torchrun, on a CPU with gloo: one run's files, and a resume."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from anomdet.data.split_files import SPLITS
from anomdet.data.synth import generate
from anomdet.engine.checkpoint import load_checkpoint
from tests.integration.conftest import ROOT, named_files, write_settings


def run_torchrun(config: Path, *arguments: str) -> str:
    """``tools/dist_train.sh CONFIG 2 ...``, as a user runs it; returns what it printed."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PORT": str(port), "PATH": path}
    command = ["bash", str(ROOT / "tools" / "dist_train.sh"), str(config), "2", *arguments]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


def test_two_processes_leave_one_run_and_resume(data_dir: Path, tmp_path: Path) -> None:
    config = write_settings(tmp_path, data_dir, epochs=1, ema=True)
    output = run_torchrun(config)
    assert output.count("wrote:") == output.count("epoch 1/1") == 1
    assert all(path.is_file() for path in named_files(output))
    last = load_checkpoint(tmp_path / "checkpoints" / "last.pth")
    assert (last["meta"]["epoch"], last["meta"]["iter"]) == (1, 2)  # 16 images, 4 in a step of each of two processes
    assert not any(name.startswith("module.") for name in last["state_dict"])
    output = run_torchrun(config, "--resume", "--cfg-options", "training.epochs=2")
    assert "epoch 2/2" in output and "epoch 1/2" not in output
    assert load_checkpoint(tmp_path / "checkpoints" / "last.pth")["meta"]["iter"] == 4


def test_a_validation_of_unequal_parts_waits_for_nobody(data_dir: Path, tmp_path: Path) -> None:
    """Five images in batches of two: two batches for one process, one for the other, whose loss must not wait."""
    config = write_settings(tmp_path, data_dir, epochs=1, batch_size=2)
    names = sorted(path.name for path in (data_dir / "images").iterdir())
    settings = yaml.safe_load(config.read_text(encoding="utf-8"))
    settings["data"]["split_files"] = {}
    for split, part in (("train", names[:8]), ("val", names[8:13]), ("test", names[13:])):
        (tmp_path / f"{split}.txt").write_text("\n".join(part), encoding="utf-8")
        settings["data"]["split_files"][split] = str(tmp_path / f"{split}.txt")
    settings["distributed"] = {"timeout_minutes": 1}
    config.write_text(yaml.safe_dump(settings), encoding="utf-8")
    assert "val_loss" in run_torchrun(config)


def test_processes_hash_the_images_once_and_agree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second waits for the first, and finds its hashes in the cache; one of them speaks."""
    monkeypatch.setenv("ANOMDET_CACHE_DIR", str(tmp_path / "cache"))
    twin_dir = generate(tmp_path / "data", num_images=16, size_hw=(128, 128)).data_dir
    for folder in ("images", "labels"):
        for path in sorted((twin_dir / folder).iterdir())[:8]:
            shutil.copy(path, path.with_stem(f"{path.stem}_b"))
    config = write_settings(tmp_path, twin_dir)
    output = run_torchrun(config, "--cfg-options", "data.split.on_leak=group")
    assert output.count("8 pairs of near-duplicates joined: 16 groups of images") == 1
    assert len(list((tmp_path / "cache" / "leaks").glob("*.npz"))) == 1
    names = [line for name in SPLITS for line in (tmp_path / "logs" / "splits" / f"{name}.txt").read_text().split()]
    assert len(names) == len(set(names)) == 24
