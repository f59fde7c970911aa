"""Do the 95 % intervals hold the truth 95 times of 100? A simulation with a known truth.

    OMP_NUM_THREADS=1 python benchmarks/interval_coverage.py

A detector and a stream of parts are made up: each part has its own difficulty, a third of them are good, the others
hold one to four objects of three classes. The truth is what a test of 40,000 parts finds. Then many small tests are
drawn, each is evaluated with its intervals, and it is counted how often they hold the truth.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from anomdet.evaluation.intervals import intervals
from anomdet.evaluation.operating_point import fixed
from anomdet.evaluation.results import Results, make_ground_truth, make_predictions
from anomdet.evaluation.summary import Measured, measure

NAMES = ("mAP", "mAP_50", "precision", "recall", "f1_score", "mean_iou", "auroc", "escape_rate", "overkill_rate")
NUM_CLASSES = 3


def draw(rng: np.random.Generator, num_images: int) -> Results:
    """A test set and what the detector says of it."""
    difficulty = rng.beta(2, 4, num_images)
    num_gt = np.where(rng.random(num_images) < 1 / 3, 0, rng.integers(1, 5, num_images))
    gt_image = np.repeat(np.arange(num_images), num_gt)
    total = len(gt_image)
    corner, size = rng.uniform(0, 400, (total, 2)), rng.uniform(10, 80, (total, 2))
    gt_label = rng.choice(NUM_CLASSES, total, p=(0.6, 0.3, 0.1))
    hard = difficulty[gt_image]
    seen = rng.random(total) > 0.6 * hard
    shift = rng.normal(0, 0.03 + 0.12 * hard[seen, None], (int(seen.sum()), 4)) * np.tile(size[seen], 2)
    bboxes = np.concatenate([corner[seen], size[seen]], axis=1) + shift
    label = np.where(rng.random(len(bboxes)) < 0.05, rng.integers(0, NUM_CLASSES, len(bboxes)), gt_label[seen])
    score = np.clip(rng.normal(0.8 - 0.5 * hard[seen], 0.15), 0.01, 0.99)
    num_false = rng.poisson(0.2 + 1.2 * difficulty)
    false_image = np.repeat(np.arange(num_images), num_false)
    false = np.concatenate(
        [rng.uniform(0, 400, (len(false_image), 2)), rng.uniform(10, 80, (len(false_image), 2))], axis=1
    )
    false_score = rng.beta(1.5, 6, len(false_image))
    pred = make_predictions(
        np.concatenate([gt_image[seen], false_image]),
        np.concatenate([label, rng.integers(0, NUM_CLASSES, len(false_image))]),
        np.maximum(np.concatenate([bboxes, false]), 0.5),
        np.concatenate([score, false_score]),
    )
    names = [f"{i}.png" for i in range(num_images)]
    gt = make_ground_truth(gt_image, gt_label, np.concatenate([corner, size], axis=1))
    sizes_hw = np.full((num_images, 2), 512)
    return Results(
        np.arange(num_images), names, sizes_hw, np.arange(NUM_CLASSES), [f"class {k}" for k in range(3)], gt, pred
    )


def evaluate(results: Results) -> Measured:
    """With a threshold that does not depend on the draw."""
    return measure(results, fixed(0.4), complete=False)


def numbers(measured: Measured) -> dict[str, float]:
    """Those that have an interval."""
    return {**measured.metrics, **measured.metrics["part_level"]}


def main() -> None:
    """Print a line for each number."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=150, help="of each small test")
    parser.add_argument("--tests", type=int, default=500)
    parser.add_argument("--resamples", type=int, default=400)
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    truth = numbers(evaluate(draw(rng, 40_000)))
    held = {name: 0 for name in NAMES}
    widths: dict[str, list[float]] = {name: [] for name in NAMES}
    means: dict[str, list[float]] = {name: [] for name in NAMES}
    started = time.perf_counter()
    for _ in range(arguments.tests):
        measured = evaluate(draw(rng, arguments.images))
        bounds = intervals(measured, num_resamples=arguments.resamples, seed=int(rng.integers(2**32)))
        for name in NAMES:
            low, high = bounds[name]
            held[name] += low <= truth[name] <= high
            widths[name].append(high - low)
            means[name].append(numbers(measured)[name])
    print(
        f"{arguments.tests} tests of {arguments.images} images, {arguments.resamples} resamples each, "
        f"{time.perf_counter() - started:.0f} s"
    )
    print(f"{'number':15s}{'truth':>8s}{'mean':>8s}{'width':>8s}{'held':>9s}")
    for name in NAMES:
        share = held[name] / arguments.tests
        print(f"{name:15s}{truth[name]:8.3f}{np.mean(means[name]):8.3f}{np.mean(widths[name]):8.3f}{share:9.1%}")


if __name__ == "__main__":
    main()
