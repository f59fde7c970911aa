"""Images or labels that are changed while a run reads them: said at the next validation."""

from __future__ import annotations

import time

from mmengine.hooks import Hook
from mmengine.runner import Runner

from anomdet.engine.contracts import HasFileStamps, Stamps
from anomdet.registry import HOOKS

_SHARE = 0.005  # of the time since the last look; files that are left out come next time
_SHOWN = 3


@HOOKS.register_module()
class ChangedFilesHook(Hook):
    """Warns of files of the training and validation splits that have another size or time than at the start.

    Boxes are those of the start: labels are read once. Of many processes the first looks. Data sets say so by a method
    ``file_stamps``; one without it is not looked at.
    """

    priority = "LOW"

    def __init__(self) -> None:
        self._stamps: list[Stamps] = []
        self._looked_s = 0.0

    def before_train(self, runner: Runner) -> None:
        loops = (runner.train_loop, runner.val_loop) if runner.rank == 0 else ()
        loaders = [loop.dataloader for loop in loops if loop is not None]  # a Python config may have no validation
        datasets = [loader.dataset for loader in loaders]
        self._stamps = [dataset.file_stamps() for dataset in datasets if isinstance(dataset, HasFileStamps)]
        self._looked_s = time.monotonic()

    def before_val_epoch(self, runner: Runner) -> None:
        if not self._stamps:
            return
        budget_s = _SHARE * (time.monotonic() - self._looked_s)
        changed = [name for stamps in self._stamps for name in stamps.changed(budget_s)]
        self._looked_s = time.monotonic()
        if changed:
            more = f" and {len(changed) - _SHOWN} more" if len(changed) > _SHOWN else ""
            runner.logger.warning(
                f"data: changed during the run: {', '.join(changed[:_SHOWN])}{more}; the boxes stay those of "
                "the start, changed images are read as they are now; train anew to learn from the changed data"
            )
