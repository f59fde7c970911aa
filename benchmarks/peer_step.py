"""A training step of the preset `cpu_small` beside one of an Ultralytics model, in turn, in processor time an image.

    python -m venv peers && peers/bin/pip install ultralytics        # its own environment: AGPL-3.0, never ours
    OMP_NUM_THREADS=1 taskset -c 0 python benchmarks/peer_step.py --peer-python peers/bin/python --sizes 320

Both run on one thread, on batches of equal size with equally many objects, in a process of their own; they never run at
the same time. A step is forward, loss, backward, clipping, optimizer and averaged weights, without the reading of
images: AnomDet's under MMEngine's Runner with all its hooks, bfloat16 where the CPU has AMX or AVX-512 BF16;
Ultralytics' with its trainer's parts, in float32 as it trains on a CPU.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

OBJECTS = 3  # an image


def say(seconds: float) -> None:
    """To the parent process; then wait for its word."""
    print(f"step {seconds}", flush=True)
    if not sys.stdin.readline():
        sys.exit(0)


def anomdet_steps(size_px: int, batch_size: int) -> None:
    """Steps of the Runner, for ever."""
    from mmengine.hooks import Hook

    from anomdet.config.shipped import configs_dir
    from anomdet.data.synth.generate import generate
    from anomdet.workflows.runs.build import build_runner, complete
    from anomdet.workflows.runs.fit_machine import for_machine
    from anomdet.workflows.runs.libraries import load_libraries
    from anomdet.workflows.runs.run_config import load_run

    class Stopwatch(Hook):
        priority = "LOWEST"

        def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
            self.started = time.process_time()

        def after_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
            say(time.process_time() - self.started)

    with tempfile.TemporaryDirectory() as folder:
        generate(Path(folder) / "data", num_images=240)
        overrides = [
            *(f"data.data_dir={folder}/data", "data.num_workers=0", f"data.image_size={size_px}"),
            *(f"logging.log_dir={folder}/logs", f"logging.checkpoint_dir={folder}/checkpoints"),
            *("training.epochs=1000", "training.val_interval=1000", f"training.batch_size={batch_size}"),
        ]
        load_libraries()
        config, _ = for_machine(complete(load_run(configs_dir() / "cpu_small.yaml", overrides).config))
        config.val_dataloader = config.val_cfg = config.val_evaluator = None
        config.log_level, config.work_dir = "ERROR", folder
        runner = build_runner(config, log_name=None)
        runner.register_hook(Stopwatch())
        runner.train()


def ultralytics_steps(model_name: str, size_px: int, batch_size: int) -> None:
    """Steps with the parts of Ultralytics' trainer, for ever."""
    import torch
    from ultralytics.cfg import get_cfg
    from ultralytics.nn.tasks import DetectionModel
    from ultralytics.utils.torch_utils import ModelEMA

    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = DetectionModel(f"{model_name}.yaml", nc=5, verbose=False)
    model.args = get_cfg()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    ema = ModelEMA(model)
    count = batch_size * OBJECTS
    batch = {
        "img": torch.rand(batch_size, 3, size_px, size_px),
        "cls": torch.randint(0, 5, (count, 1)).float(),
        "bboxes": torch.cat([0.2 + 0.6 * torch.rand(count, 2), 0.05 + 0.2 * torch.rand(count, 2)], 1),
        "batch_idx": torch.arange(batch_size).repeat_interleave(OBJECTS).float(),
    }
    model.train()
    while True:
        started = time.process_time()
        loss, _ = model(batch)
        loss.sum().backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm=10.0)
        optimizer.step()
        optimizer.zero_grad()
        ema.update(model)
        say(time.process_time() - started)


class Worker:
    """One trainer in its own process, which stands still until it is asked for a step."""

    def __init__(self, python: str, *more: str) -> None:
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "YOLO_OFFLINE": "true", "NO_ALBUMENTATIONS_UPDATE": "1"}
        pipes = dict(stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        command = [python, __file__, "--peer-python", python, *more]
        self.process: Any = subprocess.Popen(command, text=True, env=environment, **pipes)  # type: ignore[call-overload]
        self.first = True

    def step(self) -> float:
        """Seconds of the next step."""
        if not self.first:
            self.process.stdin.write("\n")
            self.process.stdin.flush()
        self.first = False
        while line := self.process.stdout.readline():
            if line.startswith("step "):
                return float(line.split()[1])
        raise SystemExit(f"{self.process.args} ended")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer-python", required=True, help="of an environment with ultralytics")
    parser.add_argument("--models", nargs="*", default=["yolo11n"])
    parser.add_argument("--sizes", nargs="*", type=int, default=[320])
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker == "anomdet":
        anomdet_steps(args.sizes[0], args.batch_size)
    elif args.worker:
        ultralytics_steps(args.worker, args.sizes[0], args.batch_size)
    else:
        compare(args)


def compare(args: argparse.Namespace) -> None:
    """The median of the paired ratios, for each size and model."""
    import numpy as np

    print(f"{platform.processor() or platform.machine()}, one thread, batches of {args.batch_size}, {args.steps} steps")
    for size_px in args.sizes:
        common = ["--sizes", str(size_px), "--batch-size", str(args.batch_size)]
        workers = {"anomdet": Worker(sys.executable, "--worker", "anomdet", *common)}
        workers |= {name: Worker(args.peer_python, "--worker", name, *common) for name in args.models}
        seconds: dict[str, list[float]] = {name: [] for name in workers}
        for at in range(args.steps + 4):  # the first ones warm up
            for name in list(workers)[:: 1 if at % 2 else -1]:
                taken = workers[name].step()
                if at >= 4:
                    seconds[name].append(taken / args.batch_size)
        for worker in workers.values():
            worker.process.kill()
        ours = np.array(seconds["anomdet"])
        for name, values in seconds.items():
            ratio = np.median(ours / np.array(values))
            print(f"{size_px} px, {name}: {1e3 * np.median(values):.1f} ms an image; AnomDet takes {ratio:.2f} of it")


if __name__ == "__main__":
    main()
