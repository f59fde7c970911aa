"""An exported network in OpenVINO, compiled for the shapes that come."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anomdet.errors import Problem, UserError
from anomdet.inference.backends.rows import check_names, check_size, detections, failed, runs, threshold_input
from anomdet.inference.exported import Network
from anomdet.inference.postprocess import Detections
from anomdet.inference.preprocess import Batch

_SHAPES = 4  # compiled for themselves, which is a tenth faster; more run through one that takes any
_INSTALL = "pip install anomdet[openvino]"


class OpenVinoBackend:
    """See :class:`anomdet.inference.backends.Backend`.

    Args:
        folder: of the manifest.
        network: what it says.
        device: ``auto`` or ``cpu``.
        threads: of one call; None: OpenVINO decides.

    Raises:
        UserError: openvino is not installed, or the file cannot be opened.
    """

    name = "openvino"
    device = "cpu"

    def __init__(self, folder: Path, network: Network, device: str = "auto", threads: int | None = None) -> None:
        self._network, self._where = network, str(folder)
        self._core, self._model, self._settings = _read(folder / network.file, device, threads)
        names = [name for one in self._model.inputs for name in one.names]
        check_names(network, names, len(self._model.outputs), self._where)
        self._compiled: dict[tuple[int, ...], Any] = {}
        self._lock = threading.Lock()

    def run(self, batch: Batch, min_score: float) -> list[Detections]:
        """The detections of each image, in its own pixels."""
        check_size(self._network, batch, self._where)
        return [found for one in runs(self._network, batch) for found in self._run(one, min_score)]

    def _run(self, batch: Batch, min_score: float) -> list[Detections]:
        inputs: dict[str, Any] = {"images": batch.images, "sizes": batch.sizes_hw}
        if self._network.with_nms:
            inputs["threshold"] = threshold_input(self._network, min_score)
        with self._lock:
            try:
                found = self._request(batch.images.shape).infer(inputs)
            except RuntimeError as error:
                raise failed(self._where, error) from error
            outputs = [found[at].copy() for at in range(len(found))]
        return detections(self._network, batch, outputs, min_score)

    def _request(self, shape: tuple[int, ...]) -> Any:
        key = shape if shape in self._compiled or len(self._compiled) < _SHAPES else ()
        if key not in self._compiled:
            model = self._model.clone()
            if key and self._network.fixed_hw is None:
                model.reshape({"images": list(shape), "sizes": [shape[0], 2]})
            self._compiled[key] = self._core.compile_model(model, "CPU", self._settings).create_infer_request()
        return self._compiled[key]


def open_graph(path: Path, device: str, threads: int | None) -> Callable[[NDArray[np.float32]], list[NDArray]]:
    """A graph of one input: a function from it to all outputs.

    Raises:
        UserError: as :class:`OpenVinoBackend`.
    """
    core, model, settings = _read(path, device, threads)
    request, lock = core.compile_model(model, "CPU", settings).create_infer_request(), threading.Lock()

    def run(values: NDArray[np.float32]) -> list[NDArray]:
        with lock:
            found = request.infer([values])
            return [found[at].copy() for at in range(len(found))]

    return run


def _read(path: Path, device: str, threads: int | None) -> tuple[Any, Any, dict[str, Any]]:
    """OpenVINO, the network of a file, and how it is to be compiled."""
    if device not in ("auto", "cpu"):
        raise UserError(Problem("device", "auto or cpu with OpenVINO", repr(device)))
    try:
        core = _core()
    except ImportError as error:
        raise UserError(Problem(str(path.parent), "the package openvino", "none", _INSTALL)) from error
    # OpenVINO may choose bfloat16 by itself: the scores would not be those that were measured.
    settings: dict[str, Any] = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
    if threads is not None:
        settings["INFERENCE_NUM_THREADS"] = threads
    try:
        return core, core.read_model(str(path)), settings
    except RuntimeError as error:
        got = " ".join(str(error).split())[:300]
        raise UserError(Problem(str(path), "a network that OpenVINO opens", got)) from error


@functools.cache
def _core() -> Any:
    """One for all networks, which lives as long as the process.

    Where the machine has AMX, OpenVINO gives the thread that first compiles a network a stack for its signal handlers
    and frees it with its core. If another thread lets go of that core, the next signal (Ctrl-C, the end of a child
    process) kills the process.
    """
    import openvino

    return openvino.Core()
