"""How long a fold of a review trains, and whether that was enough for its images."""

from __future__ import annotations

import logging
import time
from pathlib import Path

from anomdet.config.load import load_settings
from anomdet.config.schema import Settings
from anomdet.layout import SETTINGS
from anomdet.workflows.reviews.views import flips_of

# Of the minutes: what mirrored looks leave to the training at least, and what a first look does.
_TRAINING_SHARE, _LEAST_TRAINING_SHARE = 0.7, 0.5
_SPARE_SHARE = 0.05  # of the minutes: a training may end a little late, and its detector is opened
_SECOND = 1  # look, for the second opinion on as many images
_FEW_PASSES = 5  # of a fold's training over its images

_log = logging.getLogger("anomdet")


def training_minutes(settings: Settings, num_images: int, minutes: float) -> float:
    """What a fold may train: what predicting leaves, mirrored too if there is time for it.

    Args:
        settings: of its training.
        num_images: that it predicts.
        minutes: for both.
    """
    from anomdet.config.translate import to_mmengine
    from anomdet.workflows.timing.time_budget import SHORTEST_TIMING_S, time_here

    started = time.monotonic()
    costs, _ = time_here(to_mmengine(settings), SHORTEST_TIMING_S)
    one_look = costs.val_image_s * num_images / 60
    left = (1 - _SPARE_SHARE) * minutes - (time.monotonic() - started) / 60
    looks = [1 + len(flips) for flips in flips_of(settings)]
    for training in (left - one_look * (many + _SECOND) for many in looks):
        if training >= _TRAINING_SHARE * minutes:
            return training
    least = _LEAST_TRAINING_SHARE * minutes
    if one_look > minutes - least:
        what = " in tiles" if settings.data.tiles is not None else ""
        _log.warning(
            f"predicting the {num_images:,} images of a fold{what} takes about {one_look:.1f} minutes, more than "
            f"half of its {minutes:.1f}: the review takes about {(least + one_look) / minutes:.1f} times --minutes"
        )
    return max(left - one_look * (1 + _SECOND), least)


def warn_of_few_passes(run_dir: Path, num_train: int) -> None:
    """Minutes that are too few for the size of the images: a detector that knows little suspects right labels."""
    planned = load_settings(run_dir / SETTINGS)
    passes, what = _passes(planned, num_train), "images" if planned.data.tiles is None else "tiles with objects"
    if passes < _FEW_PASSES:
        _log.warning(
            f"a fold's detector saw its {what} only {passes:.1f} times, and will suspect right labels: give more "
            "--minutes, fewer --folds, or settings with a smaller data.image_size, as `anomdet init --minutes` "
            "proposes them for the minutes of a fold"
        )


def _passes(planned: Settings, num_train: int) -> float:
    """How often an image was seen; in tiles, one that shows an object: there are many others, which teach less."""
    training = planned.training
    if planned.data.tiles is None:
        return training.epochs * (training.epoch_images or num_train) / num_train
    from anomdet.config.translate import to_mmengine
    from anomdet.workflows.runs.build import build_loader, complete

    loader = build_loader(complete(to_mmengine(planned)))
    shows = loader.dataset.image_class_counts.any(axis=1)
    return float(training.epochs * loader.sampler.expected_draws()[shows].mean())
