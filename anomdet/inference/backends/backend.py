"""What every backend offers."""

from __future__ import annotations

from typing import Protocol

from anomdet.inference.postprocess import Detections
from anomdet.inference.preprocess import Batch


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
