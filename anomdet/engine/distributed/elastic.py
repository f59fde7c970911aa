"""Continue with another number of processes, or of images a step, than a checkpoint was written with."""

from __future__ import annotations

import math
from typing import Any

from torch.utils.data import DataLoader

from anomdet.engine.contracts import EntersEpochs, SkipsDraws


def images_a_step(loader: DataLoader, world_size: int) -> int:
    """Of all processes; accumulated batches count as steps of their own."""
    return (loader.batch_size or 1) * world_size


def draws_done(loop: Any, batch: int, images: int) -> int:
    """Draws of all processes in the first batches of the epoch under way, some of which may have been of another size.

    Args:
        loop: of the training; knows the ``first_draw`` and ``first_batch`` of a resumed epoch.
        batch: batches done; 0: no epoch is under way.
        images: of a step, now.
    """
    first_draw, first_batch = (loop.first_draw, loop.first_batch) if isinstance(loop, EntersEpochs) else (0, 0)
    return first_draw + (batch - first_batch) * images if batch else 0


def fit_to_processes(checkpoint: dict[str, Any], loader: DataLoader, world_size: int, *, scale_lr: bool) -> str:
    """Turn a checkpoint's batches and iterations into those that the epochs have now, in place.

    An epoch is one order of draws, whatever the number of processes; a run that stopped within one continues behind
    the last draw that was trained on, so that no image is left out or comes twice. The schedule goes by iterations: it
    is put where the share of the epochs that is done lies in today's iterations.

    Args:
        checkpoint: to continue from; one that does not say its images a step is taken to have had today's.
        loader: of the training, as it is now.
        world_size: processes now.
        scale_lr: whether the learning rate follows the images of a step: then the checkpoint's is scaled too.

    Returns:
        What to report; empty: nothing has changed.
    """
    meta = checkpoint.get("meta", {})
    now = images_a_step(loader, world_size)
    before = meta.get("images_a_step", now)
    meta.setdefault("draws", meta.get("batch", 0) * before)  # of an older version
    if before == now:
        return ""
    batch = len(loader) - _batches_left(loader, meta["draws"], world_size) if meta["batch"] else 0
    moved = meta["epoch"] * len(loader) + batch - meta["iter"]
    meta["batch"], meta["iter"] = batch, meta["iter"] + moved
    for schedule in checkpoint.get("param_schedulers", []):
        if schedule.get("by_epoch"):  # of a Python config
            continue
        for name in ("last_step", "_global_step"):
            schedule[name] += moved
    if scale_lr:
        for group in checkpoint.get("optimizer", {}).get("param_groups", []):
            group["initial_lr"] *= now / before
    processes = f"{world_size} processes" if world_size > 1 else "1 process"
    rate = f"learning rate times {now / before:g}" if scale_lr else "the learning rate stays (training.scale_lr)"
    return (
        f"resumed with {processes}, the checkpoint had {meta['world_size']}: {now} images a step in place of {before}, "
        f"{len(loader)} batches an epoch; {rate}; the weights will differ from those of an unchanged training"
    )


def _batches_left(loader: DataLoader, draws: int, world_size: int) -> int:
    """Of this process, in an epoch of which all processes together have had so many draws."""
    sampler: Any = loader.sampler
    total = sampler.num_draws if isinstance(sampler, SkipsDraws) else len(sampler) * world_size
    of_each = math.ceil(max(total - draws, 0) / world_size)
    return min(math.ceil(of_each / (loader.batch_size or 1)), len(loader))
