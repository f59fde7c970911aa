"""OpenVINO beside the rest of a process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

openvino = pytest.importorskip("openvino")

LINES = """
import signal, sys, threading
from pathlib import Path
from anomdet.inference.backends.openvino import open_graph
kept = [open_graph(Path(sys.argv[1]), "cpu", 1)]
other = threading.Thread(target=kept.clear)
other.start()
other.join()
try:
    signal.raise_signal(signal.SIGINT)
except KeyboardInterrupt:
    print("interrupted")
"""


def test_a_network_let_go_by_another_thread_leaves_signals_alone(tmp_path: Path) -> None:
    """On a machine with AMX, OpenVINO frees the stack on which the handler would run: the process would be killed."""
    given = openvino.opset11.parameter([1, 3], name="given")
    openvino.save_model(openvino.Model([openvino.opset11.relu(given)], [given]), tmp_path / "model.xml")
    command = [sys.executable, "-c", LINES, str(tmp_path / "model.xml")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "interrupted\n"), done.stderr
