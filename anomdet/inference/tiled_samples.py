"""The merging of tiles for MMEngine's loops: samples of tiles in, samples of images out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

import numpy as np

from anomdet.inference.postprocess import Detections
from anomdet.inference.tiling import merge
from anomdet.registry import TASK_UTILS


@TASK_UTILS.register_module()
class MergeTiles:
    """From MMDetection's ``DetDataSample`` of each tile to one of each image, in pixels of the image.

    The samples carry ``img_id``, ``window`` and ``image_hw``; the tiles of an image stand together, as in the plan.
    """

    def __call__(self, samples: Sequence[Any]) -> list[Any]:
        """One sample for each image, in the order of the first of its tiles."""
        return [_merged(list(tiles)) for _, tiles in _by_image(samples)]


def _by_image(samples: Sequence[Any]) -> Iterator[tuple[Any, Iterator[Any]]]:
    return groupby(samples, key=lambda sample: sample.img_id)


def _merged(tiles: list[Any]) -> Any:
    from mmdet.structures import DetDataSample
    from mmengine.structures import InstanceData
    from torch import from_numpy

    image_hw = tuple(tiles[0].image_hw)
    windows = np.array([tile.window for tile in tiles], dtype=np.int64)
    found = merge([_detections(tile.pred_instances) for tile in tiles], windows, (image_hw[0], image_hw[1]))
    kept = {key: value for key, value in tiles[0].metainfo.items() if key not in ("window", "image_hw")}
    sample = DetDataSample(metainfo={**kept, "ori_shape": image_hw})
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
