"""What every backend offers."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Protocol

from anomdet.inference.postprocess import Detections
from anomdet.inference.preprocess import Batch, Prepared, group_by_padded_size, stack


class Backend(Protocol):
    """A network that is ready to run.

    Attributes:
        name: ``torch``, ``onnx`` or ``openvino``.
        device: where it runs, ``cpu`` or ``cuda:0``.
    """

    name: str
    device: str

    def run(self, batch: Batch, min_score: float) -> list[Detections]:
        """The detections of each image, suppressed, in pixels of the image itself.

        Args:
            batch: N images.
            min_score: rows below it may be left out; the model's own floor may lie higher.
        """


def run_all(
    backend: Backend, prepared: Sequence[Prepared], multiple: int, *, most: int, floor: float
) -> list[tuple[Detections, float]]:
    """The detections of many images or tiles, in their order, and the seconds that each took.

    Args:
        backend: runs one batch after the other.
        prepared: of any sizes; those of one padded size share a batch.
        multiple: that sides are padded to.
        most: in a batch.
        floor: the least score of a row.
    """
    found: dict[int, tuple[Detections, float]] = {}
    for same_size in group_by_padded_size(prepared, multiple):
        for first in range(0, len(same_size), most):
            positions = same_size[first : first + most]
            start = time.perf_counter()
            rows = backend.run(stack([prepared[at] for at in positions], multiple), floor)
            seconds = (time.perf_counter() - start) / len(positions)
            found.update((at, (one, seconds)) for at, one in zip(positions, rows, strict=True))
    return [found[at] for at in range(len(prepared))]
