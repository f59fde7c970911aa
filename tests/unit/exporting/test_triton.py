"""The model repository describes the network that lies in it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from anomdet.exporting.graph import INPUTS, OUTPUTS, OUTPUTS_BEFORE_NMS
from anomdet.exporting.triton import config, write_repository
from anomdet.inference.exported import Network


def network(kind: str, with_nms: bool, *names: str) -> Network:
    """Of these files."""
    files = dict.fromkeys(names, "0" * 64)
    return Network(kind, "fp32", names[0], files, with_nms, 0.5, 100, 0.001)  # type: ignore[arg-type]


def names_of(text: str, key: str) -> tuple[str, ...]:
    return tuple(re.findall(rf'^{key} {{ name: "(\w+)"', text, re.MULTILINE))


def test_inputs_and_outputs_are_those_of_the_graph() -> None:
    inside, outside = (config(network("onnx", with_nms, "model.onnx"), "m") for with_nms in (True, False))
    assert names_of(inside, "input") == tuple(INPUTS)
    assert names_of(inside, "output") == tuple(OUTPUTS)
    assert names_of(outside, "input") == tuple(INPUTS[:2])
    assert names_of(outside, "output") == tuple(OUTPUTS_BEFORE_NMS)


@pytest.mark.parametrize(
    ("kind", "files", "backend"),
    [("onnx", ("model.onnx",), "onnxruntime"), ("openvino", ("model.xml", "model.bin"), "openvino")],
)
def test_the_files_lie_where_triton_looks_for_them(
    kind: str, files: tuple[str, ...], backend: str, tmp_path: Path
) -> None:
    for name in files:
        (tmp_path / name).write_bytes(name.encode())
    written = write_repository(tmp_path, network(kind, True, *files), tmp_path / "triton", "defects")
    assert {path.relative_to(tmp_path).as_posix() for path in written} == {
        "triton/defects/config.pbtxt",
        *(f"triton/defects/1/{name}" for name in files),
    }
    assert (tmp_path / "triton" / "defects" / "1" / files[0]).read_bytes() == files[0].encode()
    assert f'backend: "{backend}"' in (tmp_path / "triton" / "defects" / "config.pbtxt").read_text(encoding="utf-8")
