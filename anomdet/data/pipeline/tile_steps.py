"""What happens to tiles: one cut out of its image in training; all of an image, one behind the other, in evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from mmcv.transforms.base import BaseTransform
from mmdet.structures.bbox import HorizontalBoxes
from mmengine.dataset import pseudo_collate
from numpy.typing import NDArray

from anomdet.data.pipeline.blanking import blanked
from anomdet.data.pipeline.steps import FitInside, PackInspectionInputs
from anomdet.data.tiles.cut import cut_boxes
from anomdet.data.tiles.index import TileRule
from anomdet.registry import FUNCTIONS, TRANSFORMS
from anomdet.tiles import plan


@TRANSFORMS.register_module()
class CutTile(BaseTransform):
    """One tile out of an image, with what may not be taught blanked out.

    An object of which too little is visible is neither an object of the tile nor background. Its ``ignore_flag`` says
    so to a loss that looks at it; most heads of MMDetection do not (``ignore_iof_thr`` is -1). So its pixels are
    replaced by the tile's mean colour too, except where an object that is kept lies: no head sees them.

    Required keys: ``img`` and ``window`` ``(4,)`` in pixels of the image. Optional keys: ``img_top``, the image's row
    that ``img`` begins with, if it does not hold all; ``instances``, in pixels of the tile.
    Sets ``img``, ``img_shape`` and ``ori_shape``.
    """

    def transform(self, results: dict) -> dict:
        left, top, right, bottom = results["window"].tolist()
        first = results.pop("img_top", None)
        rows = results["img"][top:bottom] if first is None else results["img"][top - first : bottom - first]
        tile = np.ascontiguousarray(rows[:, left:right])
        ignored = [one["bbox"] for one in results.get("instances", ()) if one["ignore_flag"]]
        if ignored and (first is not None or tile.shape != results["img"].shape):
            tile = blanked(tile, ignored, [one["bbox"] for one in results["instances"] if not one["ignore_flag"]])
        results["img"] = tile
        results["img_shape"] = results["ori_shape"] = tile.shape[:2]
        return results


@TRANSFORMS.register_module()
class PackTiles(BaseTransform):
    """All tiles of an image, each fitted and packed as an image is, from one decode.

    Required keys: those of ``FitInside`` and ``PackInspectionInputs``, of the whole image. Each packed tile has the
    image's meta keys but for ``ori_shape``, its own; and ``window`` and ``image_hw``, by which its boxes find back.

    Args:
        size_hw: what the network sees.
        meta_keys: of each tile.
        tiles: arguments of :meth:`TileRule.of`.
        most_tiles: of the images of this data; for whoever plans memory.
    """

    def __init__(
        self, size_hw: Sequence[int], meta_keys: Sequence[str], tiles: Mapping[str, Any], most_tiles: int = 1
    ) -> None:
        self.size_hw, self.most_tiles = tuple(size_hw), most_tiles
        self.rule = TileRule.of(tiles)
        self._fit = FitInside(size_hw)
        self._pack = PackInspectionInputs(meta_keys=(*meta_keys, "window", "image_hw"))

    def transform(self, results: dict) -> dict:
        image_hw = tuple(results["img"].shape[:2])
        packed = [self._packed(results, window, image_hw) for window in plan(image_hw, self.rule.tiling)]
        return {key: [one[key] for one in packed] for key in packed[0]}

    def _packed(self, results: dict, window: NDArray[np.int64], image_hw: tuple[int, ...]) -> dict:
        left, top, right, bottom = window.tolist()
        tile = dict(results, window=window.tolist(), image_hw=image_hw, img=results["img"][top:bottom, left:right])
        tile["img_shape"] = tile["ori_shape"] = tile["img"].shape[:2]
        if "gt_bboxes" in results:
            cut = cut_boxes(results["gt_bboxes"].tensor.numpy(), window, self.rule.min_visible)
            tile["gt_bboxes"] = HorizontalBoxes(cut.bboxes_xyxy)
            tile["gt_bboxes_labels"] = results["gt_bboxes_labels"][cut.rows]
            tile["gt_ignore_flags"] = results["gt_ignore_flags"][cut.rows] | ~cut.is_kept
        packed: dict = self._pack.transform(self._fit.transform(tile))
        return packed


@FUNCTIONS.register_module()
def flat_collate(batch: Sequence[dict]) -> dict:
    """The tiles of several images as one batch of images, in their order."""
    rows = [{key: values[at] for key, values in image.items()} for image in batch for at in range(len(image["inputs"]))]
    collated: dict = pseudo_collate(rows)
    return collated
