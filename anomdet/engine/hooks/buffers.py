"""One set of batch norm statistics for all processes."""

from __future__ import annotations

import torch.distributed as dist
from mmengine.hooks import Hook
from mmengine.runner import Runner

from anomdet.registry import HOOKS


@HOOKS.register_module()
class SameBuffersHook(Hook):
    """Gives every process the first one's buffers before a validation.

    Without synchronised batch norm (gloo, on CPUs, has none) each process gathers its own statistics; the score would
    be that of several models, and the checkpoint holds only the first one's.
    """

    priority = "LOW"  # after EMAHook has put the averaged weights in place

    def before_val_epoch(self, runner: Runner) -> None:
        if dist.is_initialized() and dist.get_world_size() > 1:
            for buffer in runner.model.buffers():
                dist.broadcast(buffer, 0)
