"""Losses, rates and metrics for TensorBoard, MLflow or Weights & Biases, through MMEngine's visualization backends."""

from __future__ import annotations

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
            runner.visualizer.add_scalars({**losses, "train/lr": rate}, step=runner.iter + 1)

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        runner.visualizer.add_scalars({f"val/{key}": value for key, value in (metrics or {}).items()}, step=runner.iter)

    def close(self) -> None:
        """End the trackers' runs, however the training ended."""
        if self.visualizer is not None:
            self.visualizer.close()


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
