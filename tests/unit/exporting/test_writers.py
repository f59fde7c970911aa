"""PyTorch's newer exporter as a second route: the same network, at other sizes and batches than the traced one."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from anomdet.exporting.graph import Graph
from anomdet.exporting.writers import write
from tests.unit.exporting.networks import make_artifact, make_batch, make_network

pytestmark = pytest.mark.slow  # seconds: not a part of `make test-fast`


@pytest.mark.filterwarnings("ignore")  # of the exporter
def test_the_route_dynamo_gives_the_same_rows(tmp_path: Path) -> None:
    runtime = pytest.importorskip("onnxruntime")
    model = make_network("rtmdet_tiny")
    graph = Graph(model, make_artifact("rtmdet_tiny", model).preprocessing, "m").eval()
    traced, threshold = make_batch((128, 128), 2), torch.tensor(0.1)
    example = (torch.from_numpy(traced.images), torch.from_numpy(traced.sizes_hw), threshold)
    (name,) = write(graph, tmp_path, "onnx", example, route="dynamo")
    session = runtime.InferenceSession(str(tmp_path / name), providers=["CPUExecutionProvider"])
    for size_hw, count in (((128, 128), 2), ((96, 160), 3)):
        batch = make_batch(size_hw, count, seed=5)
        inputs = (torch.from_numpy(batch.images), torch.from_numpy(batch.sizes_hw), threshold)
        with torch.no_grad():
            expected = rows(*graph(*inputs))
        found = session.run(
            None, dict(zip(("images", "sizes", "threshold"), map(torch.Tensor.numpy, inputs), strict=True))
        )
        ours = rows(*map(torch.from_numpy, found))
        assert len(ours) == len(expected) > 100
        apart = torch.cdist(ours, expected, p=float("inf"))  # as sets: equal scores come in any order
        assert max(float(apart.min(dim=0).values.max()), float(apart.min(dim=1).values.max())) < 1e-3


def rows(boxes: torch.Tensor, scores: torch.Tensor, labels: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
    """``(K, 7)`` of image, label, score and box."""
    return torch.cat([image[:, None], labels[:, None], scores[:, None], boxes], dim=1)
