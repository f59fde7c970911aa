"""What a data set is like, in numbers that rules can be about: no advice here, and no pixel is decoded."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anomdet.boxes import xyxy_to_xywh
from anomdet.data.index.files import check_image
from anomdet.data.index.scan import DataIndex
from anomdet.images.headers import BadImageError
from anomdet.layout import IMAGES_DIR

SMALL_PX = 8.0
"""A box whose shorter side is below so many pixels of what the network sees is hardly found: one cell of stride 8."""
_MAX_HEADERS = 200
_GROUP_PATTERNS = (r"^(.+)/[^/]+$", r"^([A-Za-z]*[_-]?\d+)[_-]", r"^([^_/]+)_")
_MIN_GROUPS, _MIN_COVERAGE, _MAX_GROUP_SHARE = 10, 0.95, 0.2


@dataclass(frozen=True)
class DataFacts:
    """A data set in numbers.

    Args:
        num_images: all of them.
        num_normal: without objects.
        objects: class number to boxes.
        images: class number to images that show it.
        sizes_hw: ``(N, 2)`` height and width of each upright image, pixels.
        bboxes_wh: ``(M, 2)`` width and height of each box, pixels of its image.
        image_at: ``(M,)`` the image of each box, a row of ``sizes_hw``.
        grey: whether all images have one channel, by a sample of their headers.
        group_pattern: a regular expression by which file names fall into groups; None: none is evident.
        num_groups: by that pattern.
    """

    num_images: int
    num_normal: int
    objects: dict[int, int]
    images: dict[int, int]
    sizes_hw: NDArray[np.int64]
    bboxes_wh: NDArray[np.float64]
    image_at: NDArray[np.int64]
    grey: bool = False
    group_pattern: str | None = None
    num_groups: int = 0

    @property
    def normal_share(self) -> float:
        """Of the images."""
        return self.num_normal / self.num_images

    @property
    def most_boxes(self) -> int:
        """Of one image."""
        return int(np.bincount(self.image_at).max(initial=0))

    @property
    def largest_megapixels(self) -> float:
        """Of the largest image."""
        return float(self.sizes_hw.prod(axis=1).max()) / 1e6

    def short_sides_px(self, size_hw: tuple[int, int]) -> NDArray[np.float64]:
        """The shorter side of each box ``(M,)`` when its image is fitted into ``size_hw``, as the network sees it."""
        scales = np.minimum(size_hw[0] / self.sizes_hw[:, 0], size_hw[1] / self.sizes_hw[:, 1])
        result: NDArray[np.float64] = self.bboxes_wh.min(axis=1) * scales[self.image_at]
        return result

    def thin_share(self, ratio: float) -> float:
        """Share of the boxes whose longer side is at least ``ratio`` times the shorter one."""
        return float((self.bboxes_wh.max(axis=1) >= ratio * self.bboxes_wh.min(axis=1)).mean())


def facts_of(index: DataIndex) -> DataFacts:
    """The facts of a scanned data folder; reads a sample of image headers again, for the channels."""
    records = index.records
    counts = [len(record.labels) for record in records]
    class_nums = np.concatenate([record.labels.class_nums for record in records])
    bboxes_xywh = xyxy_to_xywh(np.concatenate([record.labels.bboxes_xyxy for record in records]))
    shown = Counter(num for record in records for num in set(record.labels.class_nums.tolist()))
    pattern, num_groups = find_groups([record.file_name for record in records])
    return DataFacts(
        num_images=len(records),
        num_normal=counts.count(0),
        objects=dict(sorted(Counter(class_nums.tolist()).items())),
        images=dict(sorted(shown.items())),
        sizes_hw=np.array([(record.height, record.width) for record in records], dtype=np.int64),
        bboxes_wh=bboxes_xywh[:, 2:].astype(np.float64),
        image_at=np.repeat(np.arange(len(records)), counts),
        grey=_all_grey(index),
        group_pattern=pattern,
        num_groups=num_groups,
    )


def _all_grey(index: DataIndex) -> bool:
    records = index.records[:: max(1, len(index.records) // _MAX_HEADERS)]
    try:
        headers = [
            check_image(Path(index.data_dir) / IMAGES_DIR / record.file_name, max_megapixels=None) for record in records
        ]
    except BadImageError:  # changed since the scan
        return False
    return all(header.num_channels == 1 for header in headers)


def find_groups(file_names: Sequence[str]) -> tuple[str | None, int]:
    """A pattern by which names fall into groups of more than one image, and how many groups; None, 0: none is evident.

    A group is a sub-folder, a leading number (``part012_cam1.png``), or a leading word. It counts as evident if nearly
    all names match, there are at least ten groups, most hold several images, and none holds a fifth of them.
    """
    for pattern in _GROUP_PATTERNS:
        matches = [re.search(pattern, name) for name in file_names]
        groups = Counter(match[1] for match in matches if match)
        if (
            len(groups) >= _MIN_GROUPS
            and groups.total() >= _MIN_COVERAGE * len(file_names)
            and float(np.median(list(groups.values()))) >= 2
            and max(groups.values()) <= _MAX_GROUP_SHARE * len(file_names)
        ):
            return pattern, len(groups)
    return None, 0
