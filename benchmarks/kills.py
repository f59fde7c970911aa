"""Kill a training at random moments, resume it, and compare its weights with an undisturbed run's, bit for bit.

    OMP_NUM_THREADS=1 python benchmarks/kills.py --kills 30 --in-writes 10 --full-disks 5

Each kill is a SIGKILL to a training in a process of its own. Some come in the middle of writing a checkpoint, the
others at random moments of the training, from its first step on. A full disk is one that has no room for the second
half of a checkpoint: the system's own error (of /dev/full) ends the training. Ends with exit code 1 if any resume fails
or any number in the final checkpoint differs: weights, averages, optimizer, schedules, counts and history.

The parts of a long series run one after the other: ``--first 11`` begins with the eleventh.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
import yaml

from anomdet.data.synth.generate import generate
from anomdet.engine.checkpoint import load_checkpoint
from anomdet.layout import MANIFEST

ROOT = Path(__file__).parents[1]
WRITES = 7  # of checkpoints in four epochs, at least
# A plug-in that writes half a checkpoint and dies, or finds the disk full; which one stands in an environment variable.
KILLER = """
import io, os, signal
import torch

save, count = torch.save, 0

def half_a_save(content, file):
    global count
    count += 1
    is_full = str(count) == os.environ.get("FULL_IN_WRITE")
    if not is_full and str(count) != os.environ.get("KILL_IN_WRITE"):
        return save(content, file)
    buffer = io.BytesIO()
    save(content, buffer)
    file.write(buffer.getvalue()[: buffer.tell() // 2])
    file.flush()
    if is_full:
        with open("/dev/full", "wb", buffering=0) as full:
            full.write(b"x")
    os.kill(os.getpid(), signal.SIGKILL)

torch.save = half_a_save
"""


def write_settings(folder: Path, data_dir: Path, epochs: int) -> Path:
    """A small network with everything that has a state: averages, early stopping, augmentation, a schedule."""
    small = {"neck": {"out_channels": 32}, "bbox_head": {"in_channels": 32, "feat_channels": 32}}
    settings = {
        "model": {"name": "rtmdet_tiny", "backbone": "efficientnet_lite0", "overrides": small},
        "training": {"epochs": epochs, "batch_size": 4, "optimizer": "adamw", "ema": True, "val_interval": 2},
        "data": {"data_dir": str(data_dir), "image_size": 96, "num_workers": 1},
        "logging": {
            "log_dir": str(folder / "logs"),
            "checkpoint_dir": str(folder / "checkpoints"),
            "log_level": "DEBUG",
        },
        "plugins": ["killer"],
    }
    folder.mkdir(parents=True)
    (folder / "killer.py").write_text(KILLER, encoding="utf-8")
    path = folder / "run.yaml"
    path.write_text(yaml.safe_dump(settings), encoding="utf-8")
    return path


def start(folder: Path, *arguments: str, **environment: str) -> subprocess.Popen[bytes]:
    """A training in a process of its own."""
    command = [sys.executable, str(ROOT / "train.py"), "--config", "run.yaml", *arguments]
    with (folder / "output.txt").open("ab") as output:
        return subprocess.Popen(
            command, cwd=folder, env={**os.environ, **environment}, stdout=output, stderr=subprocess.STDOUT
        )


def wait_for(path: Path, process: subprocess.Popen[bytes]) -> None:
    """Until the file is there, or the process has ended."""
    while not path.exists() and process.poll() is None:
        time.sleep(0.005)


def wait_for_batches(log: Path, count: int, process: subprocess.Popen[bytes]) -> None:
    """Until the log tells of so many batches, or the process has ended."""
    wait_for(log, process)
    while log.read_bytes().count(b" batch ") < count and process.poll() is None:
        time.sleep(0.005)


def fill_the_disk(folder: Path, in_write: int) -> str:
    """Start a training whose disk is full in the middle of a checkpoint; returns where."""
    process = start(folder, FULL_IN_WRITE=str(in_write))
    process.wait()
    said = (folder / "output.txt").read_text(encoding="utf-8")
    assert process.returncode == 2 and "expected room to write the checkpoint" in said, said[-1000:]
    return f"by a full disk in write {in_write}"


def kill_somewhere(folder: Path, num_batches: int, in_write: int | None) -> str:
    """Start a training and kill it; returns where."""
    if in_write is not None:
        process = start(folder, KILL_IN_WRITE=str(in_write))
        process.wait()
        assert process.returncode == -signal.SIGKILL
        return f"in write {in_write} of a checkpoint"
    process = start(folder)
    batches, after_s = random.randrange(num_batches), random.uniform(0, 0.5)
    wait_for_batches(folder / "logs" / "training.log", batches, process)
    time.sleep(after_s)
    process.kill()
    process.wait()
    return f"{after_s:.2f} s after batch {batches} of {num_batches}"


def differences(one: Any, other: Any, where: str = "") -> list[str]:
    """Where two checkpoints differ, but for folders and clocks."""
    if "time" in where.rpartition(".")[2] or where.endswith(".cfg"):
        return []
    if isinstance(one, dict):
        keys = [] if one.keys() == other.keys() else [f"{where}: other keys"]
        return keys + [
            found for key in one if key in other for found in differences(one[key], other[key], f"{where}.{key}")
        ]
    if isinstance(one, (list, tuple)):
        pairs = zip(one, other, strict=False)
        return [f for i, (a, b) in enumerate(pairs) for f in differences(a, b, f"{where}.{i}")] + (
            [] if len(one) == len(other) else [f"{where}: other length"]
        )
    if isinstance(one, torch.Tensor):
        return [] if torch.equal(one, other) else [where]
    if hasattr(one, "data"):  # MMEngine's history of a number
        return [] if all((a == b).all() for a, b in zip(one.data, other.data, strict=True)) else [where]
    return [] if one == other else [where]


def resumed(folder: Path, expected: dict[str, Any]) -> tuple[str, list[str]]:
    """From where a stopped training was resumed, and where its last checkpoint differs from the expected one."""
    last = folder / "checkpoints" / "last.pth"
    meta = load_checkpoint(last)["meta"] if last.exists() else None
    at = f"epoch {meta['epoch']}, batch {meta['batch']}" if meta else "no checkpoint yet: begun again"
    code = start(folder, *(["--resume"] if meta else [])).wait()
    found = differences(expected, load_checkpoint(last)) if code == 0 else [f"exit code {code}"]
    left = sorted(path.name for path in (folder / "checkpoints").iterdir() if path.name.startswith("."))
    return at, found + [f"left behind: {name}" for name in left if name != MANIFEST]


def main() -> int:
    """Print the outcome of each kill."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--in-writes", type=int, default=3, help="of the kills, the first so many")
    parser.add_argument("--full-disks", type=int, default=1, help="after the kills")
    parser.add_argument("--first", type=int, default=1, help="the number of the first, of a series in parts")
    parser.add_argument("--last", type=int, help="the number of the last")
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as parent:
        base = Path(parent)
        generate(base / "data", num_images=32, size_hw=(96, 96))
        whole = base / "whole"
        write_settings(whole, base / "data", arguments.epochs)
        process = start(whole)
        assert process.wait() == 0, (whole / "output.txt").read_text(encoding="utf-8")
        expected = load_checkpoint(whole / "checkpoints" / "last.pth")
        last = arguments.last or arguments.kills + arguments.full_disks
        bad, numbers = 0, range(arguments.first - 1, last)
        for number in numbers:
            random.seed(f"{arguments.seed} {number}")
            folder = base / f"kill_{number}"
            write_settings(folder, base / "data", arguments.epochs)
            if number < arguments.kills:
                in_write = 1 + number % WRITES if number < arguments.in_writes else None
                where = f"killed {kill_somewhere(folder, expected['meta']['iter'], in_write)}"
            else:
                where = f"ended {fill_the_disk(folder, 1 + 2 * (number - arguments.kills) % WRITES)}"
            at, found = resumed(folder, expected)
            bad += bool(found)
            print(f"{number + 1:3d}  {where:40s} {at:32s} {'equal' if not found else found[:3]}", flush=True)
            shutil.rmtree(folder)
    print(f"{len(numbers) - bad} of {len(numbers)} equal")
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
