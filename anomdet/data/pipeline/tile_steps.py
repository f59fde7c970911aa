"""What happens to tiles: one cut out of its image in training; all of an image, one behind the other, in evaluation.

Likewise with the views of an image, or of each tile, where evaluation looks at it several times.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
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
from anomdet.views import View, Views

_TRUTH = ("gt_bboxes", "gt_bboxes_labels", "gt_ignore_flags")


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
        tile = np.array(rows[:, left:right], order="C", subok=False)  # a copy: the image may be read-only
        ignored = [one["bbox"] for one in results.get("instances", ()) if one["ignore_flag"]]
        if ignored and (first is not None or tile.shape != results["img"].shape):
            tile = blanked(tile, ignored, [one["bbox"] for one in results["instances"] if not one["ignore_flag"]])
        results["img"] = tile
        results["img_shape"] = results["ori_shape"] = tile.shape[:2]
        return results


class _Views:
    """An image or a tile in each view, fitted and packed; the first is plain, and the only one with objects."""

    def __init__(self, size_hw: Sequence[int], meta_keys: Sequence[str], views: Mapping[str, Any] | None) -> None:
        self.plan = Views(**{key: tuple(values) for key, values in views.items()}).plan if views else (View(),)
        self._fits = [FitInside(view.size_hw(size_hw)) for view in self.plan]
        self._pack = PackInspectionInputs(meta_keys=(*meta_keys, "view") if views else meta_keys)

    def packed(self, results: dict) -> Iterator[dict]:
        for at, (view, fit) in enumerate(zip(self.plan, self._fits, strict=True)):
            seen = {key: value for key, value in results.items() if at == 0 or key not in _TRUTH}
            fitted = fit.transform({**seen, "view": at})
            if view.flip:
                fitted["img"] = np.ascontiguousarray(view.mirrored(fitted["img"]))
            yield self._pack.transform(fitted)


@TRANSFORMS.register_module()
class PackViews(BaseTransform):
    """An image in all its views, each fitted and packed, from one decode; boxes are found in each and merged.

    Required keys: those of ``FitInside`` and ``PackInspectionInputs``. Each packed view has ``view``, its number.

    Args:
        size_hw: what the network sees of the plain image.
        meta_keys: of each view.
        views: ``flips`` and ``scales`` of :class:`anomdet.views.Views`.
    """

    def __init__(self, size_hw: Sequence[int], meta_keys: Sequence[str], views: Mapping[str, Any]) -> None:
        self.size_hw, self._views = tuple(size_hw), _Views(size_hw, meta_keys, views)

    def transform(self, results: dict) -> dict:
        return _in_columns(list(self._views.packed(results)))


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
        views: of each tile, as of :class:`PackViews`; None: one, as it is.
    """

    def __init__(
        self,
        size_hw: Sequence[int],
        meta_keys: Sequence[str],
        tiles: Mapping[str, Any],
        most_tiles: int = 1,
        views: Mapping[str, Any] | None = None,
    ) -> None:
        self.size_hw, self.most_tiles = tuple(size_hw), most_tiles
        self.rule = TileRule.of(tiles)
        self._views = _Views(size_hw, (*meta_keys, "window", "image_hw"), views)

    def transform(self, results: dict) -> dict:
        image_hw = tuple(results["img"].shape[:2])
        tiles = (self._tile(results, window, image_hw) for window in plan(image_hw, self.rule.tiling))
        return _in_columns([packed for tile in tiles for packed in self._views.packed(tile)])

    def _tile(self, results: dict, window: NDArray[np.int64], image_hw: tuple[int, ...]) -> dict:
        left, top, right, bottom = window.tolist()
        tile = dict(results, window=window.tolist(), image_hw=image_hw, img=results["img"][top:bottom, left:right])
        tile["img_shape"] = tile["ori_shape"] = tile["img"].shape[:2]
        if "gt_bboxes" in results:
            cut = cut_boxes(results["gt_bboxes"].tensor.numpy(), window, self.rule.min_visible)
            tile["gt_bboxes"] = HorizontalBoxes(cut.bboxes_xyxy)
            tile["gt_bboxes_labels"] = results["gt_bboxes_labels"][cut.rows]
            tile["gt_ignore_flags"] = results["gt_ignore_flags"][cut.rows] | ~cut.is_kept
        return tile


def _in_columns(packed: Sequence[dict]) -> dict:
    return {key: [one[key] for one in packed] for key in packed[0]}


@FUNCTIONS.register_module()
def flat_collate(batch: Sequence[dict]) -> dict:
    """The tiles and views of several images as one batch of images, in their order."""
    rows = [{key: values[at] for key, values in image.items()} for image in batch for at in range(len(image["inputs"]))]
    collated: dict = pseudo_collate(rows)
    return collated
