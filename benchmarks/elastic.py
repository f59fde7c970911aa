"""Kill each process of a distributed training in turn: torchrun starts them again, and the weights end the same.

    OMP_NUM_THREADS=1 python benchmarks/elastic.py

A small training of two processes on made-up parts, first without a break; then, once for each rank, with that process
killed (SIGKILL) in the second epoch. ``--max-restarts`` and ``--resume`` go on from last.pth. Prints the outcomes.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
import yaml

from anomdet.data.synth.generate import generate

ROOT = Path(__file__).parents[1]


def settings(folder: Path, data_dir: Path, epochs: int) -> Path:
    """A YAML file of a training of seconds."""
    values = {
        "model": {"name": "rtmdet_tiny", "backbone": "efficientnet_lite0", "pretrained": False},
        "training": {"epochs": epochs, "batch_size": 4, "use_amp": False, "val_interval": epochs},
        "data": {"data_dir": str(data_dir), "image_size": 96, "num_workers": 0},
        "logging": {"log_dir": str(folder / "logs"), "checkpoint_dir": str(folder / "checkpoints")},
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "run.yaml"
    path.write_text(yaml.safe_dump(values), encoding="utf-8")
    return path


def start(config: Path, processes: int) -> subprocess.Popen[str]:
    """torchrun, which may start the processes again."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "torch.distributed.run", f"--nproc_per_node={processes}", "--max-restarts=2"]
    command += [f"--master_port={port}", str(ROOT / "train.py"), "--config", str(config), "--resume"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with (config.parent / "output.txt").open("w", encoding="utf-8") as output:
        return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=output, text=True)


def rank_process(parent: int, rank: int) -> int | None:
    """The process of a rank, among the children of torchrun."""
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text(encoding="ascii").split()
    for child in children:
        try:
            variables = Path(f"/proc/{child}/environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if f"RANK={rank}".encode() in variables:
            return int(child)
    return None


def weights_hash(folder: Path) -> str:
    """Of the last checkpoint's weights."""
    state = torch.load(folder / "checkpoints" / "last.pth", weights_only=False)["state_dict"]
    digest = hashlib.sha256()
    for name in sorted(state):
        digest.update(state[name].contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def run(config: Path, processes: int, kill_rank: int | None) -> tuple[str, int]:
    """One training; returns the hash of its weights and how often the processes were started."""
    job = start(config, processes)
    log = config.parent / "logs" / "training.log"
    killed = False
    while job.poll() is None:
        time.sleep(0.02)
        text = log.read_text(encoding="utf-8") if log.is_file() else ""
        if kill_rank is not None and not killed and "epoch 1/" in text:
            victim = rank_process(job.pid, kill_rank)
            if victim is not None:
                os.kill(victim, signal.SIGKILL)
                killed = True
    output = (config.parent / "output.txt").read_text(encoding="utf-8")
    assert job.returncode == 0, output[-3000:]
    assert killed == (kill_rank is not None), "the training ended before the kill"
    return weights_hash(config.parent), output.count("images a step")


def main() -> None:
    """Print a line for each training."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        base = Path(name)
        generate(base / "data", num_images=48, seed=0)
        expected, starts = run(settings(base / "whole", base / "data", arguments.epochs), arguments.processes, None)
        print(f"without a break          {expected}  {starts} start", flush=True)
        for rank in range(arguments.processes):
            config = settings(base / f"rank_{rank}", base / "data", arguments.epochs)
            found, starts = run(config, arguments.processes, rank)
            verdict = "equal" if found == expected else "DIFFERENT"
            print(f"rank {rank} killed in epoch 2   {found}  {starts} starts  {verdict}", flush=True)
            assert found == expected


if __name__ == "__main__":
    main()
