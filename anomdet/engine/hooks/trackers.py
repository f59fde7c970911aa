"""Losses, rates and metrics for TensorBoard, MLflow or Weights & Biases, through MMEngine's visualization backends."""

from __future__ import annotations

import contextlib
import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner

from anomdet.documents.scalars import as_csv, read_epochs
from anomdet.engine.hooks.progress import as_numbers, memory_mib
from anomdet.errors import Problem, UserError
from anomdet.layout import SCALARS, TRAINING_CSV
from anomdet.outputs import write_text
from anomdet.registry import HOOKS

_PACKAGES = {
    "TensorboardVisBackend": "tensorboard",
    "anomdet.MLflowTracker": "mlflow",
    "MLflowVisBackend": "mlflow",
    "anomdet.WandbTracker": "wandb",
    "WandbVisBackend": "wandb",
}


@HOOKS.register_module()
class TrackerHook(Hook):
    """Hands the numbers to the Runner's visualizer, by iteration.

    Args:
        interval: iterations between two records of the loss.
    """

    priority = "VERY_LOW"

    def __init__(self, interval: int = 10) -> None:
        self.interval = interval
        self.visualizer: Any = None

    def before_train(self, runner: Runner) -> None:
        self.visualizer = runner.visualizer

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: dict[str, Any] | None = None
    ) -> None:
        if self.every_n_train_iters(runner, self.interval):
            losses = {f"train/{key}": value for key, value in as_numbers(outputs).items()}
            rate = runner.optim_wrapper.get_lr()["lr"][0]
            self._add(runner, {**losses, "train/lr": rate}, runner.iter + 1)

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        self._add(runner, {f"val/{key}": value for key, value in (metrics or {}).items()}, runner.iter)

    def _add(self, runner: Runner, scalars: dict[str, Any], step: int) -> None:
        """A tracker that cannot write, on a full disk mostly, is given up; the run continues."""
        if self.visualizer is None:
            return
        try:
            self.visualizer.add_scalars(scalars, step=step)
        except OSError as error:
            lost, self.visualizer = self.visualizer, None
            runner.logger.warning(
                f"logging.trackers: the numbers from step {step} on are not recorded "
                f"({error.strerror or error}); the run continues"
            )
            _close(lost)

    def close(self) -> None:
        """End the trackers' runs, however the training ended."""
        if self.visualizer is not None:
            _close(self.visualizer)


def _close(visualizer: Any) -> None:
    with contextlib.suppress(OSError):  # what they still hold has no room
        visualizer.close()


@HOOKS.register_module()
class ScalarsHook(Hook):
    """The numbers in ``<work_dir>/scalars.json``, one JSON object a line, as MMEngine's LoggerHook writes them.

    After each validation and at the end ``training.csv`` has the same by epoch.

    Args:
        interval: iterations between two records of the loss; an epoch's last one is recorded too.
    """

    priority = "VERY_LOW"

    def __init__(self, interval: int = 10) -> None:
        self.interval = interval
        self.path: Path | None = None

    def before_train(self, runner: Runner) -> None:
        if runner.rank != 0:
            return
        self.path = Path(runner.work_dir) / SCALARS
        if runner._resume and self.path.is_file():  # what was recorded after the checkpoint comes again
            lines = self.path.read_text(encoding="utf-8").splitlines(keepends=True)
            kept = [line for line in lines if _is_before(line, runner.iter, runner.epoch)]
            write_text(self.path, "".join(kept))

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: dict[str, Any] | None = None
    ) -> None:
        last = batch_idx + 1 == len(runner.train_dataloader)
        if self.path is None or not (last or self.every_n_train_iters(runner, self.interval)):
            return
        hub = runner.message_hub
        times = {name: float(hub.get_scalar(f"train/{name}").current()) for name in ("data_time", "time")}
        record = {"lr": runner.optim_wrapper.get_lr()["lr"][0], **times, **as_numbers(outputs)}
        where = {"epoch": runner.epoch + 1, "iter": runner.iter + 1, "memory": memory_mib(), "step": runner.iter + 1}
        self._write(runner, {**record, **where})

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        self._write(runner, {**{f"val/{key}": value for key, value in (metrics or {}).items()}, "step": runner.epoch})
        self._write_csv(runner)

    def after_train(self, runner: Runner) -> None:
        self._write_csv(runner)

    def _write_csv(self, runner: Runner) -> None:
        epochs = None if self.path is None else read_epochs(self.path)
        if self.path is None or epochs is None:
            return
        try:
            write_text(self.path.with_name(TRAINING_CSV), as_csv(epochs))
        except OSError as error:
            runner.logger.warning(f"{TRAINING_CSV} cannot be written: {error.strerror}")

    def _write(self, runner: Runner, record: dict[str, Any]) -> None:
        if self.path is None:
            return
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(record) + "\n")
        except OSError as error:  # a full disk ends no run: the checkpoints hold what counts
            runner.logger.warning(f"{self.path} cannot be written any more: {error.strerror}")
            self.path = None


def _is_before(line: str, iteration: int, epoch: int) -> bool:
    """Whether a record was made up to an iteration (of a step) or epoch (of a validation); one cut off is dropped."""
    try:
        record = json.loads(line)
        return bool(record["iter"] <= iteration if "iter" in record else record["step"] <= epoch)
    except (ValueError, LookupError, TypeError):
        return False


def check_packages(visualizer: dict[str, Any] | None) -> None:
    """See that each backend of a visualizer's config has its package.

    Raises:
        UserError: all that are missing.
    """
    wanted = [_PACKAGES.get(backend["type"], "") for backend in (visualizer or {}).get("vis_backends", [])]
    missing = [name for name in wanted if name and find_spec(name) is None]
    if missing:
        raise UserError(
            [Problem("logging.trackers", f"the package {name}", "none", f"pip install {name}") for name in missing]
        )
