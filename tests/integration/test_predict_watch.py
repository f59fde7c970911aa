"""Files that arrive while the process that judges them is killed: the short run of benchmarks/watch.py."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.integration.conftest import ROOT


def test_each_file_is_judged_once_and_never_half_of_it() -> None:
    """60 files in all manners within 8 s, two SIGKILLs."""
    command = [sys.executable, "benchmarks/watch.py", "--files", "60", "--kills", "2", "--seconds", "8"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "judged twice: 0; not judged: 0; failed or half: 0" in done.stdout
    assert done.stdout.startswith("killed with ")
