"""Labels and the predictions of a detector of known quality: no network, no files."""

from __future__ import annotations

import numpy as np

from anomdet.evaluation.results import Results, make_ground_truth, make_predictions

SIDE = 400


def detections(
    num_images: int = 300, *, recall: float = 0.9, alarms: float = 0.5, confused: float = 0.05, seed: int = 0
) -> Results:
    """Right labels of four classes on squares of 400 px, every fifth image normal, with out-of-sample predictions.

    A found object has a score around 0.7, a false alarm around 0.15; ``confused`` of the boxes have any class.
    """
    rng = np.random.default_rng(seed)
    gt: list[tuple[int, int, np.ndarray]] = []
    pred: list[tuple[int, int, np.ndarray, float]] = []
    for image in range(num_images):
        for _ in range(rng.poisson(4) if image % 5 else 0):
            size_wh = rng.uniform(20, 70, 2)
            box, label = np.concatenate([rng.uniform(0, SIDE - size_wh), size_wh]), int(rng.integers(4))
            gt.append((image, label, box))
            if rng.random() < recall:
                seen = label if rng.random() >= confused else int(rng.integers(4))
                pred.append((image, seen, box + rng.normal(0, 0.05, 4) * np.tile(size_wh, 2), rng.beta(5, 2)))
        for _ in range(rng.poisson(alarms)):
            size_wh = rng.uniform(20, 70, 2)
            box = np.concatenate([rng.uniform(0, SIDE - size_wh), size_wh])
            pred.append((image, int(rng.integers(4)), box, rng.beta(1, 5)))
    return table(num_images, gt, pred)


def table(num_images: int, gt: list, pred: list, num_classes: int = 4) -> Results:
    """Results of rows ``(image, class, box)`` and ``(image, class, box, score)``; boxes are corner and size."""

    def columns(rows: list) -> list[np.ndarray]:
        whole = [np.array([row[at] for row in rows], dtype=np.int64) for at in (0, 1)]
        return [*whole, np.array([row[2] for row in rows], dtype=np.float64).reshape(-1, 4)]

    return Results(
        np.arange(num_images),
        [f"{number:04d}.png" for number in range(num_images)],
        np.full((num_images, 2), SIDE),
        np.arange(1, num_classes + 1),
        [f"class {number}" for number in range(1, num_classes + 1)],
        make_ground_truth(*columns(gt)),
        make_predictions(*columns(pred), np.array([row[3] for row in pred], dtype=np.float64)),
    )
