"""Shared memory as small as in a container: a run uses as many loader processes as it has room for, and ends."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.conftest import write_settings

# 8 images of 3 x 96 x 96 bytes are more than 0.2 MB; two processes prefetch four batches.
SMALL = 'mount -t tmpfs -o size=512k tmpfs /dev/shm && exec "$@"'


def in_small_memory(*command: str | Path) -> list[str]:
    """The command with a /dev/shm of its own."""
    return ["unshare", "--mount", "bash", "-c", SMALL, "bash", *map(str, command)]


@pytest.fixture(autouse=True)
def allowed() -> None:
    if shutil.which("unshare") is None or subprocess.run(in_small_memory("true"), capture_output=True).returncode:
        pytest.skip("no right to mount a /dev/shm of its own")


def test_a_run_with_workers_ends_and_says_what_it_did(data_dir: Path, tmp_path: Path) -> None:
    config = write_settings(tmp_path, data_dir, batch_size=8)
    train = (sys.executable, "-m", "anomdet", "train", "-c", config, "data.num_workers=2")
    done = subprocess.run(in_small_memory(*train), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "train_dataloader: 2 workers need" in done.stdout and "--shm-size=1g" in done.stdout
    assert (tmp_path / "checkpoints" / "last.pth").is_file()
