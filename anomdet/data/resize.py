"""The image at the size that the network sees."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from anomdet.data.mmdet_bases import Resize
from anomdet.registry import TRANSFORMS


@TRANSFORMS.register_module()
class FitInside(Resize):
    """The largest size with the image's aspect ratio that fits into ``size_hw``; boxes follow.

    MMDetection's ``Resize(keep_ratio=True)`` takes its scale as the long and the short side, whichever way the image
    lies: a portrait image would not fit into a landscape size.

    Args:
        size_hw: height and width in pixels.
    """

    def __init__(self, size_hw: Sequence[int]) -> None:
        self.size_hw = tuple(size_hw)
        super().__init__(scale=(self.size_hw[1], self.size_hw[0]), keep_ratio=False)  # `transform` keeps it

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Resizes ``img`` and ``gt_bboxes``; sets ``img_shape`` and ``scale_factor``."""
        height, width = results["img"].shape[:2]
        factor = min(self.size_hw[0] / height, self.size_hw[1] / width)
        self.scale = (max(int(width * factor + 0.5), 1), max(int(height * factor + 0.5), 1))
        return super().transform(results)
