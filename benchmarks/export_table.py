"""The table of docs/export.md: which presets are exported, how near they come to MMDetection, and how long it takes.

    python benchmarks/export_table.py [--presets rtmdet_tiny,fcos] [--formats onnx,openvino]

Networks with random weights whose scores are spread out (tests/unit/exporting/networks.py), against MMDetection's own
prediction, at three sizes of batches and images, square and not; rows from score 0.06 on. DINO at the traced size only,
another must be refused. `own` is examples/custom_model_torchvision.py. `unmatched`: rows without one of their class
within 0.05 px and 1e-4. Seconds are processor time of the export alone.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1]))  # for the tests' networks

from anomdet.errors import UserError
from anomdet.exporting.graph import Graph
from anomdet.exporting.writers import write
from anomdet.inference.backends.torch import TorchBackend
from anomdet.inference.exported import Network
from anomdet.inference.postprocess import Detections
from anomdet.workflows.load import open_network
from tests.unit.exporting import networks

MIN_SCORE = 0.06
TRACED, OF_ONE_SIZE = ((128, 128), 1), ((192, 256), 1)
SHAPES = (((96, 128), 2), ((320, 320), 1), ((200, 310), 3))
OTHERS = {
    "rtmdet_s": (),
    "rtmdet_m": (),
    "rtmdet_l": (),
    "yolox_s": (),
    "fasterrcnn_resnet50_fpn": (),
    "dino": ("model.overrides={num_queries: 300}",),  # 900 need an image of 288 px and more
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    networks.PRESETS.update(OTHERS)
    parser.add_argument("--presets", default=",".join([*networks.PRESETS, networks.OWN]))
    parser.add_argument("--formats", default="onnx,openvino")
    args = parser.parse_args()
    torch.set_num_threads(1)
    columns = ("preset", "format", "seconds", "sizes and batches", "rows", "unmatched", "box px", "score")
    print(f"| {' | '.join(columns)} |\n{'|---' * len(columns)}|")
    for preset in args.presets.split(","):
        for kind in args.formats.split(","):
            print(f"| {preset} | {kind} | {row(preset, kind)} |", flush=True)


def row(preset: str, kind: str) -> str:
    """The rest of a line."""
    model = networks.make_network(preset)
    artifact = networks.make_artifact(preset, model)
    try:
        graph = Graph(model, artifact.preprocessing, preset).eval()
    except UserError as error:
        return f"refused: {error}"
    finder = graph.finder
    traced = OF_ONE_SIZE if graph.is_fixed else TRACED
    batch = networks.make_batch(*traced)
    example = (torch.from_numpy(batch.images), torch.from_numpy(batch.sizes_hw), torch.tensor(0.1))
    with tempfile.TemporaryDirectory() as name:
        start = time.process_time()
        files = write(graph, Path(name), kind, example)
        seconds = time.process_time() - start
        hashes, ends = dict.fromkeys(files, ""), (finder.iou_threshold, finder.max_kept, finder.floor)
        one_size = traced[0] if graph.is_fixed else None
        more = (one_size, finder.takes_one_image)
        network = Network(kind, "fp32", files[0], hashes, True, *ends, *more)  # type: ignore[arg-type]
        backend, reference = open_network(Path(name), network, "cpu", 1), TorchBackend(model)
        shapes = [(traced[0], 1), (traced[0], 3)] if graph.is_fixed else SHAPES
        found = [compare(backend, reference, *shape) for shape in shapes]
        if graph.is_fixed:
            check_refused(backend)
    rows, unmatched, boxes, scores = zip(*found, strict=True)
    axes = f"{'one' if graph.is_fixed else 'any'}, {'one image' if finder.takes_one_image else 'any batch'}"
    return f"{seconds:.1f} | {axes} | {sum(rows):,} | {sum(unmatched)} | {max(boxes):.0e} | {max(scores):.0e}"


def check_refused(backend: Any) -> None:
    """Of a network that takes one size."""
    with contextlib.suppress(UserError):
        backend.run(networks.make_batch((160, 160), 1), MIN_SCORE)
        raise SystemExit("expected another size to be refused")


def compare(backend: object, reference: object, size_hw: tuple[int, int], count: int) -> tuple[int, int, float, float]:
    """Rows, unmatched ones, and the largest difference of matched boxes and scores."""
    batch = networks.make_batch(size_hw, count, seed=5)
    ours, theirs = (one.run(batch, MIN_SCORE) for one in (backend, reference))  # type: ignore[attr-defined]
    rows, unmatched, worst_box, worst_score = 0, 0, 0.0, 0.0
    for one, other in zip(ours, theirs, strict=True):
        other = other.rows(other.scores >= MIN_SCORE)
        rows += len(other)
        for at in range(len(other)):
            box, score = nearest(one, other, at)
            if box <= 0.05 and score <= 1e-4:
                worst_box, worst_score = max(worst_box, box), max(worst_score, score)
            else:
                unmatched += 1
    return rows, unmatched, worst_box, worst_score


def nearest(found: Detections, wanted: Detections, at: int) -> tuple[float, float]:
    """Differences of the row of the same class that is nearest to a wanted one."""
    same = found.rows(found.labels == wanted.labels[at])
    if not len(same):
        return np.inf, np.inf
    boxes = np.abs(same.bboxes_xyxy - wanted.bboxes_xyxy[at]).max(axis=1)
    scores = np.abs(same.scores - wanted.scores[at])
    best = int(np.argmin(boxes + 1e3 * scores))
    return float(boxes[best]), float(scores[best])


if __name__ == "__main__":
    main()
