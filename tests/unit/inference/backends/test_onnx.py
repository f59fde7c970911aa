"""Which processor ONNX Runtime is asked for, and whether it took it."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from anomdet.errors import UserError
from anomdet.inference.backends.onnx import open_graph

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"


def runtime(monkeypatch: pytest.MonkeyPatch, *, taken: str) -> list[Any]:
    """A stand-in for onnxruntime-gpu whose sessions run on ``taken``; what each is asked for."""
    asked: list[Any] = []

    def session(_path: str, _options: Any, providers: list[Any]) -> Any:
        asked.append(providers)
        return SimpleNamespace(get_providers=lambda: [taken], get_inputs=lambda: [SimpleNamespace(name="x")])

    options = SimpleNamespace(add_session_config_entry=lambda *_: None)
    module = SimpleNamespace(
        SessionOptions=lambda: options,
        InferenceSession=session,
        get_available_providers=lambda: [CUDA, CPU],
    )
    monkeypatch.setitem(sys.modules, "onnxruntime", module)  # type: ignore[arg-type]
    return asked


@pytest.mark.parametrize(("device", "number"), [("cuda", "0"), ("cuda:0", "0"), ("cuda:1", "1")])
def test_the_gpu_that_was_asked_for(monkeypatch: pytest.MonkeyPatch, device: str, number: str) -> None:
    """``cuda:1`` was the first GPU, without a word."""
    asked = runtime(monkeypatch, taken=CUDA)
    open_graph(Path("x.onnx"), device, None)
    assert asked == [[(CUDA, {"device_id": number}), CPU]]


def test_a_gpu_that_it_cannot_use_is_not_replaced_without_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    """ONNX Runtime takes the CPU where CUDA or cuDNN do not fit."""
    runtime(monkeypatch, taken=CPU)
    with pytest.raises(
        UserError, match="device cuda: expected a GPU that ONNX Runtime can use, got the CPU in its place"
    ):
        open_graph(Path("x.onnx"), "cuda", None)
    open_graph(Path("x.onnx"), "auto", None)  # takes what there is


@pytest.mark.parametrize("device", ["cudax", "cuda:x", "gpu", "None", "1"])
def test_a_device_that_is_none(monkeypatch: pytest.MonkeyPatch, device: str) -> None:
    runtime(monkeypatch, taken=CPU)
    with pytest.raises(UserError, match="device: expected auto, cpu, cuda or cuda:<number>, got"):
        open_graph(Path("x.onnx"), device, None)
