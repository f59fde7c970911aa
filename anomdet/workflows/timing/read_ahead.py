"""``training.minutes`` on large images: decode each once before the first step, where the time suffices for it."""

from __future__ import annotations

import random
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from anomdet.words import counted

if TYPE_CHECKING:
    from anomdet.engine.timing import Costs

SAMPLE = 8
LEAST_STEP_SHARE = 0.2  # that is left of a step without decoding, however the estimate comes out


def pays(num_unread: int, image_s: float, left_s: float) -> bool:
    """Whether images are to be read first: a run that draws them less than twice decodes them when they are drawn.

    Reading may take as long as the steps do, where decoding is most of them: half of the time is left to learn in.

    Args:
        num_unread: large images of training and validation that are not kept yet.
        image_s: of a training step on one image, decoding it included.
        left_s: of the run.
    """
    return bool(num_unread) and 2 * num_unread * image_s < left_s


def read_first(config: Any) -> str:
    """Read and keep the large images of training and validation; a note for the log.

    Args:
        config: of the settings, classes not yet filled in; it is not changed.

    Raises:
        UserError: an image cannot be read.
    """
    from anomdet.data.kept import read_ahead, unread

    started, count, num_left = time.monotonic(), 0, 0
    for dataset, num_threads in _datasets(config):
        records = unread(dataset)
        read_ahead(dataset, records, num_threads)
        count, num_left = count + len(records), num_left + len(unread(dataset))
    note = f"plan: {counted(count, 'large image')} read first, once, in {time.monotonic() - started:.0f} s"
    return f"{note}; {num_left:,} of them could not be kept: they are decoded each time" if num_left else note


def without_decoding(config: Any, costs: Costs, num_unread: int, batch_size: int) -> tuple[Costs, float]:
    """What a step will take after :func:`read_first`, and the seconds of that, as a few images say that are read here.

    Args:
        config: as of :func:`read_first`.
        costs: with the decoding.
        num_unread: large images of training and validation that are not kept yet.
        batch_size: images of a step.
    """
    from anomdet.data.index.parallel import num_cores
    from anomdet.data.kept import read_ahead, unread

    dataset, num_threads = _datasets(config)[0]
    records = unread(dataset)
    some = random.Random(0).sample(records, min(SAMPLE, len(records)))
    started = time.monotonic()
    read_ahead(dataset, some, num_threads)
    image_s = (time.monotonic() - started) / max(len(some), 1)  # by all threads together
    saved_s = image_s * num_threads / num_cores() * batch_size  # the cores that decode are then free for the network
    saved_s *= _share_decoded(costs.num_steps * batch_size, num_unread, is_tiled=dataset.tile_index is not None)
    step_s = max(costs.step_s - saved_s, LEAST_STEP_SHARE * costs.step_s)
    return replace(costs, step_s=step_s), image_s * num_unread


def _share_decoded(num_draws: int, num_unread: int, *, is_tiled: bool) -> float:
    """Of timed draws, those that decoded: tiles, but not images, are soon drawn of an image that is kept already."""
    if not num_draws or not num_unread:
        return 0.0
    num_drawn = num_unread * (1 - (1 - 1 / num_unread) ** num_draws) if is_tiled else min(num_draws, num_unread)
    return num_drawn / num_draws


def _datasets(config: Any) -> list[tuple[Any, int]]:
    """Those of training and validation, and how many threads may read."""
    from anomdet.workflows.runs.build import build_loader, complete
    from anomdet.workflows.runs.fit_machine import for_machine

    fitted, _ = for_machine(complete(config))
    names = ("train_dataloader", "val_dataloader")
    return [(build_loader(fitted, name).dataset, max(fitted[name].num_workers, 1)) for name in names]
