"""What is written for ONNX Runtime: networks that take one size, or one image at a time."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from anomdet.errors import UserError
from anomdet.exporting.graph import Graph
from anomdet.exporting.writers import write
from anomdet.inference.backends import Backend
from anomdet.inference.backends.torch import TorchBackend
from anomdet.inference.exported import Network
from anomdet.workflows.load import open_network
from tests.unit.exporting.networks import OWN, make_artifact, make_batch, make_network
from tests.unit.exporting.test_graph import MIN_SCORE, assert_same

pytestmark = pytest.mark.slow  # seconds: not a part of `make test-fast`
SIZE_HW = (128, 160)


def written(preset: str, folder: Path) -> tuple[Backend, Backend]:
    """In ONNX Runtime, and in PyTorch."""
    pytest.importorskip("onnxruntime")
    model = make_network(preset)
    graph = Graph(model, make_artifact(preset, model).preprocessing, "m").eval()
    traced, finder = make_batch(SIZE_HW, 1), graph.finder
    inputs = (torch.from_numpy(traced.images), torch.from_numpy(traced.sizes_hw), torch.tensor(0.05))
    (name,) = write(graph, folder, "onnx", inputs)
    ends = (finder.iou_threshold, finder.max_kept, finder.floor)
    fixed_hw = SIZE_HW if graph.is_fixed else None
    network = Network("onnx", "fp32", name, {name: ""}, True, *ends, fixed_hw, finder.takes_one_image)
    return open_network(folder, network, "cpu", 1), TorchBackend(model)


def test_dino_takes_batches_of_its_size_and_refuses_another(tmp_path: Path) -> None:
    ours, theirs = written("dino", tmp_path)
    batch = make_batch(SIZE_HW, 2, seed=0)
    expected = [one.rows(one.scores >= MIN_SCORE) for one in theirs.run(batch, MIN_SCORE)]
    for one, other in zip(expected, ours.run(batch, MIN_SCORE), strict=True):
        assert_same(one, other)
    with pytest.raises(UserError, match="expected images that fill 160 x 128 px after resizing, got 128 x 128"):
        ours.run(make_batch((128, 128), 1), MIN_SCORE)


def test_a_model_of_the_users_own_takes_any_size(tmp_path: Path) -> None:
    ours, theirs = written(OWN, tmp_path)
    for size_hw, count in ((SIZE_HW, 1), ((96, 128), 2), ((200, 310), 1)):
        batch = make_batch(size_hw, count, seed=5)
        expected = [one.rows(one.scores >= MIN_SCORE) for one in theirs.run(batch, MIN_SCORE)]
        for one, other in zip(expected, ours.run(batch, MIN_SCORE), strict=True):
            assert_same(one, other)
