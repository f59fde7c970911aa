"""The graph gives the rows that MMDetection's own prediction gives, for every kind of detector."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from anomdet.errors import UserError
from anomdet.exporting.finders import finder_of
from anomdet.exporting.graph import Graph
from anomdet.exporting.suppression import suppress
from anomdet.inference.backends.rows import detections, runs, threshold_input
from anomdet.inference.backends.torch import TorchBackend
from anomdet.inference.exported import Network
from anomdet.inference.postprocess import Detections
from anomdet.inference.preprocess import Batch
from tests.unit.exporting.networks import OF_QUERIES, OWN, PRESETS, make_artifact, make_batch, make_network

pytestmark = pytest.mark.slow  # seconds: not a part of `make test-fast`

MIN_SCORE = 0.06
SHAPES = (((96, 128), 2), ((128, 128), 1), ((100, 70), 2))


def network_of(graph: Graph) -> Network:
    finder = graph.finder
    ends = (finder.iou_threshold, finder.max_kept, finder.floor)
    return Network("onnx", "fp32", "m", {"m": ""}, graph.with_nms, *ends, one_image=finder.takes_one_image)


def assert_same(ours: Detections, theirs: Detections) -> None:
    """As sets: rows of equal scores come in any order."""
    assert len(ours) == len(theirs) > 0
    for at in range(len(ours)):
        near = (np.abs(theirs.bboxes_xyxy - ours.bboxes_xyxy[at]).max(axis=1) < 0.01) & (
            np.abs(theirs.scores - ours.scores[at]) < 1e-4
        )
        assert (near & (theirs.labels == ours.labels[at])).any()


@pytest.mark.parametrize("preset", [*PRESETS, OWN])
def test_the_rows_are_those_of_mmdetection(preset: str) -> None:
    model = make_network(preset)
    artifact = make_artifact(preset, model)
    inside = Graph(model, artifact.preprocessing, preset).eval()
    outside = Graph(model, artifact.preprocessing, preset, with_nms=False).eval()
    reference = TorchBackend(model)
    for size_hw, count in SHAPES[:2] if preset in OF_QUERIES else SHAPES:
        batch = make_batch(size_hw, count, seed=5)
        expected = [one.rows(one.scores >= MIN_SCORE) for one in reference.run(batch, MIN_SCORE)]
        for graph in (inside, outside):
            for one, other in zip(expected, rows_of(graph, batch), strict=True):
                assert_same(one, other)


def rows_of(graph: Graph, batch: Batch) -> list[Detections]:
    network, found = network_of(graph), []
    for one in runs(network, batch):
        inputs = [torch.from_numpy(one.images), torch.from_numpy(one.sizes_hw)]
        if graph.with_nms:
            inputs.append(torch.from_numpy(threshold_input(network, MIN_SCORE)))
        with torch.no_grad():
            outputs = [output.numpy() for output in graph(*inputs)]
        found += detections(network, one, outputs, MIN_SCORE)
    return found


def test_another_kind_of_network_is_refused() -> None:
    with pytest.raises(UserError, match=r"expected a network that can be exported .* got Linear with NoneType"):
        finder_of(torch.nn.Linear(1, 1), "best_model.pth")


def test_suppression_keeps_images_and_classes_apart() -> None:
    box = [0.0, 0, 10, 10]
    boxes = torch.tensor([[box, box, [50.0, 50, 60, 60]], [box, box, box]])
    scores = torch.tensor([[[0.9, 0.8, 0.1], [0.0, 0.7, 0.6]], [[0.5, 0.6, 0.4], [0.0, 0.0, 0.0]]])
    found = suppress(boxes, scores, torch.tensor(0.3), 0.5, 100)
    assert found.tolist() == [[0, 0, 0], [0, 1, 1], [0, 1, 2], [1, 0, 1]]


def test_suppression_keeps_at_most_so_many_of_a_class() -> None:
    boxes = torch.tensor([[[20.0 * i, 0, 20 * i + 10, 10] for i in range(5)]])
    scores = torch.tensor([[[0.5, 0.9, 0.7, 0.8, 0.6]]])
    assert suppress(boxes, scores, torch.tensor(0.0), 0.5, 2)[:, 2].tolist() == [1, 3]
