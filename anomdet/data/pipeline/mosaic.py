"""Four training images in one, and pieces of images as large as the network sees them: more contexts, other sizes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from mmcv.transforms.base import BaseTransform
from mmdet.structures.bbox import HorizontalBoxes
from numpy.typing import NDArray

from anomdet.data.draw import Draw, draw_of
from anomdet.data.pipeline.blanking import blanked
from anomdet.data.pipeline.donors import dataset_of, load_item
from anomdet.data.pipeline.mmdet_bases import Mosaic
from anomdet.data.pipeline.steps import FitInside
from anomdet.data.tiles.cut import cut_boxes
from anomdet.registry import TRANSFORMS

_MOSAIC_STREAM, _CROP_STREAM = 5, 6  # of the streams of a draw
_FILL_BGR = (104, 116, 124)  # as beside turned images: with the default normalisation the network sees 0
_TRUTH = ("img", "gt_bboxes", "gt_bboxes_labels", "gt_ignore_flags")


@TRANSFORMS.register_module()
class InspectionMosaic(Mosaic):
    """MMDetection's mosaic of four images of the training split, cut to the size that the network sees.

    Each image has the scale at which the network sees it alone. A box at the border is cut; of one with less of its
    area left than ``min_visible``, that part is blanked out. No part looks like a mosaic: the last epochs have none.

    Required keys: ``img``, ``gt_bboxes`` (HorizontalBoxes), ``gt_bboxes_labels``, ``gt_ignore_flags`` and ``dataset``,
    see :class:`anomdet.data.pipeline.copy_paste.CopyPaste`. Optional key: ``draw``, from which all randomness comes.

    Args:
        size_hw: height and width of the result in pixels.
        prob: how often.
        end: epochs from the start of the run, also a part of one, after which there are none.
        epoch_draws: images that an epoch draws over all processes; None: not known, an epoch counts as a whole.
        min_visible: share of a box's area.
    """

    mixes_images = True

    def __init__(
        self,
        size_hw: Sequence[int],
        prob: float,
        end: float,
        epoch_draws: int | None = None,
        min_visible: float = 0.3,
    ) -> None:
        self.size_hw, self.chance, self.end = (int(size_hw[0]), int(size_hw[1])), prob, end
        self.epoch_draws, self.min_visible = epoch_draws, min_visible
        super().__init__(bbox_clip_border=False, pad_val=_FILL_BGR, prob=1.0)
        self.img_scale = self.size_hw[::-1]  # the base logs each that is no square

    def transform(self, results: dict) -> dict:
        draw = draw_of(results)
        rng = draw.rng(_MOSAIC_STREAM)
        if self._is_over(draw) or rng.random() >= self.chance:
            return results
        dataset = dataset_of(results, self)
        mates = [Draw(at, draw.seed, draw.epoch, draw.position) for at in rng.integers(len(dataset), size=3).tolist()]
        four = self._wide_enough(results)
        four["mix_results"] = [self._wide_enough(load_item(dataset, one)) for one in mates]
        mixed: dict[str, Any] = super().transform(four)  # draws its centre from `random`, seeded by the draw
        height, width = self.size_hw
        middle = np.array([width // 2, height // 2, width // 2 + width, height // 2 + height])
        results.update({key: mixed[key] for key in _TRUTH})
        return cut_to(results, middle, self.min_visible)

    def _wide_enough(self, results: dict) -> dict:
        """Pixels and boxes of an image; of a thin one, of whose shorter side nothing would be left, a pixel is kept."""
        one = {key: results[key] for key in _TRUTH}
        height, width = one["img"].shape[:2]
        is_lost = min(height, width) * min(self.size_hw[0] / height, self.size_hw[1] / width) < 1
        fitted = FitInside(self.size_hw).transform(one) if is_lost else one
        return {key: fitted[key] for key in _TRUTH}

    def _is_over(self, draw: Draw) -> bool:
        """Whether the last part of the run has come."""
        if self.epoch_draws is None:
            return draw.epoch + 1 > self.end
        return draw.epoch + draw.position / self.epoch_draws >= self.end


@TRANSFORMS.register_module()
class CropAroundDefect(BaseTransform):
    """A piece of an image as large as the network sees it, at the stored resolution, with one of its defects in it.

    Of an image without objects, a piece at any place. An image that is no larger stays as it is. Boxes at the border
    are treated as in :class:`InspectionMosaic`.

    Required keys: ``img``, ``gt_bboxes`` (HorizontalBoxes), ``gt_bboxes_labels``, ``gt_ignore_flags``. Optional key:
    ``draw``, from which all randomness comes.

    Args:
        size_hw: height and width of the piece in pixels.
        prob: how often.
        min_visible: share of a box's area.
    """

    def __init__(self, size_hw: Sequence[int], prob: float, min_visible: float = 0.3) -> None:
        self.size_hw, self.prob, self.min_visible = (int(size_hw[0]), int(size_hw[1])), prob, min_visible

    def transform(self, results: dict) -> dict:
        rng = draw_of(results).rng(_CROP_STREAM)
        size_wh, piece_wh = np.array(results["img"].shape[1::-1]), np.array(self.size_hw[::-1])
        piece_wh = np.minimum(piece_wh, size_wh)
        if rng.random() >= self.prob or (piece_wh == size_wh).all():
            return results
        boxes = results["gt_bboxes"].tensor.numpy()[~results["gt_ignore_flags"]]
        lowest, highest = np.zeros(2), (size_wh - piece_wh).astype(np.float64)
        if len(boxes):
            box = boxes[int(rng.integers(len(boxes)))]
            # All of the box where it fits into the piece; else the piece within the box.
            ends = np.sort(np.stack([box[2:] - piece_wh, box[:2]]), axis=0)
            lowest, highest = (np.clip(end, lowest, highest) for end in ends)
        corner = np.rint(rng.uniform(lowest, highest)).astype(np.int64)
        return cut_to(results, np.concatenate([corner, corner + piece_wh]), self.min_visible)


def cut_to(results: dict, window: NDArray[np.int64], min_visible: float) -> dict:
    """A piece of an image in place of the image: what is neither an object in it nor background is blanked out."""
    left, top, right, bottom = window.tolist()
    cut = cut_boxes(results["gt_bboxes"].tensor.numpy(), window, min_visible)
    ignored = results["gt_ignore_flags"][cut.rows]
    image = np.ascontiguousarray(results["img"][top:bottom, left:right])
    hidden = cut.bboxes_xyxy[~cut.is_kept]
    kept = cut.is_kept & ~ignored
    if len(hidden):
        image = blanked(image, hidden.tolist(), cut.bboxes_xyxy[kept].tolist())
    stays = cut.is_kept
    results["img"], results["img_shape"] = image, image.shape[:2]
    results["gt_bboxes"] = HorizontalBoxes(cut.bboxes_xyxy[stays])
    results["gt_bboxes_labels"] = results["gt_bboxes_labels"][cut.rows[stays]]
    results["gt_ignore_flags"] = ignored[stays]
    return results
