"""An exported network that decides otherwise than its checkpoint is refused, and the first stage named."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from anomdet.exporting.graph import Graph
from anomdet.exporting.parity import Parity
from anomdet.exporting.writers import write
from anomdet.inference.backends.torch import TorchBackend
from anomdet.inference.detector import Detector
from anomdet.inference.exported import Manifest
from anomdet.workflows.exports.images import ParityImages
from anomdet.workflows.exports.parity import check_parity
from anomdet.workflows.exports.source import ExportOptions, Source
from tests.unit.exporting.networks import make_artifact, make_batch, make_network

pytestmark = pytest.mark.slow  # seconds: not a part of `make test-fast`
SIZES_HW = ((90, 128), (120, 128), (128, 70))


@pytest.fixture(scope="module")
def source() -> Source:
    model = make_network("rtmdet_tiny")
    artifact = make_artifact("rtmdet_tiny", model)
    graph = Graph(model, artifact.preprocessing, "m").eval()
    return Source(Path("best_model.pth"), Detector(artifact, TorchBackend(model)), graph)


@pytest.fixture(scope="module")
def images(source: Source) -> ParityImages:
    pixels = [
        make_batch(size_hw, 1, seed=at).images[0][: size_hw[0], : size_hw[1]] for at, size_hw in enumerate(SIZES_HW)
    ]
    return ParityImages([source.detector.prepare(image, name=f"{at}.png") for at, image in enumerate(pixels)])


def compared(
    source: Source, images: ParityImages, folder: Path, change: Callable[[Manifest], Manifest] = lambda same: same
) -> Parity:
    """After an export to ONNX."""
    pytest.importorskip("onnxruntime")
    manifest = source.write(write, folder, ExportOptions(), images.example(source))
    return check_parity(source, change(manifest), images, folder)


def test_a_faithful_export_passes(source: Source, images: ParityImages, tmp_path: Path) -> None:
    found = compared(source, images, tmp_path)
    assert found.passed
    assert found.num_images == len(SIZES_HW)
    assert found.num_rows > 100


def _moved(finder: Any) -> Any:
    forward = finder.forward

    def shifted(inputs: torch.Tensor, sizes_hw: torch.Tensor) -> Any:
        found = forward(inputs, sizes_hw)
        return found._replace(boxes=found.boxes + 1.0)

    return shifted


SABOTAGES: dict[str, tuple[Callable[[pytest.MonkeyPatch, Graph], None], str]] = {
    "normalisation": (
        lambda patch, graph: patch.setitem(graph._buffers, "mean", graph.mean + 9.0),
        "prepare: the normalisation (mean, std) is another than the checkpoint's",
    ),
    "channels": (
        lambda patch, graph: patch.setattr(graph, "flip", not graph.flip),
        "prepare: the order of the colour channels is the other one",
    ),
    "padding": (
        lambda patch, graph: patch.setattr(graph, "pad_value", -2.0),  # black, before the normalisation
        "prepare: the padding has another value than in the checkpoint",
    ),
    "boxes": (
        lambda patch, graph: patch.setattr(graph.finder, "forward", _moved(graph.finder)),
        "decode: the scores are equal, the boxes lie elsewhere",
    ),
    "suppression": (
        lambda patch, graph: patch.setattr(graph.finder, "iou_threshold", 0.3),
        "suppression: the same candidates, other rows are kept",
    ),
}


@pytest.mark.parametrize("sabotage", SABOTAGES)
def test_a_graph_that_does_something_else_is_refused_by_name(
    sabotage: str, source: Source, images: ParityImages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil, stage = SABOTAGES[sabotage]
    spoil(monkeypatch, source.graph)
    found = compared(source, images, tmp_path)
    assert not found.passed
    assert found.stage == stage
    assert found.images


def _another_kernel(manifest: Manifest) -> Manifest:
    preprocessing = replace(manifest.artifact.preprocessing, interpolation="nearest")
    return replace(manifest, artifact=replace(manifest.artifact, preprocessing=preprocessing))


def _another_threshold(manifest: Manifest) -> Manifest:
    point = manifest.artifact.operating_point
    assert point is not None
    return replace(manifest, artifact=replace(manifest.artifact, operating_point=replace(point, score_threshold=0.31)))


@pytest.mark.parametrize(
    ("change", "stage", "reason"),
    [
        (_another_kernel, "prepare", "interpolation is 'nearest', of the checkpoint 'bilinear'"),
        (_another_threshold, "thresholds", "the operating point is another than the checkpoint's"),
    ],
)
def test_a_manifest_that_says_something_else_is_refused_by_name(
    change: Any, stage: str, reason: str, source: Source, images: ParityImages, tmp_path: Path
) -> None:
    """Though no image may show it: the same steps would run with other numbers on the line."""
    found = compared(source, images, tmp_path, change)
    assert (found.passed, found.stage, found.reasons) == (False, stage, (reason,))
