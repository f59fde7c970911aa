"""Exported folders of a stranger: a runtime opens the files with a hash in the manifest, and no others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anomdet.errors import UserError
from anomdet.file_hash import sha256
from anomdet.inference.backends.onnx import OnnxBackend, open_graph
from anomdet.inference.exported import Manifest, Network, read_manifest
from anomdet.inference.preprocess import Batch
from anomdet.layout import EXPORT_MANIFEST
from tests.unit.inference.test_artifact import ARTIFACT

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
WEIGHTS = np.arange(1024, dtype=np.float32)


def graph_of_weights(folder: Path, location: str, **about: int) -> Path:
    """A network that adds weights which lie in another file."""
    from onnx import TensorProto, helper

    weights = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=WEIGHTS.shape)
    weights.data_location = TensorProto.EXTERNAL
    for key, value in {"location": location, "offset": 0, "length": WEIGHTS.nbytes, **about}.items():
        weights.external_data.add(key=key, value=str(value))
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1024]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Add", ["x", "w"], ["y"])], "g", values[:1], values[1:], [weights])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path = folder / "model.onnx"
    path.write_bytes(model.SerializeToString())
    return path


@pytest.mark.parametrize(
    ("location", "about"),
    [
        ("w.bin", {}),
        ("sub/w.bin", {}),
        ("../outside.bin", {}),
        ("sub/../../outside.bin", {}),
        ("{outside}", {}),
        ("/etc/passwd", {"length": 16}),
        ("link.bin", {}),
        ("/dev/zero", {}),
        ("pipe", {}),
        ("w.bin", {"offset": 2**62}),
        ("w.bin", {"offset": -4096}),
        ("w.bin", {"length": 2**60}),
        ("", {}),
    ],
)
def test_weights_in_another_file_are_never_opened(tmp_path: Path, location: str, about: dict[str, int]) -> None:
    """Those beside the network were, whatever they had become since: the manifest has no hash of them."""
    import os

    folder, outside = tmp_path / "exported", tmp_path / "outside.bin"
    (folder / "sub").mkdir(parents=True)
    for path in (outside, folder / "w.bin", folder / "sub/w.bin"):
        path.write_bytes(WEIGHTS.tobytes())
    (folder / "link.bin").symlink_to(outside)
    os.mkfifo(folder / "pipe")
    path = graph_of_weights(folder, location.format(outside=outside), **about)
    with pytest.raises(UserError, match=r"model\.onnx: expected a network that ONNX Runtime opens"):
        open_graph(path, "cpu", 1)


@pytest.mark.parametrize(("domain", "kind"), [("evil.ops", "Run"), ("ai.onnx.contrib", "PyOp")])
def test_operators_of_a_library_are_not_looked_for(tmp_path: Path, domain: str, kind: str) -> None:
    from onnx import TensorProto, helper

    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in ("x", "y")]
    node = helper.make_node(kind, ["x"], ["y"], domain=domain)
    graph = helper.make_graph([node], "g", values[:1], values[1:])
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid(domain, 1)]
    path = tmp_path / "model.onnx"
    path.write_bytes(helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString())
    with pytest.raises(UserError, match="expected a network that ONNX Runtime opens"):
        open_graph(path, "cpu", 1)


def exported(folder: Path, kind: str, files: list[str], **changes: Any) -> Path:
    """A folder with files of a few bytes and their manifest."""
    folder.mkdir()
    for name in files:
        (folder / name).write_bytes(name.encode())
    hashes = {name: sha256(folder / name) for name in files}
    network = Network(kind, "fp32", files[0], hashes, True, 0.5, 100, 0.001)  # type: ignore[arg-type]
    content = Manifest(ARTIFACT, network, "0" * 64, {}, "").to_dict()
    content["network"].update(changes)
    (folder / EXPORT_MANIFEST).write_text(json.dumps(content), encoding="utf-8")
    return folder


def test_what_export_writes_is_opened(tmp_path: Path) -> None:
    for kind, files in (("onnx", ["model.onnx"]), ("openvino", ["model_int8.xml", "model_int8.bin"])):
        assert read_manifest(exported(tmp_path / kind, kind, files)).network.file == files[0]


@pytest.mark.parametrize(
    ("kind", "files", "said"),
    [
        ("openvino", ["model.xml"], "the hash of model.bin, got none"),  # it may be a pipe without an end
        ("openvino", ["model.xml", "other.bin"], "the hash of model.bin, got none"),
        ("openvino", ["model.onnx"], r"a name that ends in \.xml, got 'model\.onnx'"),  # weights by any path
        ("openvino", ["model.pdmodel"], r"a name that ends in \.xml"),
        ("onnx", ["model.ort"], r"a name that ends in \.onnx, got 'model\.ort'"),  # another format, checked less
    ],
)
def test_a_file_that_would_be_opened_without_a_hash(tmp_path: Path, kind: str, files: list[str], said: str) -> None:
    folder = exported(tmp_path / "exported", kind, files)
    with pytest.raises(UserError, match=said):
        read_manifest(folder)


@pytest.mark.parametrize(
    "changes",
    [
        {"file": "../model.onnx"},
        {"file": "/etc/passwd"},
        {"file": "model.onnx\0.onnx"},
        {"file": ".."},
        {"file": ["model.onnx"]},
        {"sha256": {"model.onnx": "0" * 64}},
        {"sha256": {"model.onnx": None}},
        {"sha256": {}},
        {"sha256": []},
        {"max_kept": 2**70},
        {"max_kept": True},
        {"floor": 1.0},
        {"floor": "0"},
        {"iou_threshold": 1e400},
        {"fixed_hw": [2**40, 2**40]},
        {"format": "torchscript"},
    ],
)
def test_a_manifest_with_a_wrong_value_is_one_message(tmp_path: Path, changes: dict[str, Any]) -> None:
    folder = exported(tmp_path / "exported", "onnx", ["model.onnx"], **changes)
    with pytest.raises(UserError, match=r"expected"):
        read_manifest(folder)


def test_a_network_that_asks_for_more_memory_than_there_is(tmp_path: Path) -> None:
    """ONNX Runtime has an error of its own for it, which was unforeseen."""
    from onnx import TensorProto, helper

    names = {"images": TensorProto.UINT8, "sizes": TensorProto.INT64, "threshold": TensorProto.FLOAT}
    inputs = [helper.make_tensor_value_info(name, kind, None) for name, kind in names.items()]
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in "abcd"]
    values = [helper.make_tensor("flat", TensorProto.INT64, [1], [-1])]
    values.append(helper.make_tensor("large", TensorProto.INT64, [1], [2**16]))
    nodes = [
        helper.make_node("Reshape", ["sizes", "flat"], ["size"]),
        helper.make_node("Mul", ["size", "large"], ["s"]),
    ]
    nodes += [helper.make_node("ConstantOfShape", ["s"], [name]) for name in "abcd"]  # 16 TB each, known at work only
    graph = helper.make_graph(nodes, "g", inputs, outputs, values)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    network = Network("onnx", "fp32", "model.onnx", {"model.onnx": ""}, True, 0.5, 100, 0.001)
    images = np.zeros((1, 32, 32, 3), np.uint8)
    batch = Batch(images, np.array([[32, 32]]), np.array([[32, 32]]))
    with pytest.raises(MemoryError):
        OnnxBackend(tmp_path, network, "cpu", 1).run(batch, 0.5)
