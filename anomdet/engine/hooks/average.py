"""The moving average of the weights, which does not move where a step was not made."""

from __future__ import annotations

from typing import Any

from mmengine.hooks import EMAHook
from mmengine.runner import Runner

from anomdet.registry import HOOKS


@HOOKS.register_module()
class AverageHook(EMAHook):
    """MMEngine's EMAHook, but for steps that were skipped."""

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: dict[str, Any] | None = None
    ) -> None:
        """Move the average towards the weights that a step has changed."""
        steps = getattr(runner.train_loop, "steps", None)
        if steps is None or steps.outcome != "skipped":
            super().after_train_iter(runner, batch_idx, data_batch, outputs)
