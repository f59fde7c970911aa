"""What happens to an image before and after the augmentations: read, fitted to the network's size, packed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from mmcv.transforms.base import BaseTransform
from mmdet.structures.bbox import BaseBoxes

from anomdet import defaults
from anomdet.data.pipeline.mmdet_bases import PackDetInputs, Resize
from anomdet.data.tiles.decoded import read_kept
from anomdet.errors import Problem, UserError
from anomdet.images.decode import read_image
from anomdet.images.limits import MAX_IMAGE_MEGAPIXELS
from anomdet.images.strips import read_tiff_rows
from anomdet.registry import TRANSFORMS


@TRANSFORMS.register_module()
class LoadInspectionImage(BaseTransform):
    """:func:`read_image` as a pipeline step.

    Args:
        max_megapixels: larger images are refused.
        bit_depth: bits that are used of 16; ``auto`` is the settings' word, which a run resolves before it starts.
        cache_gb: decoded images to keep on disk for further tiles of them, see :mod:`anomdet.data.tiles.decoded`.

    Required keys: ``img_path``. Sets ``img`` (uint8 BGR ``(H, W, 3)``), ``img_shape`` and ``ori_shape``, both
    ``(H, W)``. Optional key: ``window`` ``(4,)``: of a TIFF file only its rows are read, and ``img_top`` is the first;
    of another, ``img`` may be read-only.
    """

    def __init__(
        self, max_megapixels: float = MAX_IMAGE_MEGAPIXELS, bit_depth: int = 16, cache_gb: float = 0.0
    ) -> None:
        if bit_depth not in defaults.BIT_DEPTHS:
            expected = f"one of {', '.join(map(str, defaults.BIT_DEPTHS))} in a config that is built"
            raise UserError(Problem("LoadInspectionImage: bit_depth", expected, repr(bit_depth)))
        self.max_megapixels = max_megapixels
        self.bit_depth = bit_depth
        self.cache_gb = cache_gb

    def transform(self, results: dict) -> dict:
        most, bits = self.max_megapixels, self.bit_depth
        image = None
        if "window" in results:
            _, top, _, bottom = results["window"].tolist()
            image = read_tiff_rows(results["img_path"], top, bottom, max_megapixels=most, bit_depth=bits)
            results["img_top"] = None if image is None else top
            if image is None and self.cache_gb:
                image = read_kept(results["img_path"], max_megapixels=most, bit_depth=bits, most_gb=self.cache_gb)
        if image is None:
            image = read_image(results["img_path"], max_megapixels=most, bit_depth=bits)
        results["img"] = image
        results["img_shape"] = results["ori_shape"] = image.shape[:2]
        return results


@TRANSFORMS.register_module()
class FitInside(Resize):
    """The largest size with the image's aspect ratio that fits into ``size_hw``; boxes follow.

    MMDetection's ``Resize(keep_ratio=True)`` takes its scale as the long and the short side, whichever way the image
    lies: a portrait image would not fit into a landscape size.

    Args:
        size_hw: height and width in pixels.
        enlarge: false: an image that fits stays as it is.
    """

    def __init__(self, size_hw: Sequence[int], enlarge: bool = True) -> None:
        self.size_hw = tuple(size_hw)
        self.enlarge = enlarge
        super().__init__(scale=(self.size_hw[1], self.size_hw[0]), keep_ratio=False)  # `transform` keeps it

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Resizes ``img`` and ``gt_bboxes``; sets ``img_shape`` and ``scale_factor``, of all such steps together."""
        height, width = results["img"].shape[:2]
        factor = min(self.size_hw[0] / height, self.size_hw[1] / width)
        if factor >= 1 and not self.enlarge:
            return results
        self.scale = (max(int(width * factor + 0.5), 1), max(int(height * factor + 0.5), 1))
        boxes = results.get("gt_bboxes")
        if self.scale == (width, height) and (boxes is None or isinstance(boxes, BaseBoxes)):
            return self._as_it_is(results, boxes)
        across, down = results.get("scale_factor", (1.0, 1.0))
        result: dict[str, Any] = super().transform(results)
        width_scale, height_scale = result["scale_factor"]
        result["scale_factor"] = (across * width_scale, down * height_scale)
        return result

    def _as_it_is(self, results: dict[str, Any], boxes: BaseBoxes | None) -> dict[str, Any]:
        """What the base class gives where nothing is resized, without a copy of the pixels."""
        shape = results["img"].shape[:2]
        if boxes is not None:
            boxes.clip_(shape)
        results.setdefault("scale_factor", (1.0, 1.0))
        results.setdefault("homography_matrix", np.eye(3, dtype=np.float32))
        results.update(scale=self.scale, img_shape=shape, keep_ratio=self.keep_ratio)
        return results


@TRANSFORMS.register_module()
class PackInspectionInputs(PackDetInputs):
    """``PackDetInputs`` with the same result, bit for bit, in a third of its time.

    MMDetection turns ``(H, W, 3)`` into ``(3, H, W)`` by torch's strided copy; ``cv2.split`` is five times as fast.
    """

    def transform(self, results: dict) -> dict:
        image = results["img"]
        if image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3:
            planes = np.empty((3, *image.shape[:2]), dtype=np.uint8)
            cv2.split(image, [planes[0], planes[1], planes[2]])
            # The view is not contiguous, and so the base class makes ``planes`` contiguous again: no copy.
            results["img"] = planes.transpose(1, 2, 0)
        result: dict = super().transform(results)
        return result
