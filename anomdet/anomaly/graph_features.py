"""The frozen backbone as a graph of ONNX Runtime or OpenVINO, and the arrays beside it: the score without torch."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anomdet.anomaly.patches import even_light
from anomdet.outputs import atomic_write

Floats = NDArray[np.float32]


class GraphFeatures:
    """Maps of a backbone; the same as :class:`anomdet.anomaly.features.TorchFeatures` gives.

    Args:
        run: planes ``(N, 3, S, S)`` to the maps ``(N, C, h, w)`` of each layer.
    """

    def __init__(self, run: Callable[[Floats], Sequence[Floats]]) -> None:
        self._run = run

    def __call__(self, images_bgr: NDArray[np.uint8]) -> list[list[Floats]]:
        """Maps ``(h, w, C)`` of each layer, for each of the images ``(N, S, S, 3)``."""
        layers = [layer.transpose(0, 2, 3, 1) for layer in self._run(even_light(images_bgr))]
        return [[np.ascontiguousarray(layer[at]) for layer in layers] for at in range(len(images_bgr))]


def write_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays by name, as NumPy's ``.npz``, not compressed."""
    with atomic_write(path) as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]  # its stub takes the names for arguments of its own


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """What :func:`write_arrays` wrote; the file may come from a stranger: no pickles, nothing that unpacks to more.

    Raises:
        ValueError: another file, or a damaged one.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            if any(record.compress_type != zipfile.ZIP_STORED for record in archive.infolist()):
                raise ValueError("compressed arrays")
        with np.load(path, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except (OSError, KeyError, EOFError, MemoryError, OverflowError, zipfile.BadZipFile) as error:
        raise ValueError(str(error)) from error
