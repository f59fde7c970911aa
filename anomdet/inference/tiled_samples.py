"""The merging of tiles and of views for MMEngine's loops: samples of these in, samples of images out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

import numpy as np

from anomdet.inference.postprocess import Detections
from anomdet.inference.tiling import merge
from anomdet.inference.views import merge_views
from anomdet.registry import TASK_UTILS
from anomdet.views import Views


@TASK_UTILS.register_module()
class MergeTiles:
    """From MMDetection's ``DetDataSample`` of each tile to one of each image, in pixels of the image.

    The samples carry ``img_id``, ``window`` and ``image_hw``; the tiles of an image stand together, as in the plan.
    """

    def __call__(self, samples: Sequence[Any]) -> list[Any]:
        """One sample for each image, in the order of the first of its tiles."""
        return [_merged(list(tiles)) for _, tiles in _by_image(samples)]


@TASK_UTILS.register_module()
class MergeViews:
    """From MMDetection's ``DetDataSample`` of each view to one of each image or tile, in its own pixels.

    Args:
        flips, scales: of :class:`anomdet.views.Views`.
    """

    def __init__(self, flips: Sequence[str] = (), scales: Sequence[float] = ()) -> None:
        self.plan = Views(tuple(flips), tuple(scales)).plan

    def __call__(self, views: Sequence[Sequence[Any]]) -> list[Any]:
        """One sample for each image, from the samples of each view, which stand in the same order."""
        return [self._merged(samples) for samples in zip(*views, strict=True)]

    def _merged(self, samples: Sequence[Any]) -> Any:
        plain = samples[0]
        found = merge_views([_detections(one.pred_instances) for one in samples], self.plan, tuple(plain.ori_shape))
        return _sample(found, {key: value for key, value in plain.metainfo.items() if key != "view"})


def _by_image(samples: Sequence[Any]) -> Iterator[tuple[Any, Iterator[Any]]]:
    return groupby(samples, key=lambda sample: sample.img_id)


def _merged(tiles: list[Any]) -> Any:
    image_hw = tuple(tiles[0].image_hw)
    windows = np.array([tile.window for tile in tiles], dtype=np.int64)
    found = merge([_detections(tile.pred_instances) for tile in tiles], windows, (image_hw[0], image_hw[1]))
    kept = {key: value for key, value in tiles[0].metainfo.items() if key not in ("window", "image_hw")}
    return _sample(found, {**kept, "ori_shape": image_hw})


def _sample(found: Detections, metainfo: dict[str, Any]) -> Any:
    from mmdet.structures import DetDataSample
    from mmengine.structures import InstanceData
    from torch import from_numpy

    sample = DetDataSample(metainfo=metainfo)
    sample.pred_instances = InstanceData(
        bboxes=from_numpy(np.ascontiguousarray(found.bboxes_xyxy)),
        scores=from_numpy(np.ascontiguousarray(found.scores)),
        labels=from_numpy(np.ascontiguousarray(found.labels)),
    )
    return sample


def _detections(instances: Any) -> Detections:
    boxes = getattr(instances.bboxes, "tensor", instances.bboxes)
    return Detections(
        boxes.detach().float().cpu().numpy().reshape(-1, 4),
        instances.scores.detach().float().cpu().numpy(),
        instances.labels.detach().cpu().numpy().astype(np.int64),
    )
