"""Made-up ground truth and predictions: random, perturbed, and with the oddities of real data sets."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from anomdet.evaluation.coco_json import results_from_coco
from anomdet.evaluation.results import Results

SIDES = (4.0, 20.0, 31.99, 32.0, 32.01, 64.0, 95.99, 96.0, 96.01, 180.0)  # areas around COCO's bounds


@dataclass(frozen=True)
class Case:
    """How to draw a case.

    Attributes:
        classes_with_gt: the first so many; the others have predictions only.
        rare: of the last class with objects every tenth is kept, the rest becomes the first class.
        score_levels: distinct scores; None: all differ.
        crowd_share: of the objects that are regions of many.
        sides: lengths that many boxes are drawn from.
    """

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
    crowd_share: float = 0.0
    rare: bool = False
    sides: tuple[float, ...] = SIDES
    per_part: int | None = None  # images of one part


# What holds on any case is tried on these.
RANDOM_CASES = [
    *(Case(seed, num_images=12, predictions_per_gt=1.5) for seed in range(3)),
    Case(3, score_levels=3, num_images=12, predictions_per_gt=2),
    Case(4, score_levels=1, boxes_per_image=15),
    Case(5, crowd_share=0.3, score_levels=6, predictions_per_gt=2),
    Case(6, classes_with_gt=2, num_images=10, per_part=3),
    Case(7, class_nums=(7,), classes_with_gt=1),
    Case(8, normal_share=1),
    Case(9, predictions_per_gt=0),
    Case(10, normal_share=0),
    Case(11, rare=True, boxes_per_image=20, predictions_per_gt=3),
]


def draw_case(case: Case) -> tuple[dict, list[dict]]:
    """COCO dict and COCO results list."""
    rng = np.random.default_rng(case.seed)
    images, annotations, predictions = [], [], []
    for image_id in range(case.first_image_id, case.first_image_id + case.num_images):
        name = f"part_{image_id}.png"
        images.append({"id": image_id, "file_name": name, "width": 640, "height": 480})
        if case.per_part:
            images[-1]["part"] = f"part {image_id // case.per_part}"
        num_gt = 0 if rng.random() < case.normal_share else int(rng.integers(1, case.boxes_per_image + 1))
        gt_bboxes = _draw_bboxes(rng, num_gt, case)
        gt_classes = rng.choice(case.class_nums[: case.classes_with_gt], num_gt)
        if case.rare:
            seldom = (gt_classes == case.class_nums[case.classes_with_gt - 1]) & (rng.random(num_gt) < 0.9)
            gt_classes[seldom] = case.class_nums[0]
        for bbox, class_num in zip(gt_bboxes.tolist(), gt_classes.tolist(), strict=True):
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image_id,
                    "category_id": class_num,
                    "bbox": bbox,
                    "area": bbox[2] * bbox[3],
                    "iscrowd": int(rng.random() < case.crowd_share),
                }
            )
        found = _perturb(rng, gt_bboxes, gt_classes, case)
        predictions += [{"image_id": image_id, "file_name": name, **prediction} for prediction in found]
    categories = [{"id": class_num, "name": f"class {class_num}"} for class_num in case.class_nums]
    return {"images": images, "annotations": annotations, "categories": categories}, predictions


def results_of(case: Case) -> Results:
    """The same in columns."""
    return results_from_coco(*draw_case(case))


def gt_dict(*objects: tuple[int, int, list[float]]) -> dict:
    """Objects as (image, class, box); classes 1 (a) and 2 (b), images 0 and 1."""
    annotations = [
        {"id": i, "image_id": image_id, "category_id": class_num, "bbox": bbox, "iscrowd": 0}
        for i, (image_id, class_num, bbox) in enumerate(objects, start=1)
    ]
    images = [{"id": i, "file_name": f"{i}.png", "width": 100, "height": 100} for i in (0, 1)]
    return {
        "images": images,
        "annotations": annotations,
        "categories": [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}],
    }


def pred(image_id: int, class_num: int, bbox: list[float], score: float) -> dict:
    return {"image_id": image_id, "file_name": "", "category_id": class_num, "bbox": bbox, "score": score}


def _draw_bboxes(rng: np.random.Generator, number: int, case: Case) -> np.ndarray:
    sizes = rng.choice(case.sides, (number, 1)) * np.ones((1, 2))
    free = rng.random(number) < 0.4
    sizes[free] = rng.uniform(min(case.sides), max(case.sides), (free.sum(), 2))
    bboxes = np.concatenate([rng.uniform(0, 300, (number, 2)), sizes], axis=1)
    return np.maximum(bboxes.round(), [0, 0, 1, 1]) if case.integer_boxes else bboxes


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
        bboxes = np.concatenate([bboxes, _draw_bboxes(rng, alarms, case)])
        classes = np.concatenate([classes, rng.choice(case.class_nums, alarms)])
    if case.integer_boxes:
        bboxes = bboxes.round()
    scores = rng.random(len(bboxes))
    if case.score_levels:
        scores = np.ceil(scores * case.score_levels) / case.score_levels
    rows = zip(bboxes.tolist(), classes.tolist(), scores.tolist(), strict=True)
    return [{"category_id": int(class_num), "bbox": bbox, "score": score} for bbox, class_num, score in rows]
