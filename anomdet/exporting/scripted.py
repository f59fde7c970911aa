"""A TorchScript network that was just written, for its comparison; files of strangers are not opened by this."""

from __future__ import annotations

from pathlib import Path

import torch

from anomdet.exporting import suppression  # noqa: F401 - registers the operator
from anomdet.inference.backends.rows import check_size, detections, runs, threshold_input
from anomdet.inference.exported import Network
from anomdet.inference.postprocess import Detections
from anomdet.inference.preprocess import Batch


class ScriptedBackend:
    """See :class:`anomdet.inference.backends.Backend`."""

    name = "torchscript"
    device = "cpu"

    def __init__(self, folder: Path, network: Network) -> None:
        self._network, self._where = network, str(folder)
        self._module = torch.jit.load(str(folder / network.file))

    @torch.no_grad()
    def run(self, batch: Batch, min_score: float) -> list[Detections]:
        """The detections of each image, in its own pixels."""
        check_size(self._network, batch, self._where)
        return [found for one in runs(self._network, batch) for found in self._run(one, min_score)]

    def _run(self, batch: Batch, min_score: float) -> list[Detections]:
        threshold = torch.from_numpy(threshold_input(self._network, min_score))
        outputs = self._module(torch.from_numpy(batch.images), torch.from_numpy(batch.sizes_hw), threshold)
        return detections(self._network, batch, [one.numpy() for one in outputs], min_score)
