"""The images and boxes of a checked data set as arrays, the boxes at the size that the network sees too."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anomdet.data.index.files import FoundFile
from anomdet.images.headers import Header
from anomdet.layout import SPLITS
from anomdet.quality.check.check import Checked, CheckedFile
from anomdet.quality.check.geometry import outside
from anomdet.quality.check.table import Floats, Ints
from anomdet.quality.health.plan import Plan
from anomdet.quality.propose.tiles import choose_tiles

NORMAL, DEFECTIVE, UNLABELLED = 0, 1, 2


@dataclass(frozen=True)
class Table:
    """M images and N boxes; boxes that training refuses are left out, those that reach out are cut, as it does.

    Args:
        files: the images.
        headers: of the images; None: bad ones.
        size_hw: ``(M, 2)`` of the upright images, pixels; nan where not known.
        states: ``(M,)`` NORMAL, DEFECTIVE or UNLABELLED.
        splits: ``(M,)`` positions in ``SPLITS``; -1: in none, or not known.
        image_at: ``(N,)`` position of the image of each box.
        class_nums: ``(N,)``.
        bboxes_xywh: ``(N, 4)`` corner and size, pixels.
        seen_wh: ``(N, 2)`` sizes of the boxes as the network sees them, pixels.
        num_left_out: boxes that are not in the table.
        tile_hw: height and width of the tiles that the network sees in place of the images, pixels; None: no tiles.
    """

    files: list[FoundFile]
    headers: list[Header | None]
    size_hw: Floats
    states: Ints
    splits: Ints
    image_at: Ints
    class_nums: Ints
    bboxes_xywh: Floats
    seen_wh: Floats
    num_left_out: int
    tile_hw: tuple[int, int] | None = None

    @property
    def short_sides(self) -> Floats:
        """The shorter side ``(N,)`` of each box as the network sees it, pixels."""
        return np.asarray(self.seen_wh.min(axis=1))

    @property
    def boxes_of_images(self) -> Ints:
        """Number of boxes ``(M,)`` of each image."""
        return np.bincount(self.image_at, minlength=len(self.files)).astype(np.int64)

    def rows_of(self, split: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Masks ``(M,)`` and ``(N,)`` of the images and boxes of a split."""
        images = self.splits == split
        return images, images[self.image_at]


def make_table(checked: Checked, plan: Plan) -> Table:
    """The arrays of a checked data set."""
    rows = [file for file in checked.files if file.entry.image is not None]
    files = [file.entry.image for file in rows if file.entry.image is not None]
    headers = [file.header for file in rows]
    nan = (np.nan, np.nan)
    size_hw = np.array([header.upright_hw if header else nan for header in headers], dtype=np.float64).reshape(-1, 2)
    split_of = {} if plan.split_of is None else plan.split_of
    number = {name: at for at, name in enumerate(SPLITS)}
    splits = np.array([number.get(split_of.get(file.name, ""), -1) for file in files], dtype=np.int64)
    with_boxes = np.flatnonzero([file.has_boxes for file in rows])
    image_at = with_boxes[checked.boxes.file_at] if len(checked.boxes) else np.zeros(0, np.int64)
    good, bboxes_xywh = _clipped(checked)
    tile_hw = _tile_hw(plan, size_hw, bboxes_xywh[good, 2:], image_at[good])
    return Table(
        files=files,
        headers=headers,
        size_hw=size_hw,
        states=np.array([_state(file, plan.missing_labels) for file in rows], dtype=np.int64),
        splits=splits,
        image_at=image_at[good],
        class_nums=checked.boxes.class_nums[good],
        bboxes_xywh=bboxes_xywh[good],
        seen_wh=bboxes_xywh[good, 2:] * scale_wh(pieces_hw(size_hw, tile_hw), plan.size_hw)[image_at[good]],
        num_left_out=int((~good).sum()),
        tile_hw=tile_hw,
    )


def pieces_hw(size_hw: Floats, tile_hw: tuple[int, int] | None) -> Floats:
    """What the network sees at once ``(M, 2)`` of images ``(M, 2)``: a tile, or all of one that is no larger."""
    return size_hw if tile_hw is None else np.minimum(size_hw, tile_hw)


def _tile_hw(plan: Plan, size_hw: Floats, bboxes_wh: Floats, image_at: Ints) -> tuple[int, int] | None:
    if plan.tiles != "auto":
        return plan.tiles
    known = np.isfinite(size_hw).all(axis=1)
    if not len(bboxes_wh):
        return None
    tiles = choose_tiles(size_hw[known].astype(int), bboxes_wh, (np.cumsum(known) - 1)[image_at], plan.size_hw).value
    return None if tiles is None else (tiles["size"][0], tiles["size"][1])


def scale_wh(size_hw: Floats, target_hw: tuple[int, int]) -> Floats:
    """Factors ``(M, 2)`` of width and height, with which images ``(M, 2)`` become the largest of their shape that fit
    into the target; sizes in whole pixels, as ``FitInside`` makes them."""
    size_wh = size_hw[:, ::-1]
    return seen_wh(size_hw, target_hw) / size_wh


def seen_wh(size_hw: Floats, target_hw: tuple[int, int]) -> Floats:
    """Width and height ``(M, 2)`` in whole pixels of images ``(M, 2)`` that are fitted into the target."""
    factor = (np.asarray(target_hw) / size_hw).min(axis=1, keepdims=True)
    result: Floats = np.maximum(np.floor(size_hw[:, ::-1] * factor + 0.5), 1.0)
    return result


def _state(file: CheckedFile, missing_labels: str) -> int:
    if file.read is None:
        missing = file.entry.label is None and file.entry.whole and missing_labels == "normal"
        return NORMAL if missing else UNLABELLED
    return NORMAL if file.read.complete and not file.read.num_rows else DEFECTIVE


def _clipped(checked: Checked) -> tuple[NDArray[np.bool_], Floats]:
    """Which boxes training could use, and all of them cut to their image."""
    bboxes_xywh, size_wh = checked.bboxes_xywh, checked.boxes.size_wh
    with np.errstate(invalid="ignore"):
        good = np.isfinite(bboxes_xywh).all(axis=1) & np.isfinite(size_wh).all(axis=1)
        good &= (bboxes_xywh[:, 2:] > 0).all(axis=1) & ~outside(bboxes_xywh, size_wh)
        start = np.clip(bboxes_xywh[:, :2], 0, size_wh)
        end = np.clip(bboxes_xywh[:, :2] + bboxes_xywh[:, 2:], 0, size_wh)
    return good, np.concatenate([start, end - start], axis=1)
