"""The first step of every pipeline: an image file to upright BGR pixels."""

from __future__ import annotations

from mmcv.transforms.base import BaseTransform

from anomdet.data.decode import read_image
from anomdet.data.image_limits import MAX_IMAGE_MEGAPIXELS
from anomdet.registry import TRANSFORMS


@TRANSFORMS.register_module()
class LoadInspectionImage(BaseTransform):
    """:func:`read_image` as a pipeline step.

    Args:
        max_megapixels: larger images are refused.

    Required keys: ``img_path``. Sets ``img`` (uint8 BGR ``(H, W, 3)``), ``img_shape`` and ``ori_shape``, both
    ``(H, W)``.
    """

    def __init__(self, max_megapixels: float = MAX_IMAGE_MEGAPIXELS) -> None:
        self.max_megapixels = max_megapixels

    def transform(self, results: dict) -> dict:
        image = read_image(results["img_path"], max_megapixels=self.max_megapixels)
        results["img"] = image
        results["img_shape"] = results["ori_shape"] = image.shape[:2]
        return results
