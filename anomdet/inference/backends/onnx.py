"""An exported network in ONNX Runtime."""

from __future__ import annotations

import re
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

_GPU = ("TensorrtExecutionProvider", "CUDAExecutionProvider")
_EXTERNAL_FOLDER = "session.model_external_initializers_file_folder_path"
_INSTALL = "pip install anomdet[runtime]"


class OnnxBackend:
    """See :class:`anomdet.inference.backends.Backend`.

    Args:
        folder: of the manifest.
        network: what it says.
        device: ``auto`` (a GPU where onnxruntime-gpu offers one), ``cpu``, ``cuda`` or ``cuda:1``.
        threads: of one call; None: ONNX Runtime decides.

    Raises:
        UserError: onnxruntime is not installed, the file cannot be opened, or a device that is not there.
    """

    name = "onnx"

    def __init__(self, folder: Path, network: Network, device: str = "auto", threads: int | None = None) -> None:
        self._network, self._where = network, str(folder)
        self._session = _session(folder / network.file, device, threads)
        names = [one.name for one in self._session.get_inputs()]
        check_names(network, names, len(self._session.get_outputs()), self._where)
        self.device = "cuda" if self._session.get_providers()[0] in _GPU else "cpu"

    def run(self, batch: Batch, min_score: float) -> list[Detections]:
        """The detections of each image, in its own pixels."""
        check_size(self._network, batch, self._where)
        return [found for one in runs(self._network, batch) for found in self._run(one, min_score)]

    def _run(self, batch: Batch, min_score: float) -> list[Detections]:
        inputs = {"images": batch.images, "sizes": batch.sizes_hw}
        if self._network.with_nms:
            inputs["threshold"] = threshold_input(self._network, min_score)
        try:
            outputs = self._session.run(None, inputs)
        except Exception as error:
            raise failed(self._where, error) from error
        return detections(self._network, batch, outputs, min_score)


def open_graph(path: Path, device: str, threads: int | None) -> Callable[[NDArray[np.float32]], list[NDArray]]:
    """A graph of one input: a function from it to all outputs.

    Raises:
        UserError: as :class:`OnnxBackend`.
    """
    session = _session(path, device, threads)
    name = session.get_inputs()[0].name
    return lambda values: session.run(None, {name: values})


def _session(path: Path, device: str, threads: int | None) -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise UserError(Problem(str(path.parent), "the package onnxruntime", "none", _INSTALL)) from error
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    # Weights in files beside the network would be opened without their hash: they are looked for where none can be.
    options.add_session_config_entry(_EXTERNAL_FOLDER, str(path / "none"))
    if threads is not None:
        options.intra_op_num_threads = threads
    providers = _providers(device, onnxruntime.get_available_providers())
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=providers)
    except Exception as error:
        got = " ".join(str(error).split())[:300]
        raise UserError(Problem(str(path), "a network that ONNX Runtime opens", got)) from error
    if device.startswith("cuda") and session.get_providers()[0] not in _GPU:  # of which it says nothing
        hint = "install CUDA and cuDNN of the versions that this onnxruntime-gpu needs"
        raise UserError(Problem(f"device {device}", "a GPU that ONNX Runtime can use", "the CPU in its place", hint))
    return session


def _providers(device: str, available: list[str]) -> list[Any]:
    gpu = [name for name in _GPU if name in available]
    if which := re.fullmatch(r"cuda(?::(\d+))?", device):
        if not gpu:
            got = f"{', '.join(available)} only"
            raise UserError(
                Problem(f"device {device}", "a GPU provider of ONNX Runtime", got, "install onnxruntime-gpu")
            )
        return [*((name, {"device_id": which[1] or "0"}) for name in gpu), "CPUExecutionProvider"]
    if device not in ("auto", "cpu"):
        raise UserError(Problem("device", "auto, cpu, cuda or cuda:<number>", repr(device)))
    return [*(gpu if device == "auto" else []), "CPUExecutionProvider"]
