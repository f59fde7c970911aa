"""Batches of images that are padded to one size, so that no image's result depends on its neighbours in a batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from torch import Tensor


def equal_sizes(batch: Any, multiple: int, most: int | None = None) -> Iterator[tuple[list[int], Any]]:
    """Cut a batch into those whose images have the same padded size, for each of which a network can run at once.

    A network's scores depend on how far an image is padded: next to a larger one they move by up to 0.02.

    Args:
        batch: ``inputs``, a list of ``(3, H, W)``, and ``data_samples``, a list, as MMEngine's pseudo_collate makes
            them; anything else stays whole.
        multiple: height and width are padded to a multiple of it.
        most: images of a part; None: as many as there are.

    Yields:
        Positions in the batch, and a batch of these images.
    """
    inputs = batch.get("inputs") if isinstance(batch, dict) else None
    if not isinstance(inputs, Sequence) or not all(isinstance(image, Tensor) for image in inputs):
        yield [], batch
        return
    groups: dict[tuple[int, ...], list[int]] = {}
    for at, image in enumerate(inputs):
        groups.setdefault(tuple(-(-side // multiple) for side in image.shape[-2:]), []).append(at)
    for same_size in groups.values():
        for first in range(0, len(same_size), most or len(same_size)):
            positions = same_size[first : first + (most or len(same_size))]
            yield positions, {key: [values[at] for at in positions] for key, values in batch.items()}


def padding_multiple(model: Any) -> int:
    """What a detector pads images to a multiple of; a wrapped one's too."""
    preprocessor = getattr(getattr(model, "module", model), "data_preprocessor", None)
    return int(getattr(preprocessor, "pad_size_divisor", 1))
