"""A training step under the Runner, with workers and hooks, against a bare loop over ready batches.

    OMP_NUM_THREADS=1 python benchmarks/train_step.py

Both train the same network on the same batches, step by step in turn, in one process: the bare loop does nothing but
preprocess, forward, backward, clip and step. What a step of the Runner takes runs from the end of the bare step before
it to the end of its last hook, waiting for data included. Two ratios: by the clock, and by the processor time of this
process, which other work on the machine disturbs less. The goal: at most 3 % slower.
"""

from __future__ import annotations

import argparse
import copy
import platform
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from anomdet.config.shipped import configs_dir
from anomdet.data.synth.generate import generate
from anomdet.workflows.runs.build import build_runner, complete
from anomdet.workflows.runs.fit_machine import for_machine
from anomdet.workflows.runs.libraries import load_libraries
from anomdet.workflows.runs.run_config import load_run

SKIPPED = 4  # the first steps of an epoch find prefetched batches waiting


def now() -> np.ndarray:
    """Seconds by the clock and of this process's processor time."""
    return np.array([time.perf_counter(), time.process_time()])


def bare_step(model: Any, optimizer: torch.optim.Optimizer, batch: Any) -> np.ndarray:
    """One step on a ready batch; its seconds, as :func:`now` counts them."""
    started = now()
    data = model.data_preprocessor(batch, True)
    losses, _ = model.parse_losses(model(**data, mode="loss"))
    losses.backward()
    torch.nn.utils.clip_grad_norm_([p for p in model.parameters() if p.requires_grad], 35.0)
    optimizer.step()
    optimizer.zero_grad()
    taken: np.ndarray = now() - started
    return taken


def make_stopwatch(times: dict[str, list[np.ndarray]]) -> Any:
    """A hook that times the Runner's steps, and runs the bare loop's step on the same batch after each."""
    from mmengine.hooks import Hook

    class Stopwatch(Hook):
        priority = "LOWEST"

        def before_train(self, runner: Any) -> None:
            self.model = copy.deepcopy(runner.model)
            groups = [p for p in self.model.parameters() if p.requires_grad]
            self.optimizer = torch.optim.AdamW(groups, lr=1e-4, fused=True)

        def before_train_epoch(self, runner: Any) -> None:
            self.model.train()
            self.started = now()

        def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
            copying = now()
            self.batch = copy.deepcopy(data_batch)
            self.started += now() - copying

        def after_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
            taken = now() - self.started
            bare = bare_step(self.model, self.optimizer, self.batch)
            if runner.epoch > 0 and batch_idx >= SKIPPED:  # the first epoch warms up
                times["runner"].append(taken)
                times["bare"].append(bare)
            self.started = now()

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
        times: dict[str, list[np.ndarray]] = {"runner": [], "bare": []}
        runner.register_hook(make_stopwatch(times))
        runner.train()
    machine = platform.processor() or platform.machine()
    print(f"{machine}, {torch.get_num_threads()} thread(s), torch {torch.__version__}")
    runner_s, bare_s = (np.array(times[name]) for name in ("runner", "bare"))
    for column, clock in enumerate(("by the clock", "processor time")):
        ours, theirs = runner_s[:, column], bare_s[:, column]
        print(
            f"{clock}: runner median {1e3 * np.median(ours):.1f} ms, bare {1e3 * np.median(theirs):.1f} ms, "
            f"ratio of sums {ours.sum() / theirs.sum():.3f}, median of {len(ours)} ratios "
            f"{np.median(ours / theirs):.3f} (goal <= 1.03)"
        )


if __name__ == "__main__":
    main()
