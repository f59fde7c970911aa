"""Made-up ground truth and predictions: random, perturbed, and with the oddities of real data sets."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SIDES = (4.0, 20.0, 31.99, 32.0, 32.01, 64.0, 95.99, 96.0, 96.01, 180.0)  # areas around COCO's bounds


@dataclass(frozen=True)
class Case:
    """How to draw a case. ``classes_with_gt``: the others have predictions only."""

    seed: int
    class_nums: tuple[int, ...] = (-1, 0, 7, 1000)
    classes_with_gt: int = 4
    num_images: int = 6
    boxes_per_image: int = 6
    normal_share: float = 0.3
    score_levels: int | None = None
    predictions_per_gt: float = 1.0
    integer_boxes: bool = False
    first_image_id: int = 0


def draw_case(case: Case) -> tuple[dict, list[dict]]:
    """COCO dict and COCO results list."""
    rng = np.random.default_rng(case.seed)
    images, annotations, predictions = [], [], []
    for image_id in range(case.first_image_id, case.first_image_id + case.num_images):
        name = f"part_{image_id}.png"
        images.append({"id": image_id, "file_name": name, "width": 640, "height": 480})
        num_gt = 0 if rng.random() < case.normal_share else int(rng.integers(1, case.boxes_per_image + 1))
        gt_bboxes = _draw_bboxes(rng, num_gt, case.integer_boxes)
        gt_classes = rng.choice(case.class_nums[: case.classes_with_gt], num_gt)
        for bbox, class_num in zip(gt_bboxes.tolist(), gt_classes.tolist(), strict=True):
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image_id,
                    "category_id": class_num,
                    "bbox": bbox,
                    "area": bbox[2] * bbox[3],
                    "iscrowd": 0,
                }
            )
        found = _perturb(rng, gt_bboxes, gt_classes, case)
        predictions += [{"image_id": image_id, "file_name": name, **prediction} for prediction in found]
    categories = [{"id": class_num, "name": f"class {class_num}"} for class_num in case.class_nums]
    return {"images": images, "annotations": annotations, "categories": categories}, predictions


def _draw_bboxes(rng: np.random.Generator, number: int, integer: bool) -> np.ndarray:
    sizes = rng.choice(SIDES, (number, 1)) * np.ones((1, 2))
    free = rng.random(number) < 0.4
    sizes[free] = rng.uniform(3, 200, (free.sum(), 2))
    bboxes = np.concatenate([rng.uniform(0, 300, (number, 2)), sizes], axis=1)
    return np.maximum(bboxes.round(), [0, 0, 1, 1]) if integer else bboxes


def _perturb(rng: np.random.Generator, gt_bboxes: np.ndarray, gt_classes: np.ndarray, case: Case) -> list[dict]:
    """Shifted copies of the ground truth, some under a wrong class, some doubled, and false alarms."""
    copies = rng.poisson(case.predictions_per_gt, len(gt_bboxes)) if case.predictions_per_gt else 0
    bboxes = np.repeat(gt_bboxes, copies, axis=0)
    classes = np.repeat(gt_classes, copies)
    shift = rng.normal(0, rng.choice([0, 0.02, 0.1, 0.3], (len(bboxes), 1)), (len(bboxes), 4))
    bboxes = bboxes + shift * bboxes[:, [2, 3, 2, 3]]
    bboxes[:, 2:] = np.maximum(bboxes[:, 2:], 0)
    wrong = rng.random(len(classes)) < 0.1
    classes[wrong] = rng.choice(case.class_nums, wrong.sum())
    if case.predictions_per_gt:
        alarms = int(rng.integers(0, 4))
        bboxes = np.concatenate([bboxes, _draw_bboxes(rng, alarms, case.integer_boxes)])
        classes = np.concatenate([classes, rng.choice(case.class_nums, alarms)])
    if case.integer_boxes:
        bboxes = bboxes.round()
    scores = rng.random(len(bboxes))
    if case.score_levels:
        scores = np.ceil(scores * case.score_levels) / case.score_levels
    rows = zip(bboxes.tolist(), classes.tolist(), scores.tolist(), strict=True)
    return [{"category_id": int(class_num), "bbox": bbox, "score": score} for bbox, class_num, score in rows]
