"""Images a second of two processes with a thread each against one process with one thread.

    python benchmarks/ddp.py

Training steps of rtmdet_tiny on noise with boxes (only the network is timed, with its gradients shared): the same
images for each process, and each process on a core of its own. One and two processes are timed in turn, several times,
and two that share nothing: what the machine's memory and clock leave of twice the rate. Prints the rates and ratios.
"""

from __future__ import annotations

import argparse
import os
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

ROOT = Path(__file__).parents[1]


def pin() -> None:
    """To the core of this process's number, so that two do not take turns on one."""
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[int(os.environ.get("LOCAL_RANK", "0")) % len(cores)]})


def step_times(batch_size: int, steps: int) -> list[float]:
    """Seconds of each step of this process."""
    from anomdet.engine.distributed.buckets import settle_buckets
    from anomdet.engine.distributed.shared_averages import share_averages
    from anomdet.workflows.runs.libraries import load_libraries
    from benchmarks.precision import build, make_batch

    load_libraries()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = build(("model.name=rtmdet_tiny",), channels_last=False)
    inner = model
    if dist.is_initialized():
        share_averages(model)
        model = DistributedDataParallel(model, broadcast_buffers=False)
        settle_buckets(model)
    optimizer = torch.optim.SGD(inner.parameters(), lr=1e-4)
    batch = make_batch(batch_size)
    times = []
    for number in range(steps + 2):
        started = time.perf_counter()
        total, _ = inner.parse_losses(model(**inner.data_preprocessor(batch, True), mode="loss"))
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        if number >= 2:
            times.append(time.perf_counter() - started)
    return times


def worker(batch_size: int, steps: int, *, apart: bool) -> None:
    """One process; the first prints the median step."""
    pin()
    if int(os.environ.get("WORLD_SIZE", "1")) > 1 and not apart:
        dist.init_process_group("gloo")
    times = step_times(batch_size, steps)
    if int(os.environ.get("RANK", "0")) == 0:
        print(statistics.median(times))
    if dist.is_initialized():
        dist.destroy_process_group()


def measure(processes: int, batch_size: int, steps: int, *, apart: bool = False) -> float:
    """Images a second over all processes; ``apart``: they share no gradients."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    launcher = ["-m", "torch.distributed.run", f"--nproc_per_node={processes}", f"--master_port={port}"]
    command = [sys.executable, *(launcher if processes > 1 else []), "-m", "benchmarks.ddp", "--worker"]
    command += ["--batch-size", str(batch_size), "--steps", str(steps), *(["--apart"] if apart else [])]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    return processes * batch_size / float(done.stdout.split()[-1])


def main() -> None:
    """Print a line for each round, then the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worker", action="store_true", help="what each process does")
    parser.add_argument("--apart", action="store_true", help="workers that share no gradients")
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    if arguments.worker:
        worker(arguments.batch_size, arguments.steps, apart=arguments.apart)
        return
    sizes = arguments.batch_size, arguments.steps
    ratios, ceilings = [], []
    for number in range(arguments.rounds):
        one, two, apart = measure(1, *sizes), measure(2, *sizes), measure(2, *sizes, apart=True)
        ratios.append(two / one)
        ceilings.append(apart / one)
        print(
            f"round {number + 1}: one process {one:.2f} images/s, two {two:.2f} ({two / one:.2f}x), "
            f"two that share nothing {apart:.2f} ({apart / one:.2f}x)",
            flush=True,
        )
    print(f"median {statistics.median(ratios):.2f}x, of {statistics.median(ceilings):.2f}x without sharing")


if __name__ == "__main__":
    main()
