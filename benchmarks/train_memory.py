"""Peak memory of a training step, by preset, image size and batch: the figures behind `anomdet init`'s batch size.

    python benchmarks/train_memory.py cpu_small default

Each case is the real training command in a process of its own, on drawn images that a child process loads, so that the
peak is the step's. Weights are random, but what the preset freezes stays frozen. Then a line through the peaks:
peak = fixed + slope * batch * megapixels of the network's input. On a CPU, in float32; a GPU holds the same tensors,
most of them in half the bytes with mixed precision.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from anomdet.config.load import load_settings
from anomdet.config.translate import to_mmengine
from anomdet.data.synth.generate import generate

CONFIGS = Path(__file__).parents[1] / "configs"
NUM_STEPS = 2  # the second has the optimizer's state too
CASES = {"cpu_small": ((320, 2), (320, 8), (640, 2), (640, 8)), "default": ((320, 1), (320, 3), (640, 1))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("presets", nargs="*", default=["cpu_small"], choices=sorted(CASES))
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        generate(folder / "data", num_images=15, size_hw=(320, 320), normal_share=0.1)
        for preset in args.presets:
            measure(preset, folder)


def measure(preset: str, folder: Path) -> None:
    rows, peaks = [], []
    for size, batch in CASES[preset]:
        peak_mb = peak_of(write_config(preset, folder, size, batch), folder)
        rows.append((1.0, batch * size * size / 1e6))
        peaks.append(peak_mb)
        print(f"{preset}: {size} px, batch {batch}: peak {peak_mb:,.0f} MB", flush=True)
    (fixed, slope), *_ = np.linalg.lstsq(np.array(rows), np.array(peaks), rcond=None)
    residual = np.array(rows) @ np.array([fixed, slope]) - peaks
    print(f"{preset}: {fixed:,.0f} MB + {slope:,.0f} MB a megapixel; off by at most {abs(residual).max():,.0f} MB")


def write_config(preset: str, folder: Path, size: int, batch: int) -> Path:
    settings = load_settings(
        CONFIGS / f"{preset}.yaml",
        [
            f"data.data_dir={folder / 'data'}",
            "data.num_workers=1",
            f"data.image_size={size}",
            f"training.batch_size={batch}",
            "training.epochs=1",
            "training.use_amp=false",
            "training.val_loss=false",
            f"logging.log_dir={folder / 'logs'}",
            f"logging.checkpoint_dir={folder / 'checkpoints'}",
        ],
    )
    config = to_mmengine(settings)
    config.load_from = None
    for part in ("backbone", "neck", "rpn_head", "roi_head", "bbox_head"):
        if isinstance(config.model.get(part), dict):
            config.model[part].pop("init_cfg", None)
    path = folder / f"{preset}_{size}_{batch}.py"
    path.write_text(config.pretty_text)
    return path


def peak_of(config: Path, folder: Path) -> float:
    """VmHWM of the training process after some steps, in MB; it is killed then."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(CONFIGS.parent / "train.py"), "--config", str(config)]
    with (folder / "output.txt").open("w") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=environment, cwd=folder)
        peak_mb = 0.0
        while process.poll() is None:
            status = Path(f"/proc/{process.pid}/status").read_text()
            found = re.search(r"VmHWM:\s+(\d+)", status)
            peak_mb = max(peak_mb, int(found[1]) / 1024) if found else peak_mb
            done = re.findall(r"batch (\d+)/", (folder / "output.txt").read_text())
            if done and int(done[-1]) >= NUM_STEPS:
                process.kill()
            time.sleep(0.2)
    if process.returncode not in (0, -signal.SIGKILL):
        raise SystemExit((folder / "output.txt").read_text()[-2000:])
    return peak_mb


if __name__ == "__main__":
    main()
