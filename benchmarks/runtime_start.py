"""Processor time and memory from nothing to the first result, in the environment of `pip install anomdet[runtime]`.

    python benchmarks/runtime_start.py --python /path/to/runtime/bin/python --model exported --image part.png [--num 10]

A new process each time. `load` is what a program of yours pays (import, open the folder, one image), `predict` the
command with its output folder. `bare` is the least that is possible: numpy, OpenCV and ONNX Runtime alone, the same
network and one image of zeros. In turn, one thread; medians. Bars: 0.5 s and 160 MB for `load`.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import tempfile
from pathlib import Path

LOAD = "import sys, anomdet; anomdet.load(sys.argv[1], threads=1)(sys.argv[2])"
BARE = """
import sys, json, numpy as np, cv2, onnxruntime as ort
from pathlib import Path
manifest = json.loads((Path(sys.argv[1]) / "manifest.json").read_text())
options = ort.SessionOptions(); options.intra_op_num_threads = 1
session = ort.InferenceSession(str(Path(sys.argv[1]) / manifest["network"]["file"]), options)
height, width = manifest["artifact"]["preprocessing"]["size_hw"]
cv2.imread(sys.argv[2])
feeds = {"images": np.zeros((1, height, width, 3), np.uint8), "sizes": np.array([[height, width]])}
session.run(None, {**feeds, "threshold": np.array(0.5, np.float32)})
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--image", type=Path, required=True)
    parser.add_argument("--num", type=int, default=10)
    args = parser.parse_args()
    found: dict[str, list[tuple[float, float]]] = {"bare": [], "load": [], "predict": []}
    with tempfile.TemporaryDirectory() as folder:
        for at in range(args.num):
            given = [str(args.model.resolve()), str(args.image.resolve())]
            out = ["--out", f"{folder}/{at}"]
            found["bare"].append(measure([args.python, "-c", BARE, *given], folder))
            found["load"].append(measure([args.python, "-c", LOAD, *given], folder))
            found["predict"].append(measure([args.python.parent / "anomdet", "predict", *given, *out], folder))
    for name, runs in found.items():
        seconds, megabytes = (statistics.median(column) for column in zip(*runs, strict=True))
        least = min(run[0] for run in runs)
        print(f"{name:8} {seconds:.2f} s of processor time (least {least:.2f}), {megabytes:.0f} MB")


def measure(command: list[str | Path], folder: str) -> tuple[float, float]:
    """Seconds of processor time and megabytes at most, of one process."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    process = subprocess.Popen(
        command, cwd=folder, env={**environment, "OMP_NUM_THREADS": "1"}, stdout=subprocess.DEVNULL
    )
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, command
    scale = 1 if os.uname().sysname == "Darwin" else 1024
    return used.ru_utime + used.ru_stime, used.ru_maxrss * scale / 1e6


if __name__ == "__main__":
    main()
