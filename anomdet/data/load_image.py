"""The first step of every pipeline: an image file to upright BGR pixels."""

from __future__ import annotations

from mmcv.transforms.base import BaseTransform

from anomdet.data.decode import read_image
from anomdet.registry import TRANSFORMS


@TRANSFORMS.register_module()
class LoadInspectionImage(BaseTransform):
    """:func:`read_image` as a pipeline step.

    Required keys: ``img_path``. Sets ``img`` (uint8 BGR ``(H, W, 3)``), ``img_shape`` and ``ori_shape``, both
    ``(H, W)``.
    """

    def transform(self, results: dict) -> dict:
        image = read_image(results["img_path"])
        results["img"] = image
        results["img_shape"] = results["ori_shape"] = image.shape[:2]
        return results
