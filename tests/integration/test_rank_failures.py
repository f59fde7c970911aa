"""One of two processes hangs, dies, fails or gets a signal; another number of processes goes on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from anomdet.engine.checkpoint import load_checkpoint
from tests.integration.conftest import ROOT, assert_same_weights, run_process, write_settings


def settings(folder: Path, data_dir: Path, kind: str, **training: Any) -> Path:
    path = write_settings(
        folder, data_dir, epochs=2, batch_size=1, val_loss=False, hooks=[{"type": "Mishap", "kind": kind}], **training
    )
    values = yaml.safe_load(path.read_text(encoding="utf-8"))
    values["plugins"] = ["tests.integration.mishaps"]
    values["distributed"] = {"timeout_minutes": 4}
    path.write_text(yaml.safe_dump(values), encoding="utf-8")
    return path


def run(config: Path, *arguments: str) -> tuple[int, str]:
    """Two processes under torchrun: exit code, what they wrote."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    command += [str(ROOT / "train.py"), "--config", str(config), *arguments]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=200)
    return done.returncode, done.stdout + done.stderr


def only_error(output: str) -> str:
    """What the processes said of the end, without torchrun's own lines."""
    found = [line for line in output.splitlines() if "error: " in line or line.startswith("rank ")]
    assert len(found) == 1, output
    return found[0]


def test_a_signal_to_one_saves_the_step_of_all_and_a_resume_ends_the_same(data_dir: Path, tmp_path: Path) -> None:
    whole = settings(tmp_path / "whole", data_dir, "none", accumulation_steps=2)
    code, output = run(whole)
    assert code == 0, output
    assert output.count("all have this") == 1
    assert output.count("one has this") == output.count("rank 1: one has this") == 1
    log = (whole.parent / "logs" / "training.log").read_text(encoding="utf-8")
    assert "rank 1: one has this" in log

    config = settings(tmp_path / "broken", data_dir, "SIGTERM", accumulation_steps=2)
    code, output = run(config)
    assert code != 0
    assert output.count("interrupted; ") == 1 and "error: " not in output, output
    last = config.parent / "checkpoints" / "last.pth"
    meta = load_checkpoint(last)["meta"]
    assert meta["epoch"] == 0 and 2 < meta["batch"] < 8 and meta["batch"] % 2 == 0 and meta["iter"] == meta["batch"]
    kept = last.read_bytes()
    code, output = run(config, "--resume", "training.hooks=[]")
    assert code == 0, output
    assert_same_weights(whole.parent / "checkpoints" / "last.pth", last)

    # And from the same checkpoint with one process: an epoch of 16 batches in place of 8.
    last.write_bytes(kept)
    output = run_process(ROOT / "train.py", "--config", config, "--resume", "training.hooks=[]", cwd=ROOT)
    assert "resumed with 1 process, the checkpoint had 2: 1 images a step in place of 2, 16 batches" in output
    assert load_checkpoint(last)["meta"]["iter"] == 32


def test_a_hung_process_ends_the_job_and_is_named(data_dir: Path, tmp_path: Path) -> None:
    code, output = run(settings(tmp_path, data_dir, "sleep"))
    assert code != 0
    line = only_error(output)
    assert line.startswith("error: rank 1 (host ") and "has not moved for" in line, output
    assert "since the end of batch 3 of epoch 1: in a hook (mishaps.py:" in line


@pytest.mark.slow
def test_a_stopped_process_too(data_dir: Path, tmp_path: Path) -> None:
    code, output = run(settings(tmp_path, data_dir, "SIGSTOP"))
    assert code != 0
    line = only_error(output)
    assert line.startswith("error: rank 1 (host ") and "is stopped" in line, output


def test_a_dead_process_is_named(data_dir: Path, tmp_path: Path) -> None:
    code, output = run(settings(tmp_path, data_dir, "SIGKILL"))
    assert code != 0
    line = only_error(output)
    assert line.startswith("error: rank 1 (host ") and "ended without a word" in line, output
    assert "gloo" not in output


def test_the_error_of_one_process_is_told_once_with_its_rank(data_dir: Path, tmp_path: Path) -> None:
    code, output = run(settings(tmp_path, data_dir, "raise"))
    assert code != 0
    line = only_error(output)
    assert line.startswith("rank 1 (host ") and "a plug-in's own fault" in line, output


def test_a_signal_outside_the_steps_is_no_kill(data_dir: Path, tmp_path: Path) -> None:
    """To one process, in a validation."""
    code, output = run(settings(tmp_path, data_dir, "SIGTERM in a validation"))
    assert code != 0 and "error: " not in output and "killed" not in output, output
    assert output.count("interrupted") == 1, output
    assert load_checkpoint(tmp_path / "checkpoints" / "last.pth")["meta"]["batch"] == 8
