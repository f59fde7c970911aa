"""A model repository for NVIDIA Triton beside an exported network. Triton runs the network alone.

Source: https://docs.nvidia.com/deeplearning/triton-inference-server, "Model Configuration".
"""

from __future__ import annotations

import shutil
from pathlib import Path

from anomdet.inference.exported import Network
from anomdet.outputs import write_text

BACKENDS = {"onnx": "onnxruntime", "openvino": "openvino"}
_INSIDE = {"boxes": ("FP32", [-1, 4]), "scores": ("FP32", [-1]), "labels": ("INT64", [-1]), "image": ("INT64", [-1])}
_OUTSIDE = {"boxes": ("FP32", [-1, -1, 4]), "scores": ("FP32", [-1, -1, -1])}


def write_repository(folder: Path, network: Network, out: Path, name: str) -> list[Path]:
    """``out/NAME/config.pbtxt`` and copies of the network's files in ``out/NAME/1``.

    Args:
        folder: holds the network.
        network: as its manifest describes it, for ONNX Runtime or OpenVINO.
        out: the repository; made where it is missing.
        name: of the model.
    """
    version = out / name / "1"
    version.mkdir(parents=True)
    written = [version / file for file in network.sha256]
    for path in written:
        shutil.copyfile(folder / path.name, path)
    return [write_text(out / name / "config.pbtxt", config(network, name)), *written]


def config(network: Network, name: str) -> str:
    """The text of ``config.pbtxt``.

    Triton must not put requests together (``max_batch_size: 0``): the rows of all images come in one output.
    """
    outputs = _INSIDE if network.with_nms else _OUTSIDE
    inputs = [_tensor("images", "UINT8", [-1, -1, -1, 3]), _tensor("sizes", "INT64", [-1, 2])]
    if network.with_nms:  # a number: Triton knows it as one element
        inputs.append(_tensor("threshold", "FP32", [1], "reshape { shape: [ ] }"))
    lines = [f'name: "{name}"', f'backend: "{BACKENDS[network.format]}"', "max_batch_size: 0"]
    lines += [f"input {tensor}" for tensor in inputs]
    lines += [f"output {_tensor(key, kind, dims)}" for key, (kind, dims) in outputs.items()]
    return "\n".join(lines) + "\n"


def _tensor(name: str, kind: str, dims: list[int], more: str = "") -> str:
    return f'{{ name: "{name}" data_type: TYPE_{kind} dims: {dims} {more}'.rstrip() + " }"
