"""A checkpoint alone against the evaluation of it: every box and score of predictions.json, image by image.

    anomdet evaluate -c run.yaml --out evaluation
    python benchmarks/same_as_evaluated.py --model best_model.pth --evaluation evaluation --images data/images

At the batch size of the evaluation (``evaluation.batch_size``, else ``training.batch_size``) everything must be equal
bit for bit; at others scores may differ by 1e-5, since a convolution sums in another order.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import torch

from anomdet.inference.result import Result
from anomdet.layout import GROUND_TRUTH, PREDICTIONS
from anomdet.workflows.load import load


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument(
        "--evaluation", type=Path, required=True, help="folder with ground_truth.json, predictions.json"
    )
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--batch-size", type=int, default=4)
    args = parser.parse_args()
    torch.set_num_threads(1)
    expected = rows_by_image(args.evaluation)
    detector = load(args.model, device="cpu")
    equal, at_point, num_rows, worst = 0, 0, 0, 0.0
    names = list(expected)
    for start in range(0, len(names), args.batch_size):
        batch = names[start : start + args.batch_size]
        paths = [args.images / name for name in batch]
        everything = detector.predict_batch(paths, min_score=0.0)
        for name, result, shown in zip(batch, everything, detector.predict_batch(paths), strict=True):
            theirs, ours = expected[name], rows(result)
            num_rows += len(theirs)
            equal += np.array_equal(theirs, ours)
            at_point += np.array_equal(rows(shown), rows(result.above_threshold()))
            both = min(len(theirs), len(ours))
            if both:
                worst = max(worst, float(np.abs(theirs[:both, 5] - ours[:both, 5]).max()))
    print(f"{detector}, batches of {args.batch_size}: {len(names)} images, {num_rows} rows")
    print(f"  equal bit for bit: {equal} images; largest difference of the scores by rank: {worst:.1e}")
    print(f"  from the operating point on the same as from the floor: {at_point} images")
    sys.exit(at_point != len(names) or worst > 1e-5)


def rows_by_image(folder: Path) -> dict[str, np.ndarray]:
    """``(N, 6)`` class number, corner, size and score of each image, in the order of the evaluation."""
    images = json.loads((folder / GROUND_TRUTH).read_text())["images"]
    found: dict[str, list[list[float]]] = {
        image["file_name"]: [] for image in sorted(images, key=lambda image: image["id"])
    }
    for row in json.loads((folder / PREDICTIONS).read_text()):
        found[row["file_name"]].append([row["category_id"], *row["bbox"], row["score"]])
    return {name: np.array(many, dtype=np.float64).reshape(-1, 6) for name, many in found.items()}


def rows(result: Result) -> np.ndarray:
    boxes = result.bboxes_xyxy.astype(np.float64)
    sizes = boxes[:, 2:] - boxes[:, :2]
    return np.column_stack([result.class_nums, boxes[:, :2], sizes, result.scores.astype(np.float64)])


if __name__ == "__main__":
    main()
