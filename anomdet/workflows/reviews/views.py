"""Mirrored looks at the images that are reviewed: fewer false suspicions, where there is time for them."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from anomdet.config.schema import Settings
from anomdet.config.schema_data import AugmentationSettings
from anomdet.views import Views

if TYPE_CHECKING:
    from anomdet.inference.detector import Detector

_TIMED, _TIMED_SHARE = 32, 0.2  # images; or as many as take that share of the time
_log = logging.getLogger("anomdet")


def with_views(detector: Detector, settings: Settings, paths: Sequence[Path], seconds: float | None) -> Detector:
    """The detector, looking at mirrored images too, if its training showed it such and the settings do not say how.

    Args:
        detector: just opened.
        settings: of its training.
        paths: images that it is to predict.
        seconds: that this may take, by a trial of some of them; None: as it takes.
    """
    choices = flips_of(settings)
    if detector.artifact.tta is not None or not choices or not paths:
        return detector
    if seconds is not None:
        started, number = time.monotonic(), 0
        for _ in detector.predict(list(paths[:_TIMED])):
            number, spent = number + 1, time.monotonic() - started
            if spent > _TIMED_SHARE * seconds:
                break
        looks = (seconds - spent) / (spent / number * len(paths)) if spent else float("inf")
        choices = [flips for flips in choices if 1 + len(flips) <= looks]
    if not choices:
        return detector
    _log.info(f"each image is looked at {1 + len(choices[0])} times, mirrored too")
    mirrored = object.__new__(type(detector))  # a copy by `copy` would open the file again
    vars(mirrored).update(vars(detector), artifact=replace(detector.artifact, tta=Views(choices[0])))
    return mirrored


def flips_of(settings: Settings) -> list[tuple[str, ...]]:
    """Flips as in the training, the most first; none where ``evaluation.tta`` says what to do.

    >>> flips_of(Settings())
    [('horizontal', 'vertical', 'both'), ('horizontal',)]
    """
    shown = settings.data.augmentations
    if settings.evaluation.tta is not None or not isinstance(shown, AugmentationSettings):
        return []
    horizontal = shown.horizontal_flip and shown.horizontal_flip_prob > 0
    vertical = shown.vertical_flip and shown.vertical_flip_prob > 0
    if horizontal and vertical:
        return [("horizontal", "vertical", "both"), ("horizontal",)]
    return [("horizontal",)] if horizontal else [("vertical",)] if vertical else []
