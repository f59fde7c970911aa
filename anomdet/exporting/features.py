"""The frozen backbone of a normal-only score to the file of a runtime."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from anomdet.exporting.suppression import OPSET
from anomdet.exporting.writers import quiet, to_openvino

_FILES = {"onnx": "unseen.onnx", "openvino": "unseen.xml"}


def write_features(network: nn.Module, image_size: int, folder: Path, kind: str) -> list[str]:
    """Write the graph from planes ``(N, 3, S, S)`` to the maps ``(N, C, h, w)`` of each layer.

    Args:
        network: for evaluation.
        image_size: S.
        folder: exists.
        kind: ``onnx`` or ``openvino``.

    Returns:
        The names of the files, the one to open first.
    """
    path = folder / _FILES["onnx"]
    example = torch.zeros((2, 3, image_size, image_size))
    with torch.no_grad(), quiet():
        layers: tuple[Tensor, ...] = network(example)
        names = [f"map_{at}" for at in range(len(layers))]
        torch.onnx.export(
            network,
            (example,),
            str(path),
            input_names=["planes"],
            output_names=names,
            opset_version=OPSET,
            dynamic_axes={name: {0: "batch"} for name in ("planes", *names)},
            dynamo=False,
        )
    if kind == "onnx":
        return [path.name]
    target = folder / _FILES["openvino"]
    to_openvino(path, target)
    path.unlink()
    return [target.name, target.with_suffix(".bin").name]
