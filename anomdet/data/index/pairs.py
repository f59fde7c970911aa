"""Images and their label files, read into arrays: the work of one process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from anomdet.boxes import area_xyxy, clip_xyxy
from anomdet.data.index.image_batches import ImageCheck, read_headers
from anomdet.data.index.label_batches import Boxes, read_ordinary
from anomdet.data.index.listing import open_folder
from anomdet.data.labels import LabelFile, parse_label_file
from anomdet.errors import Problem
from anomdet.images.headers import BadImageError

_BLOCK = 16_384  # images whose label texts are held at a time


@dataclass
class Part:
    """What some images and their label files hold; the arrays as in :class:`Columns`, of the good images alone.

    Args:
        is_good: bool ``(n,)``, of all images.
        sizes_hw: int32 ``(good, 2)``.
        bit_depths: uint8 ``(good,)``.
        counts: int64 ``(good,)``, objects of each.
        bboxes_xyxy: within the images.
        class_nums: of the objects.
        image_problems: in the order of the images.
        label_problems: likewise.
        num_clipped: boxes cut to their image.
        num_clipped_images: images with such boxes.
        class_places: class number to the first image with it, good or bad, and to its objects.
    """

    is_good: NDArray[np.bool_]
    sizes_hw: NDArray[np.int32]
    bit_depths: NDArray[np.uint8]
    counts: NDArray[np.int64]
    bboxes_xyxy: NDArray[np.float32]
    class_nums: NDArray[np.int64]
    image_problems: list[Problem] = field(default_factory=list)
    label_problems: list[Problem] = field(default_factory=list)
    num_clipped: int = 0
    num_clipped_images: int = 0
    class_places: dict[int, tuple[int, int]] = field(default_factory=dict)


def read_pairs(data_dir: str, images: Sequence[str], labels: Sequence[str | None], check: ImageCheck) -> list[Part]:
    """Read images and their label files, a part for each few thousand.

    Args:
        data_dir: holds images/ and labels/.
        images: names relative to images/.
        labels: names relative to labels/; None where there is nothing to be read.
        check: of the images.
    """
    with open_folder(f"{data_dir}/images") as image_folder, open_folder(f"{data_dir}/labels") as label_folder:
        return [
            _read_block(
                data_dir, images[at : at + _BLOCK], labels[at : at + _BLOCK], (image_folder, label_folder), check
            )
            for at in range(0, len(images), _BLOCK)
        ]


def _read_block(
    data_dir: str,
    images: Sequence[str],
    labels: Sequence[str | None],
    folders: tuple[int | str, int | str],
    check: ImageCheck,
) -> Part:
    sizes_hw, bit_depths, is_good, image_problems = _read_sizes(images, folders[0], f"{data_dir}/images", check)
    ordinary = read_ordinary(folders[1], labels)

    def label_file(at: int) -> LabelFile:
        return parse_label_file(f"{data_dir}/labels/{labels[at]}", where=f"labels/{labels[at]}")

    unusual = {at: label_file(at) for at in ordinary.unusual}
    counts, boxes, class_nums = _with_unusual(ordinary, unusual)
    images_of = np.repeat(np.arange(len(images)), counts)
    part = Part(is_good, sizes_hw[is_good], bit_depths[is_good], counts[is_good], boxes, class_nums, image_problems)
    part.class_places = _class_places(class_nums, images_of)
    keep = is_good[images_of]
    boxes, images_of, part.class_nums = boxes[keep], images_of[keep], class_nums[keep]
    limits = sizes_hw[images_of][:, [1, 0, 1, 0]].astype(np.float32)
    over = (boxes < 0).any(axis=1) | (boxes > limits).any(axis=1)
    part.bboxes_xyxy = np.clip(boxes, 0, limits) if over.any() else boxes
    over_images = np.zeros(len(images), dtype=bool)
    over_images[images_of[over]] = True
    part.num_clipped, part.num_clipped_images = int(over.sum()), int(over_images.sum())
    nothing_left = area_xyxy(part.bboxes_xyxy) <= 0  # thinner than single precision holds, too
    outside = set(images_of[nothing_left].tolist())
    for at in sorted(outside | unusual.keys()):
        file = unusual[at] if at in unusual else label_file(at)
        part.label_problems.extend(file.problems)
        if at in outside:
            part.label_problems.extend(_outside(file, f"labels/{labels[at]}", sizes_hw[at].tolist()))
    return part


def _read_sizes(
    images: Sequence[str], folder: int | str, path: str, check: ImageCheck
) -> tuple[NDArray[np.int32], NDArray[np.uint8], NDArray[np.bool_], list[Problem]]:
    """Upright sizes, 0 x 0 for a bad image, and bits of a channel; which are good; what is wrong with the others."""
    headers = read_headers(path, folder, images, check)
    bad = {at: found for at, found in enumerate(headers) if isinstance(found, BadImageError)}
    found = [(0, 0) if isinstance(header, BadImageError) else header.upright_hw for header in headers]
    sizes_hw = np.array(found, dtype=np.int32).reshape(-1, 2)
    bits = [8 if isinstance(header, BadImageError) else header.bit_depth for header in headers]
    bit_depths = np.array(bits, dtype=np.uint8)
    problems = [Problem(f"images/{images[at]}", "a readable image", str(error)) for at, error in bad.items()]
    is_good = np.ones(len(images), dtype=bool)
    is_good[list(bad)] = False
    return sizes_hw, bit_depths, is_good, problems


def _with_unusual(
    ordinary: Boxes, unusual: dict[int, LabelFile]
) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.int64]]:
    """Counts of all images, and all boxes and class numbers in their order."""
    if not unusual:
        return ordinary.counts, ordinary.bboxes_xyxy, ordinary.class_nums
    counts = ordinary.counts.copy()
    for at, file in unusual.items():
        counts[at] = len(file.labels)
    rows = np.repeat(np.arange(len(counts)), ordinary.counts)
    others = np.repeat(list(unusual), [len(file.labels) for file in unusual.values()])
    order = np.argsort(np.concatenate([rows, others]), kind="stable")
    boxes = np.concatenate([ordinary.bboxes_xyxy, *(file.labels.bboxes_xyxy for file in unusual.values())])
    nums = np.concatenate([ordinary.class_nums, *(file.labels.class_nums for file in unusual.values())])
    return counts, boxes[order], nums[order]


def _class_places(class_nums: NDArray[np.int64], images_of: NDArray[np.int64]) -> dict[int, tuple[int, int]]:
    nums, firsts, totals = np.unique(class_nums, return_index=True, return_counts=True)
    return {
        num: (int(images_of[first]), total)
        for num, first, total in zip(nums.tolist(), firsts.tolist(), totals.tolist(), strict=True)
    }


def _outside(file: LabelFile, where: str, size_hw: tuple[int, int]) -> list[Problem]:
    """The boxes that lie fully outside their image."""
    height, width = size_hw
    boxes = file.labels.bboxes_xyxy
    problems = []
    for at in np.flatnonzero(area_xyxy(clip_xyxy(boxes, height, width)) <= 0):
        x1, y1, x2, y2 = boxes[at].tolist()
        got = f"x {x1:g} to {x2:g}, y {y1:g} to {y2:g}"
        expected = f"a box within the image of {width} x {height} pixels (width x height)"
        problems.append(Problem(f"{where}:{file.line_nums[at]}", expected, got))
    return problems
