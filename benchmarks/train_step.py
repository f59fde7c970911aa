"""A training step under the Runner, with workers and hooks, against a bare loop over ready batches.

    OMP_NUM_THREADS=1 python benchmarks/train_step.py

Both train the same network on the same batches, epoch by epoch in turn, in one process: the bare loop holds its
batches in memory and does nothing but preprocess, forward, backward, clip and step. The goal: at most 3 % slower.
"""

from __future__ import annotations

import argparse
import copy
import platform
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from anomdet.config.shipped import configs_dir
from anomdet.data.synth.generate import generate
from anomdet.workflows.build import build_runner, complete
from anomdet.workflows.fit_machine import for_machine
from anomdet.workflows.libraries import load_libraries
from anomdet.workflows.run_config import load_run

SKIPPED = 4  # the first steps of an epoch find prefetched batches waiting


def bare_epoch(model: Any, optimizer: torch.optim.Optimizer, batches: list[Any]) -> list[float]:
    """Seconds of each step of one pass over ready batches."""
    seconds = []
    for batch in batches:
        started = time.perf_counter()
        data = model.data_preprocessor(copy.deepcopy(batch), True)
        losses, _ = model.parse_losses(model(**data, mode="loss"))
        losses.backward()
        torch.nn.utils.clip_grad_norm_([p for p in model.parameters() if p.requires_grad], 35.0)
        optimizer.step()
        optimizer.zero_grad()
        seconds.append(time.perf_counter() - started)
    return seconds


def make_stopwatch(times: dict[str, list[float]]) -> Any:
    """A hook that times the Runner's steps from start to start, and runs the bare loop after each epoch."""
    from mmengine.hooks import Hook

    class Stopwatch(Hook):
        priority = "LOWEST"

        def before_train(self, runner: Any) -> None:
            self.model = copy.deepcopy(runner.model)
            groups = [p for p in self.model.parameters() if p.requires_grad]
            self.optimizer = torch.optim.AdamW(groups, lr=1e-4, fused=True)
            self.batches: list[Any] = []

        def before_train_epoch(self, runner: Any) -> None:
            self.steps: list[float] = []
            self.last = None

        def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
            now = time.perf_counter()
            if self.last is not None:
                self.steps.append(now - self.last)
            if runner.epoch == 0:
                self.batches.append(copy.deepcopy(data_batch))
            self.last = time.perf_counter() if runner.epoch == 0 else now

        def after_train_epoch(self, runner: Any) -> None:
            self.model.train()
            bare = bare_epoch(self.model, self.optimizer, self.batches)
            if runner.epoch > 0:  # the first epoch warms up and collects
                times["runner"] += self.steps[SKIPPED:]
                times["bare"] += bare[SKIPPED : len(self.steps)]
                times["ratio"].append(statistics.mean(self.steps[SKIPPED:]) / statistics.mean(bare[SKIPPED:]))

    return Stopwatch()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", default=str(configs_dir() / "demo.yaml"))
    parser.add_argument("--images", type=int, default=240)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("overrides", nargs="*", help="settings, key=value")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        generate(Path(folder) / "data", num_images=arguments.images)
        overrides = [
            f"data.data_dir={folder}/data",
            f"data.num_workers={arguments.workers}",
            f"logging.log_dir={folder}/logs",
            f"logging.checkpoint_dir={folder}/checkpoints",
            f"training.epochs={arguments.epochs + 1}",
            "training.val_interval=1000",
            "training.ema=false",
            "training.channels_last=false",
            "training.use_amp=false",
            *arguments.overrides,
        ]
        load_libraries()
        config, _ = for_machine(complete(load_run(arguments.config, overrides).config))
        config.val_dataloader = config.val_cfg = config.val_evaluator = None
        config.log_level = "WARNING"
        config.work_dir = folder
        runner = build_runner(config, log_name=None)
        times: dict[str, list[float]] = {"runner": [], "bare": [], "ratio": []}
        runner.register_hook(make_stopwatch(times))
        runner.train()
    machine = platform.processor() or platform.machine()
    print(f"{machine}, {torch.get_num_threads()} thread(s), torch {torch.__version__}")
    for name in ("runner", "bare"):
        print(f"{name:7s} median {1e3 * statistics.median(times[name]):8.1f} ms a step, {len(times[name])} steps")
    ratios = sorted(times["ratio"])
    print(f"ratio runner/bare, epoch by epoch: {', '.join(f'{ratio:.3f}' for ratio in ratios)}")
    print(f"median ratio {statistics.median(ratios):.3f} (goal <= 1.03)")


if __name__ == "__main__":
    main()
