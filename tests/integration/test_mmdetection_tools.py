"""MMDetection's own tools on the configs and checkpoints of a run of ours."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import mmdet
import pytest

from tests.integration.conftest import Trained, assert_same_weights

pytestmark = pytest.mark.slow
TOOLS = Path(mmdet.__file__).parent / ".mim" / "tools"


def test_mmdetections_train_gives_the_same_weights_and_no_warning_of_ours(trained: Trained, tmp_path: Path) -> None:
    command = [sys.executable, "-W", "default", TOOLS / "train.py", trained.log_dir / "config.py"]
    command += ["--work-dir", tmp_path / "logs", "--cfg-options"]
    command += [f"default_hooks.checkpoint.out_dir={tmp_path / 'checkpoints'}"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(map(str, command), cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    ours = [line for line in done.stderr.splitlines() if "/anomdet/" in line]
    assert not ours
    assert_same_weights(trained.checkpoint_dir / "last.pth", tmp_path / "checkpoints" / "last.pth")
