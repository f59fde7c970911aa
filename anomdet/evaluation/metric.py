"""The evaluation as a metric of MMEngine's loops."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log
from numpy.typing import NDArray

from anomdet.boxes import xyxy_to_xywh
from anomdet.evaluation.files import Evaluation, write_evaluation
from anomdet.evaluation.summary import MATCHING_KEYS, evaluate
from anomdet.registry import METRICS

NOT_MEASURED = ("score_threshold", "matching_iou_threshold", "num_images", "num_gt", "num_predictions", "per_class")


@dataclass(frozen=True)
class ImageResult:
    """One image, as it is passed between processes.

    Attributes:
        img_id: its id in the data set.
        file_name: its name below images/.
        size_hw: height and width in pixels.
        predictions: ``(P, 6)`` x1, y1, x2, y2 in original pixels, score, label; by falling score, all finite.
        gt: ``(G, 5)`` x1, y1, x2, y2 in original pixels, label; float64.
        num_dropped: predictions left out for a coordinate or score that is not finite.
    """

    img_id: int
    file_name: str
    size_hw: tuple[int, int]
    predictions: NDArray[np.floating]
    gt: NDArray[np.float64]
    num_dropped: int


@METRICS.register_module()
class InspectionMetric(BaseMetric):
    """COCO's numbers, precision, recall, F1 and mean IoU, with the user's class numbers.

    The data samples must carry ``img_id``, ``ori_shape``, ``file_name`` and ``instances`` (the ground truth in original
    pixels) in their meta keys, beside ``pred_instances``; the data set's metainfo ``classes`` and ``class_nums``.

    Args:
        iou_thresholds, matching_iou_threshold, score_threshold, include_metrics: see
            :func:`anomdet.evaluation.summary.evaluate`.
        out_dir: where ground_truth.json, predictions.json and metrics.json are written; None: nowhere.
        collect_device: ``cpu`` (through a disk that all ranks share) or ``gpu``.
        prefix: put before each name in the log, with a slash.

    Attributes:
        last_result: the content of metrics.json of the last evaluation, on the first rank; None before.
    """

    default_prefix = ""  # None would make BaseMetric warn at every start

    def __init__(
        self,
        *,
        iou_thresholds: Sequence[float] = (0.5, 0.75, 0.95),
        matching_iou_threshold: float = 0.5,
        score_threshold: float = 0.3,
        include_metrics: Sequence[str] = tuple(MATCHING_KEYS),
        out_dir: str | None = None,
        collect_device: str = "cpu",
        prefix: str | None = None,
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        self.settings: dict[str, Any] = {
            "iou_thresholds": tuple(iou_thresholds),
            "matching_iou_threshold": matching_iou_threshold,
            "score_threshold": score_threshold,
            "include_metrics": tuple(include_metrics),
        }
        self.out_dir = out_dir
        self.last_result: dict[str, Any] | None = None

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Keep what the images of one batch need."""
        self.results.extend(_image_result(sample) for sample in data_samples)

    def compute_metrics(self, results: list[ImageResult]) -> dict[str, float]:
        """The numbers for the log; what has no value is left out, but for mAP, which is 0 then."""
        assert self.dataset_meta is not None and "class_nums" in self.dataset_meta, "the data set has no class_nums"
        # Ranks with an image less repeat one, and they come in any order.
        images = sorted({result.img_id: result for result in results}.values(), key=lambda result: result.img_id)
        _report_dropped(sum(image.num_dropped for image in images))
        class_nums = np.asarray(self.dataset_meta["class_nums"], dtype=np.int64)
        ground_truth = _coco_ground_truth(images, class_nums, self.dataset_meta["classes"])
        predictions = _coco_predictions(images, class_nums)
        self.last_result = evaluate(ground_truth, predictions, **self.settings)
        if self.out_dir is not None:
            write_evaluation(Path(self.out_dir), Evaluation(ground_truth, predictions, self.last_result))
        measured = {key: value for key, value in self.last_result.items() if key not in NOT_MEASURED}
        return {"mAP": 0.0} | {key: float(value) for key, value in measured.items() if value is not None}


def _image_result(sample: dict) -> ImageResult:
    pred = sample["pred_instances"]
    columns = [_matrix(pred[key]) for key in ("bboxes", "scores", "labels")]
    dtype = torch.promote_types(columns[0].dtype, torch.float32)
    predictions = torch.cat([column.to(dtype) for column in columns], dim=1).cpu().numpy()  # one copy from the device
    finite = np.isfinite(predictions).all(axis=1)
    num_dropped = int(len(finite) - finite.sum())
    predictions = predictions[finite]
    instances = sample["instances"]
    gt = np.array([(*instance["bbox"], instance["bbox_label"]) for instance in instances], dtype=np.float64)
    return ImageResult(
        img_id=int(sample["img_id"]),
        file_name=str(sample["file_name"]),
        size_hw=(int(sample["ori_shape"][0]), int(sample["ori_shape"][1])),
        predictions=predictions[np.argsort(-predictions[:, 4], kind="stable")],
        gt=gt.reshape(-1, 5),
        num_dropped=num_dropped,
    )


def _matrix(values: Any) -> torch.Tensor:
    """Boxes ``(N, 4)``, scores or labels ``(N,)`` as a matrix of N rows."""
    tensor = torch.as_tensor(getattr(values, "tensor", values)).detach()
    return tensor.reshape(len(tensor), -1 if len(tensor) else (4 if tensor.dim() == 2 else 1))


def _report_dropped(num_dropped: int) -> None:
    if num_dropped:
        message = (
            f"{num_dropped} predictions left out: their box or score is not a finite number. Did the loss diverge?"
        )
        print_log(message, logger="current", level=logging.WARNING)


def _coco_ground_truth(images: list[ImageResult], class_nums: NDArray[np.int64], names: Sequence[str]) -> dict:
    annotations: list[dict] = []
    for image in images:
        bboxes_xywh = xyxy_to_xywh(image.gt[:, :4])
        labels = class_nums[image.gt[:, 4].astype(np.int64)]
        annotations.extend(
            {
                "id": i,
                "image_id": image.img_id,
                "category_id": class_num,
                "bbox": bbox,
                "area": bbox[2] * bbox[3],
                "iscrowd": 0,
            }
            for i, (bbox, class_num) in enumerate(
                zip(bboxes_xywh.tolist(), labels.tolist(), strict=True), start=len(annotations) + 1
            )
        )
    return {
        "images": [
            {"id": image.img_id, "file_name": image.file_name, "width": image.size_hw[1], "height": image.size_hw[0]}
            for image in images
        ],
        "annotations": annotations,
        "categories": [
            {"id": int(class_num), "name": str(name)} for class_num, name in zip(class_nums, names, strict=True)
        ],
    }


def _coco_predictions(images: list[ImageResult], class_nums: NDArray[np.int64]) -> list[dict]:
    predictions: list[dict] = []
    for image in images:
        # In float64 the difference of two float32 corners is exact; a box turned inside out has no size.
        bboxes_xywh = xyxy_to_xywh(image.predictions[:, :4].astype(np.float64))
        bboxes_xywh[:, 2:] = np.maximum(bboxes_xywh[:, 2:], 0)
        labels = class_nums[image.predictions[:, 5].astype(np.int64)]
        predictions.extend(
            {
                "image_id": image.img_id,
                "file_name": image.file_name,
                "category_id": class_num,
                "bbox": bbox,
                "score": score,
            }
            for bbox, class_num, score in zip(
                bboxes_xywh.tolist(), labels.tolist(), image.predictions[:, 4].tolist(), strict=True
            )
        )
    return predictions
