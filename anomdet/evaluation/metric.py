"""The evaluation as a metric of MMEngine's loops."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from mmengine.dist import broadcast_object_list
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log
from numpy.typing import NDArray

from anomdet.boxes import xyxy_to_xywh
from anomdet.defaults import MATCHING_IOU_THR
from anomdet.evaluation.operating_point import Criterion, OperatingPoint, given
from anomdet.evaluation.results import Results, make_ground_truth, make_predictions, part_names
from anomdet.evaluation.summary import Measured, measure
from anomdet.metric_catalogue import COCO_KEYS, MATCHING_KEYS, threshold_key
from anomdet.registry import METRICS
from anomdet.words import counted


@dataclass(frozen=True)
class ImageResult:
    """One image, as it is passed between processes.

    Attributes:
        img_id: its id in the data set.
        file_name: its name below images/.
        size_hw: height and width in pixels.
        predictions: ``(P, 6)`` x1, y1, x2, y2 in original pixels, score, label; all finite.
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
    """COCO's numbers, precision, recall, F1 and mean IoU, and the verdict on parts, with the user's class numbers.

    The data samples must carry ``img_id``, ``ori_shape``, ``file_name`` and ``instances`` (the ground truth in original
    pixels) in their meta keys, beside ``pred_instances``; the data set's metainfo ``classes`` and ``class_nums``.

    Args:
        iou_thresholds, matching_iou_threshold, include_metrics: see :func:`anomdet.evaluation.summary.measure`.
        score_threshold: least score of a prediction that counts, or class number to it; None: by the operating point.
        operating_point: arguments of :class:`anomdet.evaluation.operating_point.Criterion`: how to choose it on the
            very images that are measured, as the validation of a run does.
        point: an operating point chosen earlier (its fields), which is then used instead.
        group_by: regular expression on the file name: images with the same match (its first group, if it has one) show
            one part; None: each image is a part.
        complete: with confusion matrix, errors and sizes.
        collect_device: ``cpu`` (through a disk that all ranks share) or ``gpu``.
        prefix: put before each name in the log, with a slash.

    Attributes:
        last: the last evaluation, on the first rank; None before.
    """

    default_prefix = ""  # None would make BaseMetric warn at every start

    def __init__(  # noqa: PLR0913 (MMEngine gives a metric its settings as arguments)
        self,
        *,
        iou_thresholds: Sequence[float] = (),
        matching_iou_threshold: float = MATCHING_IOU_THR,
        include_metrics: Sequence[str] = tuple(MATCHING_KEYS),
        score_threshold: float | Mapping[int, float] | None = None,
        operating_point: Mapping[str, Any] | None = None,
        point: Mapping[str, Any] | None = None,
        group_by: str | None = None,
        complete: bool = False,
        collect_device: str = "cpu",
        prefix: str | None = None,
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        self.settings: dict[str, Any] = {
            "iou_thresholds": tuple(iou_thresholds),
            "matching_iou_threshold": matching_iou_threshold,
            "include_metrics": tuple(include_metrics),
            "complete": complete,
        }
        self.criterion = Criterion(**{**(operating_point or {}), "iou_thr": matching_iou_threshold})
        self.point: OperatingPoint | Criterion = self.criterion
        self.score_threshold = score_threshold
        if point is not None:
            self.point = OperatingPoint(**point)
        self.group_by = group_by
        self.last: Measured | None = None

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Keep what the images of one batch need."""
        self.results.extend(_image_result(sample) for sample in data_samples)

    def compute_metrics(self, results: list[ImageResult]) -> dict[str, float]:
        """The numbers for the log; what is undefined is left out."""
        assert self.dataset_meta is not None and "class_nums" in self.dataset_meta, "the data set has no class_nums"
        # Ranks with an image less repeat one, and they come in any order.
        images = sorted({result.img_id: result for result in results}.values(), key=lambda result: result.img_id)
        _report_dropped(sum(image.num_dropped for image in images))
        if self.score_threshold is not None:
            self.point = given(self.score_threshold, self.dataset_meta["class_nums"])
        self.last = measure(self._columns(images), self.point, **self.settings).with_criterion(self.criterion)
        numbers = {key: self.last.metrics.get(key) for key in (*COCO_KEYS, *MATCHING_KEYS.values())}
        numbers |= {
            threshold_key(iou_thr): self.last.metrics[threshold_key(iou_thr)] for iou_thr in self.last.iou_thresholds
        }
        numbers["auroc"] = self.last.metrics["part_level"]["auroc"]
        return {key: float(value) for key, value in numbers.items() if value is not None}

    def share_point(self) -> dict[str, Any]:
        """The operating point of the last evaluation, the same on all processes."""
        shared = [asdict(self.last.point) if self.last is not None else None]
        broadcast_object_list(shared)
        assert shared[0] is not None
        return dict(shared[0])

    def chosen_point(self) -> dict[str, Any] | None:
        """The operating point of the last evaluation and its ``criterion``, for a checkpoint; None if it was given."""
        if self.last is None or not isinstance(self.point, Criterion):
            return None
        return {"criterion": self.criterion.as_dict(), "point": asdict(self.last.point)}

    def _columns(self, images: list[ImageResult]) -> Results:
        names = [image.file_name for image in images]
        gt = np.concatenate([np.zeros((0, 5)), *(image.gt for image in images)])
        pred = np.concatenate([np.zeros((0, 6)), *(image.predictions for image in images)]).astype(np.float64)
        # In float64 the difference of two float32 corners is exact; a box turned inside out has no size.
        bboxes_xywh = xyxy_to_xywh(pred[:, :4]).astype(np.float64, copy=False)
        bboxes_xywh[:, 2:] = np.maximum(bboxes_xywh[:, 2:], 0)
        gt_bboxes_xywh = xyxy_to_xywh(gt[:, :4]).astype(np.float64, copy=False)
        image_of_pred = np.repeat(np.arange(len(images)), [len(image.predictions) for image in images])
        image_of_gt = np.repeat(np.arange(len(images)), [len(image.gt) for image in images])
        assert self.dataset_meta is not None
        return Results(
            image_ids=np.array([image.img_id for image in images], dtype=np.int64),
            file_names=names,
            sizes_hw=np.array([image.size_hw for image in images], dtype=np.int64).reshape(-1, 2),
            class_nums=np.asarray(self.dataset_meta["class_nums"], dtype=np.int64),
            class_names=[str(name) for name in self.dataset_meta["classes"]],
            gt=make_ground_truth(image_of_gt, gt[:, 4].astype(np.int64), gt_bboxes_xywh),
            pred=make_predictions(image_of_pred, pred[:, 5].astype(np.int64), bboxes_xywh, pred[:, 4]),
            parts=None if self.group_by is None else part_names(names, self.group_by),
        )


def _image_result(sample: dict) -> ImageResult:
    pred = sample["pred_instances"]
    columns = [_matrix(pred[key]) for key in ("bboxes", "scores", "labels")]
    dtype = torch.promote_types(columns[0].dtype, torch.float32)
    predictions = torch.cat([column.to(dtype) for column in columns], dim=1).cpu().numpy()  # one copy from the device
    finite = np.isfinite(predictions).all(axis=1) & (predictions[:, 4] >= 0) & (predictions[:, 4] <= 1)
    num_dropped = int(len(finite) - finite.sum())
    predictions = predictions[finite]
    instances = sample["instances"]
    gt = np.array([(*instance["bbox"], instance["bbox_label"]) for instance in instances], dtype=np.float64)
    return ImageResult(
        img_id=int(sample["img_id"]),
        file_name=str(sample["file_name"]),
        size_hw=(int(sample["ori_shape"][0]), int(sample["ori_shape"][1])),
        predictions=predictions,
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
            f"{counted(num_dropped, 'prediction')} left out: a box that is not finite, or a score not from 0 to 1. "
            "Did the loss diverge?"
        )
        print_log(message, logger="current", level=logging.WARNING)
