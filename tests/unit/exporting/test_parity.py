"""The comparison that an export must pass, and the stage that it names where it fails."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from anomdet.anomalies import Anomaly
from anomdet.exporting.diagnosis import first_difference
from anomdet.exporting.graph import Graph
from anomdet.exporting.parity import compare
from anomdet.inference.backends.torch import TorchBackend
from anomdet.inference.detector import Detector
from anomdet.inference.postprocess import Detections
from anomdet.inference.preprocess import Prepared
from anomdet.inference.result import Result
from tests.unit.exporting.networks import make_artifact, make_batch, make_network


def result(boxes: list[list[float]], scores: list[float], verdict: str = "reject") -> Result:
    return Result(
        image="a.png",
        size_hw=(100, 100),
        bboxes_xyxy=np.array(boxes, np.float32).reshape(-1, 4),
        scores=np.array(scores, np.float32),
        class_nums=np.full(len(scores), 3, np.int64),
        class_names=("dent",) * len(scores),
        part_score=max(scores, default=0.0),
        verdict=verdict,
        threshold=0.3,
        times={},
        model_sha256="",
    )


BOXES = [[0.0, 0, 10, 10], [20, 20, 40, 40]]


def test_equal_rows_pass_in_any_order() -> None:
    swapped = result(BOXES[::-1], [0.5, 0.5])
    found = compare([result(BOXES, [0.5, 0.5])], [swapped])
    assert found.passed
    assert (found.num_rows, found.num_unmatched, found.worst_box_px) == (2, 0, 0.0)


@pytest.mark.parametrize(("score", "passes"), [(2.0, True), (2.001, True), (2.01, False), (None, False)])
def test_a_normal_only_score_must_be_the_checkpoints(score: float | None, passes: bool) -> None:
    """Within a thousandth of its threshold, which is 2 here; a network that lost it does not pass."""
    own = replace(result([], []), anomaly=Anomaly(2.0, 2.0, 0.1))
    other = replace(own, anomaly=None if score is None else Anomaly(score, 2.0, 0.1))
    found = compare([own], [other])
    assert found.passed == passes and found.stage == ("" if passes else "the normal-only score")


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        (result(BOXES, [0.5, 0.4998]), "2 detections of 2 have no partner"),
        (result([BOXES[0], [20, 20, 40, 40.1]], [0.5, 0.5]), "2 detections of 2 have no partner"),
        (result(BOXES[:1], [0.5]), "1 detections of 2 have no partner"),
    ],
)
def test_what_differs_is_refused(other: Result, reason: str) -> None:
    found = compare([result(BOXES, [0.5, 0.5])], [other])
    assert not found.passed
    assert any(reason in text for text in found.reasons)


def test_another_verdict_is_refused() -> None:
    """Though each row has a partner: the threshold lies between."""
    found = compare([result(BOXES[:1], [0.30003])], [result(BOXES[:1], [0.29997], verdict="accept")])
    assert found.reasons == ("the verdict differs on 1 images: a.png",)


def test_another_mean_ap_is_refused() -> None:
    found = compare([result(BOXES, [0.5, 0.5])], [result(BOXES, [0.5, 0.5])], (0.4, 0.3995))
    assert found.reasons == ("mAP is 0.39950, of the checkpoint 0.40000",)


@pytest.fixture(scope="module")
def parts() -> tuple[Detector, Graph, Prepared]:
    model = make_network("rtmdet_tiny")
    artifact = make_artifact("rtmdet_tiny", model)
    graph = Graph(model, artifact.preprocessing, "m").eval()
    pixels = make_batch((96, 128), 1).images[0]
    return Detector(artifact, TorchBackend(model)), graph, Prepared(pixels[:90], (90, 128), "a.png")


class Shifted:
    """A runtime whose rows are not the network's."""

    name, device = "onnx", "cpu"

    def __init__(self, backend: Any) -> None:
        self._backend = backend

    def run(self, batch: Any, min_score: float) -> list[Detections]:
        return [one.rows(np.arange(max(len(one) - 1, 0))) for one in self._backend.run(batch, min_score)]


def sabotaged(graph: Graph, **changes: Any) -> Graph:
    """A graph around the same network, with something else in its preparation."""
    other = Graph.__new__(Graph)
    torch.nn.Module.__init__(other)
    other.__dict__.update({key: value for key, value in graph.__dict__.items() if not key.startswith("_")})
    other.finder = graph.finder
    for name in ("mean", "std"):
        other.register_buffer(name, changes.pop(name, getattr(graph, name)))
    other.__dict__.update(changes)
    return other


@pytest.mark.parametrize(
    ("sabotage", "named"),
    [
        ("mean", "prepare: the normalisation"),
        ("channels", "prepare: the order of the colour channels"),
        ("padding", "prepare: the padding"),
        ("kernel", "prepare: interpolation is 'nearest'"),
        ("threshold", "thresholds: "),
        ("boxes", "decode: the scores are equal, the boxes lie elsewhere"),
        ("rows", "suppression: "),
    ],
)
def test_each_sabotage_is_named(parts: tuple[Detector, Graph, Prepared], sabotage: str, named: str) -> None:
    reference, graph, image = parts
    artifact, backend, wrong = reference.artifact, reference.backend, graph
    if sabotage == "mean":
        wrong = sabotaged(graph, mean=graph.mean + 9)
    elif sabotage == "channels":
        wrong = sabotaged(graph, flip=not graph.flip, mean=graph.mean.flip(1), std=graph.std.flip(1))
        wrong = sabotaged(graph, flip=not graph.flip)
    elif sabotage == "padding":
        wrong = sabotaged(graph, pad_value=graph.pad_value + 1.0)
    elif sabotage == "kernel":
        artifact = replace(artifact, preprocessing=replace(artifact.preprocessing, interpolation="nearest"))
    elif sabotage == "boxes":
        finder = graph.finder

        def moved(inputs: Any, sizes: Any) -> Any:
            found = finder(inputs, sizes)
            return found._replace(boxes=found.boxes + 1.0)

        for name in ("floor", "iou_threshold", "max_kept", "per_class_boxes"):
            setattr(moved, name, getattr(finder, name))
        wrong = sabotaged(graph)
        del wrong._modules["finder"]
        wrong.__dict__["finder"] = moved
    elif sabotage == "rows":
        backend = Shifted(backend)
    threshold = 0.4 if sabotage == "threshold" else None
    exported = Detector(artifact, backend, threshold=threshold)
    assert first_difference(reference, exported, wrong, image).startswith(named)
