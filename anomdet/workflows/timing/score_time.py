"""``training.minutes`` of a run that learns the normal-only score, too: what that takes after the last epoch."""

from __future__ import annotations

import time
from typing import Any

from anomdet.workflows.runs.own_metric import own_metric
from anomdet.workflows.scores.in_checkpoint import KEY
from anomdet.workflows.scores.learn import maps_of, normal_images, wants_score

SAMPLE = 8


def seconds_of_score(config: Any) -> float:
    """What the score takes, as a few of its images say that are read here; 0: none is learned.

    Args:
        config: of the settings, classes not yet filled in; it is not changed.

    Raises:
        UserError: too few normal images, no backbone, or an image cannot be read.
    """
    if not (config.get(KEY) or {}).get("enabled"):
        return 0.0
    from anomdet.anomaly.features import TorchFeatures
    from anomdet.workflows.runs.bit_depth import bit_depth_of
    from anomdet.workflows.runs.build import build_loader, complete

    whole = complete(config)
    images = normal_images(build_loader(whole).dataset, own_metric(whole).get("group_by"))
    if not wants_score(whole, images):
        return 0.0
    features, image_size = TorchFeatures(whole[KEY]["features"], whole[KEY]["layers"]), whole[KEY]["image_size"]
    some = images[:: max(len(images) // SAMPLE, 1)]
    maps_of(features, bit_depth_of(whole), image_size, some[0])  # kernels are chosen, and memory is taken
    started = time.monotonic()
    for image in some:
        maps_of(features, bit_depth_of(whole), image_size, image)
    return len(images) * (time.monotonic() - started) / len(some)
