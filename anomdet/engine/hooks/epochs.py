"""What the hooks ask about an epoch."""

from __future__ import annotations

from mmengine.runner import Runner


def ends_with_validation(runner: Runner) -> bool:
    """Whether the epoch under way ends with a validation; the loop counts it up only after the hooks."""
    loop, done = runner.train_loop, runner.epoch + 1
    return done >= loop.val_begin and (done % loop.val_interval == 0 or done == loop.max_epochs)
