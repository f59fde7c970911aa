"""What happens to an image before and after the augmentations: read, fitted to the network's size, packed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from mmcv.transforms.base import BaseTransform
from mmdet.structures.bbox import BaseBoxes
from numpy.typing import NDArray

from anomdet import defaults
from anomdet.data.pipeline.mmdet_bases import LoadAnnotations, PackDetInputs, Resize
from anomdet.data.pixel_store import LEAST_MEGAPIXELS, PixelStore, grey_plane
from anomdet.data.tiles import decoded
from anomdet.errors import Problem, UserError
from anomdet.images.decode import read_image, read_noted, warn_once
from anomdet.images.limits import MAX_IMAGE_MEGAPIXELS
from anomdet.images.strips import read_tiff_rows
from anomdet.registry import TRANSFORMS

_LEAST_SHRINKING = 2  # times fewer pixels, else there is little to gain
FITTED = PixelStore("fitted")


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
        """Resizes ``img`` and ``gt_bboxes``; sets ``img_shape`` and ``scale_factor``, of all such steps together.

        With the key ``fitted_from_hw``, the size of the stored image, ``img`` is fitted already.
        """
        height, width = results.get("fitted_from_hw", results["img"].shape[:2])
        self.scale = self.fitted_wh(height, width)
        if self.scale is None:
            return results
        boxes = results.get("gt_bboxes")
        if self.scale == (width, height) and (boxes is None or isinstance(boxes, BaseBoxes)):
            return self._as_it_is(results, boxes)
        across, down = results.get("scale_factor", (1.0, 1.0))
        result: dict[str, Any] = super().transform(results)
        width_scale, height_scale = result["scale_factor"]
        result["scale_factor"] = (across * width_scale, down * height_scale)
        return result

    def fitted_wh(self, height: int, width: int) -> tuple[int, int] | None:
        """Width and height of an image of such a size after this step; None: it stays as it is."""
        factor = min(self.size_hw[0] / height, self.size_hw[1] / width)
        if factor >= 1 and not self.enlarge:
            return None
        return max(int(width * factor + 0.5), 1), max(int(height * factor + 0.5), 1)

    def pixels(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """``(H, W, 3)`` of an image after this step."""
        results: dict[str, Any] = {"img": image, "scale": self.fitted_wh(*image.shape[:2])}
        super()._resize_img(results)
        fitted: NDArray[np.uint8] = results["img"]
        return fitted

    def _resize_img(self, results: dict[str, Any]) -> None:
        stored_hw = results.pop("fitted_from_hw", None)
        if stored_hw is None:
            super()._resize_img(results)
            return
        width, height = results["scale"]
        results["scale_factor"] = (width / stored_hw[1], height / stored_hw[0])
        results.update(img_shape=results["img"].shape[:2], keep_ratio=self.keep_ratio)

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
class LoadInspectionImage(BaseTransform):
    """:func:`read_image` as a pipeline step.

    Args:
        max_megapixels: larger images are refused.
        bit_depth: bits that are used of 16; ``auto`` is the settings' word, which a run resolves before it starts.
        cache_gb: of pixels to keep on disk: decoded images for further tiles of them, see
            :mod:`anomdet.data.tiles.decoded`, or fitted ones, see :func:`keep_fitted`.

    Required keys: ``img_path``. Sets ``img`` (uint8 BGR ``(H, W, 3)``), ``img_shape`` and ``ori_shape``, both
    ``(H, W)``. Optional key: ``window`` ``(4,)``: of a TIFF file only its rows are read, and ``img_top`` is the first;
    of another, ``img`` may be read-only. Optional key ``as_stored``: the image is wanted as it is, not fitted.
    """

    fit: FitInside | None = None
    """The step after it, of which it keeps what large images become; see :func:`keep_fitted`."""

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
        if "window" not in results and self.is_kept(results):
            return self._fitted(results)
        image = None
        if "window" in results:
            _, top, _, bottom = results["window"].tolist()
            if decoded.is_read_in_parts(results["img_path"]):  # of others, all bytes would be read for each tile
                image = read_tiff_rows(results["img_path"], top, bottom, max_megapixels=most, bit_depth=bits)
            results["img_top"] = None if image is None else top
            if image is None and self.cache_gb:
                room = self.cache_gb
                image = decoded.read_kept(results["img_path"], max_megapixels=most, bit_depth=bits, most_gb=room)
        if image is None:
            image = read_image(results["img_path"], max_megapixels=most, bit_depth=bits)
        results["img"] = image
        results["img_shape"] = results["ori_shape"] = image.shape[:2]
        return results

    def is_kept(self, record: dict) -> bool:
        """Whether an image of this ``height`` and ``width`` is read once and kept.

        With the key ``window`` as it is stored, for its tiles, of which this is one; else as :attr:`fit` makes it.
        """
        num_pixels = record.get("height", 0) * record.get("width", 0)
        if not self.cache_gb or "as_stored" in record or num_pixels < LEAST_MEGAPIXELS * 1e6:
            return False
        if "window" in record:
            _, top, _, bottom = record["window"].tolist()
            return bottom - top == record["height"] or not decoded.is_read_in_parts(record["img_path"])
        fitted_wh = self.fitted_wh(record)
        return fitted_wh is not None and fitted_wh[0] * fitted_wh[1] * _LEAST_SHRINKING <= num_pixels

    def fitted_wh(self, record: dict) -> tuple[int, int] | None:
        """Width and height of an image after :attr:`fit`; None: there is no such step, or it leaves the image alone."""
        return None if self.fit is None else self.fit.fitted_wh(record["height"], record["width"])

    def kept_bytes(self, record: dict) -> int:
        """Of an image that is kept, at most: a grey one takes a third."""
        stored_wh = (record["width"], record["height"])
        width, height = stored_wh if "window" in record else self.fitted_wh(record) or (0, 0)
        return 3 * width * height

    def kept_file(self, record: dict) -> Path | None:
        """Where the pixels of an image are kept, if its size is still that of the record."""
        most, bits = self.max_megapixels, self.bit_depth
        if "window" in record:
            return decoded.kept_file(record["img_path"], max_megapixels=most, bit_depth=bits)
        made_with = (most, bits, record["height"], record["width"], self.fitted_wh(record))
        return FITTED.file_of(record["img_path"], *made_with)

    def _fitted(self, results: dict) -> dict:
        """As two steps, this one and :attr:`fit`, with the pixels of the second from the disk if they are there."""
        assert self.fit is not None
        stored_hw, path, file = (results["height"], results["width"]), results["img_path"], self.kept_file(results)
        image, fitted_wh = FITTED.read(file, mapped=False), self.fitted_wh(results)
        if image is None or image.dtype != np.uint8 or image.shape[1::-1] != fitted_wh:  # another file of its name
            image, note = read_noted(path, max_megapixels=self.max_megapixels, bit_depth=self.bit_depth)
            warn_once(path, note, self.bit_depth)
            if note or file is None or image.shape[:2] != stored_hw:
                return {**results, "img": image, "img_shape": image.shape[:2], "ori_shape": image.shape[:2]}
            image = grey_plane(self.fit.pixels(image))
            FITTED.keep(file, image, self.cache_gb)
        image = cv2.merge([image] * 3) if image.ndim == 2 else image
        given = {"img": image, "img_shape": image.shape[:2], "ori_shape": stored_hw, "fitted_from_hw": stored_hw}
        return {**results, **given}


def keep_fitted(steps: Sequence[Any]) -> None:
    """Let the first step of a pipeline keep large images fitted, where the size is the first thing that changes.

    A camera's image of 12 megapixels takes longer to decode than to learn from. What the network sees of it is a
    hundredth of its bytes: all processes and epochs, and the next runs, read it from the disk, the same pixels.

    Args:
        steps: of a pipeline; it is changed only if it is a :class:`LoadInspectionImage`, labels, a :class:`FitInside`.
    """
    following = [step for step in steps[1:] if not isinstance(step, LoadAnnotations)][:1]
    if steps and type(steps[0]) is LoadInspectionImage and following and type(following[0]) is FitInside:
        steps[0].fit = following[0]


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
