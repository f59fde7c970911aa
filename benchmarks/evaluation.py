"""The evaluation's speed and growth, with MMDetection's two COCO metrics on the same predictions in the same run.

    OMP_NUM_THREADS=1 taskset -c 0 python benchmarks/evaluation.py
    OMP_NUM_THREADS=1 taskset -c 0 python benchmarks/evaluation.py --growth --no-peers

Made-up images with ten classes: so many objects each, and 100 predictions that are shifted copies of them, one in ten
under a wrong class. All three metrics get the same data samples, as the test loop hands them over, and are timed from
there to their numbers. Prints one table.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import logging
import resource
import time
from typing import Any

import numpy as np
import torch

from anomdet.workflows.runs.libraries import load_libraries

NUM_CLASSES, SIZE_PX = 10, 1000


def make_samples(num_images: int, num_predictions: int, num_objects: int) -> list[dict[str, Any]]:
    """Data samples as dicts, as the loop gives them to a metric."""
    from mmengine.structures import InstanceData

    rng = np.random.default_rng(0)
    samples = []
    for img_id in range(num_images):
        corners = rng.uniform(0, SIZE_PX - 150, (num_objects, 2))
        gt = np.concatenate([corners, corners + rng.uniform(5, 150, (num_objects, 2))], axis=1)
        labels = rng.integers(0, NUM_CLASSES, num_objects)
        source = rng.integers(0, num_objects, num_predictions)
        size = np.tile(gt[source, 2:] - gt[source, :2], 2)
        boxes = gt[source] + rng.normal(0, 0.1, (num_predictions, 4)) * size
        boxes[:, 2:] = np.maximum(boxes[:, 2:], boxes[:, :2] + 1)
        wrong = rng.random(num_predictions) < 0.1
        classes = np.where(wrong, rng.integers(0, NUM_CLASSES, num_predictions), labels[source])
        predictions = InstanceData(
            bboxes=torch.from_numpy(boxes).float(),
            scores=torch.from_numpy(rng.random(num_predictions)).float(),
            labels=torch.from_numpy(classes),
        )
        instances = [
            {"bbox": box, "bbox_label": label, "ignore_flag": 0}
            for box, label in zip(gt.tolist(), labels.tolist(), strict=True)
        ]
        gt_instances = InstanceData(bboxes=torch.from_numpy(gt).float(), labels=torch.from_numpy(labels))
        samples.append(
            {
                "img_id": img_id,
                "file_name": f"{img_id}.png",
                "ori_shape": (SIZE_PX, SIZE_PX),
                "pred_instances": predictions,
                "instances": instances,
                "gt_instances": gt_instances,
            }
        )
    return samples


def timed(metric: Any, samples: list[dict[str, Any]]) -> tuple[float, dict[str, float]]:
    """Seconds from the data samples to the numbers."""
    names = tuple(map(str, range(NUM_CLASSES)))
    metric.dataset_meta = {"classes": names, "class_nums": tuple(range(NUM_CLASSES))}
    started = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()):
        for sample in samples:
            metric.process({}, [sample])
        numbers = metric.evaluate(len(samples))
    return time.perf_counter() - started, numbers


def peers(samples: list[dict[str, Any]]) -> dict[str, float]:
    """Seconds of MMDetection's metrics."""
    from mmdet.evaluation import CocoMetric
    from mmdet.evaluation.metrics.faster_coco_metric import FasterCocoMetric

    found = {}
    for kind in (FasterCocoMetric, CocoMetric):
        # CocoMetric reads `instances`, FasterCocoMetric `gt_instances`; both are there.
        found[kind.__name__], numbers = timed(kind(metric="bbox"), samples)
        print(f"{kind.__name__:34s}{found[kind.__name__]:8.2f} s   mAP {numbers['coco/bbox_mAP']:.3f}", flush=True)
    return found


def ours(samples: list[dict[str, Any]], num_resamples: int) -> dict[str, float]:
    """Seconds of each step of ours."""
    from anomdet.evaluation.coco import coco_numbers, rank
    from anomdet.evaluation.details import details
    from anomdet.evaluation.intervals import intervals
    from anomdet.evaluation.metric import InspectionMetric
    from anomdet.evaluation.pairs import overlapping_pairs

    metric = InspectionMetric(complete=True)
    total, numbers = timed(metric, samples)
    measured = metric.last
    assert measured is not None
    started = time.perf_counter()
    pairs = overlapping_pairs(measured.results, 0.1)
    coco_numbers(measured.results, pairs, (), rank(measured.results))
    coco_s = time.perf_counter() - started
    started = time.perf_counter()
    details(measured)
    details_s = time.perf_counter() - started
    found = {"process": 0.0, "COCO part": coco_s, "all numbers": total, "details": details_s}
    # What is not COCO's: everything from the samples to the numbers, less the COCO part and the reading of the samples.
    again = InspectionMetric()
    again.dataset_meta = metric.dataset_meta
    started = time.perf_counter()
    for sample in samples:
        again.process({}, [sample])
    again._columns(again.results)
    found["process"] = time.perf_counter() - started
    found["the rest"] = total - coco_s - found["process"] + details_s
    started = time.perf_counter()
    intervals(measured, num_resamples=num_resamples)
    found[f"{num_resamples} resamples"] = time.perf_counter() - started
    for name, seconds in found.items():
        print(f"ours: {name:28s}{seconds:8.2f} s", flush=True)
    print(f"ours: mAP {numbers['mAP']:.3f}")
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, nargs="+", default=[5000])
    parser.add_argument("--predictions", type=int, default=100)
    parser.add_argument("--objects", type=int, default=10)
    parser.add_argument("--resamples", type=int, default=1000)
    parser.add_argument("--growth", action="store_true", help="5,000, 10,000, 20,000 and 50,000 images")
    parser.add_argument("--no-peers", action="store_true")
    arguments = parser.parse_args()
    logging.disable(logging.WARNING)
    load_libraries()
    for num_images in [5000, 10_000, 20_000, 50_000] if arguments.growth else arguments.images:
        print(f"{num_images} images x {arguments.predictions} predictions, {arguments.objects} objects each")
        samples = make_samples(num_images, arguments.predictions, arguments.objects)
        mine = ours(samples, arguments.resamples)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        print(f"peak memory with the samples {peak:.2f} GB")
        if not arguments.no_peers:
            for name, seconds in peers(samples).items():
                part = mine["COCO part"] + mine["process"]
                print(
                    f"{name} / ours: COCO part {seconds / part:.1f}x, all numbers {seconds / mine['all numbers']:.1f}x"
                )
        print()


if __name__ == "__main__":
    main()
