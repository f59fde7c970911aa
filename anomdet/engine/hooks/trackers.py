"""Losses, rates and metrics for TensorBoard, MLflow or Weights & Biases, through MMEngine's visualization backends."""

from __future__ import annotations

import contextlib
from importlib.util import find_spec
from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner

from anomdet.errors import Problem, UserError
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
            losses = {f"train/{key}": float(value) for key, value in (outputs or {}).items()}
            rate = runner.optim_wrapper.get_lr()["lr"][0]
            self._add(runner, {**losses, "train/lr": rate}, runner.iter + 1)

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        self._add(runner, {f"val/{key}": value for key, value in (metrics or {}).items()}, runner.iter)

    def _add(self, runner: Runner, scalars: dict[str, Any], step: int) -> None:
        """A tracker that cannot write, on a full disk mostly, is given up; the training goes on."""
        if self.visualizer is None:
            return
        try:
            self.visualizer.add_scalars(scalars, step=step)
        except OSError as error:
            lost, self.visualizer = self.visualizer, None
            runner.logger.warning(
                f"logging.trackers: the numbers from step {step} on are not recorded "
                f"({error.strerror or error}); the training goes on"
            )
            _close(lost)

    def close(self) -> None:
        """End the trackers' runs, however the training ended."""
        if self.visualizer is not None:
            _close(self.visualizer)


def _close(visualizer: Any) -> None:
    with contextlib.suppress(OSError):  # what they still hold has no room
        visualizer.close()


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
