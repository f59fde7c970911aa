"""A graph to the file of a runtime."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from anomdet.exporting.graph import INPUTS, OUTPUTS, OUTPUTS_BEFORE_NMS, Graph
from anomdet.exporting.suppression import OPSET, register_symbolic, translation_table

ROUTES = ("torchscript", "dynamo")
_FILES = {"onnx": "model.onnx", "openvino": "model.xml", "torchscript": "model.torchscript"}


def write(
    graph: Graph, folder: Path, kind: str, example: tuple[Tensor, ...], *, route: str = "torchscript"
) -> list[str]:
    """Write a graph; returns the names of the files, the one to open first.

    Args:
        graph: for evaluation.
        folder: exists, empty.
        kind: ``onnx``, ``openvino`` or ``torchscript``.
        example: inputs of a usual size, to trace with.
        route: of the two exporters of torch.
    """
    names = [_FILES[kind]]
    if kind == "torchscript":
        with torch.no_grad(), quiet():
            torch.jit.trace(graph, example, check_trace=False).save(str(folder / names[0]))
        return names
    path = folder / _FILES["onnx"]
    with torch.no_grad(), quiet():
        (_by_dynamo if route == "dynamo" else _by_tracing)(graph, path, example)
    if kind == "openvino":
        to_openvino(path, folder / names[0])
        path.unlink()
        names.append("model.bin")
    return names


def _names(graph: Graph) -> tuple[list[str], list[str]]:
    return list(INPUTS if graph.with_nms else INPUTS[:2]), list(OUTPUTS if graph.with_nms else OUTPUTS_BEFORE_NMS)


def _by_tracing(graph: Graph, path: Path, example: tuple[Tensor, ...]) -> None:
    register_symbolic()
    inputs, outputs = _names(graph)
    axes = {name: {0: "rows" if graph.with_nms else "batch"} for name in outputs}
    if not graph.finder.takes_one_image:
        axes |= {"images": {0: "batch"}, "sizes": {0: "batch"}}
    if not graph.is_fixed:
        axes["images"] = {**axes.get("images", {}), 1: "height", 2: "width"}
    torch.onnx.export(
        graph,
        example if graph.with_nms else example[:2],
        str(path),
        input_names=inputs,
        output_names=outputs,
        opset_version=OPSET,
        dynamic_axes=axes,
        dynamo=False,
    )


def _by_dynamo(graph: Graph, path: Path, example: tuple[Tensor, ...]) -> None:
    inputs, outputs = _names(graph)
    free = torch.export.Dim.AUTO
    shapes: tuple[Any, ...] = ({0: free, 1: free, 2: free}, {0: free}, None)
    torch.onnx.export(
        graph,
        example if graph.with_nms else example[:2],
        str(path),
        input_names=inputs,
        output_names=outputs,
        dynamic_shapes=shapes if graph.with_nms else shapes[:2],
        custom_translation_table=translation_table(),
        dynamo=True,
        external_data=False,
        verbose=False,
    )


def to_openvino(source: Path, target: Path) -> None:
    """An ONNX file to OpenVINO's two, in full precision."""
    import openvino

    model = openvino.convert_model(str(source))
    _settle_ties(model)
    openvino.save_model(model, str(target), compress_to_fp16=False)


def _settle_ties(model: Any) -> None:
    """Of equal values the first comes first, as in ONNX; OpenVINO's own order is another one each time."""
    from openvino import opset11

    for op in [one for one in model.get_ordered_ops() if one.get_type_name() == "TopK"]:
        given = op.get_attributes()
        data, count = op.input_value(0), op.input_value(1)
        kind = given["index_element_type"]
        settled = opset11.topk(data, count, given["axis"], given["mode"], "value", kind, stable=True)
        for at in range(2):
            op.output(at).replace(settled.output(at))


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """The tracers warn of each Python number that they keep, and print."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield
