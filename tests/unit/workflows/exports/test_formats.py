"""The formats of one checkpoint side by side, read from the folders themselves."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

from anomdet.exporting.parity import Parity
from anomdet.inference.artifact import Artifact, ModelInfo, OperatingPoint, Preprocessing
from anomdet.inference.exported import Manifest, Network
from anomdet.workflows.exports.formats import write_page


def exported(folder: Path, kind: str, checkpoint: str, *, ms: float, mean_ap: float) -> tuple[Manifest, Parity]:
    """A folder as an export leaves it, with a network of 2 MB."""
    folder.mkdir()
    names = {"onnx": ["model.onnx"], "openvino": ["model.xml", "model.bin"]}[kind]
    for name in names:
        (folder / name).write_bytes(bytes(2_000_000 // len(names)))
    network = Network(kind, "fp32", names[0], dict.fromkeys(names, "0" * 64), True, 0.5, 100, 0.001)  # type: ignore[arg-type]
    point = OperatingPoint("fixed", "settings", 0.3)
    preprocessing = Preprocessing((32, 32), (), (), "rgb", 32)
    artifact = Artifact(ModelInfo("rtmdet_tiny", {"type": "RTMDet"}), preprocessing, (1,), ("dent",), point)
    manifest = Manifest(artifact, network, checkpoint, {}, "")
    parity = Parity(5, 10, 0, 0.0, 0.0, mean_ap=(0.5, mean_ap), ms=(40.0, ms))
    (folder / "manifest.json").write_text(json.dumps(manifest.to_dict()), encoding="utf-8")
    (folder / "parity.json").write_text(json.dumps(parity.to_dict()), encoding="utf-8")
    return manifest, parity


def cells(page: Path) -> list[list[str]]:
    rows = re.findall(r"<tr>(<td>.*?)</tr>", page.read_text(encoding="utf-8"))
    return [re.findall(r"<td>(.*?)</td>", row) for row in rows]


def test_exports_of_the_same_checkpoint_stand_side_by_side(tmp_path: Path) -> None:
    exported(tmp_path / "a_openvino", "openvino", "c1", ms=10.0, mean_ap=0.4950)
    exported(tmp_path / "another", "onnx", "c2", ms=1.0, mean_ap=0.9)
    manifest, parity = exported(tmp_path / "onnx", "onnx", "c1", ms=20.0, mean_ap=0.5)
    page = write_page(tmp_path / "onnx", manifest, parity, 8_000_000)
    assert cells(page) == [
        ["checkpoint", "torch fp32", "8.0", "40.0", "1.00 x", "0.5000", "", ""],
        ["onnx", "onnx fp32", "2.0", "20.0", "2.00 x", "0.5000", "+0.0000", "0"],
        ["a_openvino", "openvino fp32", "2.0", "10.0", "4.00 x", "0.4950", "-0.0050", "0"],
    ]


def test_a_neighbour_that_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    for name in ("manifest.json", "parity.json"):
        exported(tmp_path / name, "onnx", "c1", ms=10.0, mean_ap=0.5)
        (tmp_path / name / name).write_text('{"x": [', encoding="utf-8")
    manifest, parity = exported(tmp_path / "onnx", "onnx", "c1", ms=20.0, mean_ap=0.5)
    page = write_page(tmp_path / "onnx", manifest, replace(parity, mean_ap=None, ms=None), 1_000_000)
    assert [row[0] for row in cells(page)] == ["checkpoint", "onnx"]
