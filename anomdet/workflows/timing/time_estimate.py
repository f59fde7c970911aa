"""What the epochs of settings take on this machine: for ``anomdet init`` without ``--minutes``."""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING

from anomdet.errors import UserError
from anomdet.words import counted
from anomdet.workflows.timing.read_ahead import without_decoding
from anomdet.workflows.timing.time_budget import SHORTEST_TIMING_S, seconds_of, time_here

if TYPE_CHECKING:
    from anomdet.config.schema import Settings
    from anomdet.engine.timing import Costs
    from anomdet.workflows.timing.time_budget import Sizes

LIMIT_S = 10.0  # of training steps, however few they are
HALF_AND_DOUBLE = "on NEU-DET 11,304 images drawn gave mAP_50 0.622, twice as many gave 0.676 (docs/recipes.md)"
_log = logging.getLogger("anomdet")


def time_notes(settings: Settings) -> list[str]:
    """Lines for the console; one with the reason where the steps cannot be timed.

    Args:
        settings: with a network, of this machine.
    """
    from anomdet.config.translate import to_mmengine
    from anomdet.workflows.runs.libraries import load_libraries

    _log.info("timing some steps of this run on this machine (--no-timing leaves this out)")
    load_libraries()
    try:
        config, first_s = to_mmengine(settings), 0.0
        costs, sizes = time_here(config, SHORTEST_TIMING_S, limit_s=LIMIT_S)
        if sizes.unread:  # decoded in the first epoch, and kept
            costs, first_s = without_decoding(config, costs, sizes.unread, sizes.batch_size)
    except UserError as error:
        return [f"! time          not timed: {error.problems[0]}"]
    return _notes(settings, costs, sizes, first_s)


def _notes(settings: Settings, costs: Costs, sizes: Sizes, first_s: float) -> list[str]:
    training = settings.training
    steps = training.epochs * math.ceil((training.epoch_images or sizes.pass_images) / sizes.batch_size)
    validations = math.ceil(training.epochs / training.val_interval)
    minutes = (first_s + seconds_of(training.epochs, steps, validations, costs, sizes)) / 60
    shown = f"{minutes:.0f} minutes" if minutes >= 2 else f"{minutes * 60:.0f} s"
    end = "; early stopping may end it sooner" if training.early_stopping.enabled else ""
    parts = f"{steps:,} steps of {costs.step_s:.2f} s (mean of {costs.num_steps}), {counted(validations, 'validation')}"
    return [
        f"  time          about {shown} here: {parts}{end}",
        f"                half or twice the time: {HALF_AND_DOUBLE}",
        "                --minutes 30 plans a run that ends in time",
    ]
