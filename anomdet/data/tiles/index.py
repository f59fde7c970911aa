"""All tiles of a split without a record of any: where each one lies, and the classes in it, are computed when asked."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anomdet.data.draw import Draw
from anomdet.data.index.cache import remembered
from anomdet.data.index.columns import Columns
from anomdet.data.tiles.cut import CutBoxes, cut_boxes, too_small_to_see, visible_shares
from anomdet.tiles import Tiling, plan

_JITTER_STREAM = 3  # of the streams of a draw; draw.py, augment.py and sampler.py have theirs
_PIECE = 1 << 14  # images at once
_BOXES_IN_WINDOWS = 1 << 20  # at once: 0.1 GB
_MOST_COUNTED = 255
_VERSION = 1


@dataclass(frozen=True)
class TileRule:
    """How a run cuts its images.

    Args:
        tiling: the plan, which evaluation and prediction follow too.
        min_visible: share of a box's area from which on it is an object of the tile.
        seen_hw: what the network sees, in pixels.
    """

    tiling: Tiling
    min_visible: float
    seen_hw: tuple[int, int]

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> TileRule:
        """From the arguments of a config."""
        size, overlap, seen = ((int(given[key][0]), int(given[key][1])) for key in ("size_hw", "overlap_hw", "seen_hw"))
        return cls(Tiling(size, overlap, bool(given["include_whole"])), float(given["min_visible"]), seen)


class TileIndex:
    """The tiles of some images, image by image, in the order of the plan; 16 bytes an image are kept.

    Args:
        columns: of the data set.
        rows: ``(N,)`` the images.
        rule: how they are cut.
    """

    def __init__(self, columns: Columns, rows: NDArray[np.int32], rule: TileRule) -> None:
        self.columns, self.rows, self.rule = columns, rows, rule
        sizes, size_of = np.unique(columns.sizes_hw[rows], axis=0, return_inverse=True)
        self._size_of: NDArray[np.int32] = size_of.reshape(-1).astype(np.int32)
        self._sizes = [(int(height), int(width)) for height, width in sizes.tolist()]
        counts = np.array([len(_windows(size, rule.tiling)) for size in self._sizes], dtype=np.int64)
        self.starts: NDArray[np.int64] = np.concatenate([[0], np.cumsum(counts[self._size_of])])

    def __len__(self) -> int:
        return int(self.starts[-1])

    def locate(self, tile: int) -> tuple[int, int]:
        """The image (a position in the columns) and the number of its window."""
        at = int(np.searchsorted(self.starts, tile, side="right")) - 1
        return int(self.rows[at]), int(tile - self.starts[at])

    def window(self, tile: int, draw: Draw | None = None) -> NDArray[np.int64]:
        """``(4,)`` x1, y1, x2, y2 in pixels of the image.

        Args:
            tile: its number.
            draw: moves it by up to half of the overlap, within the image; None: it stays. What made it a tile with a
                defect stays visible: it moves by half as much, and half of that, until that holds.
        """
        image, number = self.locate(tile)
        height, width = self.columns.sizes_hw[image].tolist()
        windows = _windows((height, width), self.rule.tiling)
        own = windows[number]
        is_whole = bool((own == (0, 0, width, height)).all())
        if draw is None or is_whole:
            return np.array(own)
        reach = np.array(self.rule.tiling.overlap_hw[::-1]) / 2
        shift = draw.rng(_JITTER_STREAM).uniform(-1, 1, 2) * reach
        boxes = self.columns.labels(image).bboxes_xyxy
        must_stay = boxes[visible_shares(boxes, own[None])[:, 0] >= self.rule.min_visible]
        while True:
            moved = _moved(own, shift, (height, width))
            if (visible_shares(must_stay, moved[None])[:, 0] >= self.rule.min_visible).all():
                return moved
            shift = shift / 2 if np.abs(shift).max() >= 1 else shift * 0

    def cut(self, tile: int, window: NDArray[np.int64]) -> CutBoxes:
        """The boxes of the tile's image as a window shows them."""
        image, _ = self.locate(tile)
        boxes = self.columns.labels(image).bboxes_xyxy
        found = cut_boxes(boxes, window, self.rule.min_visible)
        height, width = self.columns.sizes_hw[image].tolist()
        size_hw = (int(window[3] - window[1]), int(window[2] - window[0]))
        if size_hw != (height, width) or len(_windows(size_hw, self.rule.tiling)) == 1:
            return found
        small = too_small_to_see(boxes[found.rows], size_hw, self.rule.seen_hw)
        return found._replace(is_kept=found.is_kept & ~small)

    def cut_record(self, record_of: Callable[[int], dict[str, Any]], tile: int, draw: Draw | None) -> dict[str, Any]:
        """The record of a tile from its image's: its ``window``, and its objects in its own pixels."""
        image, window = record_of(self.locate(tile)[0]), self.window(tile, draw)
        cut = self.cut(tile, window)
        instances = [
            {**image["instances"][row], "bbox": bbox, "ignore_flag": int(not kept)}
            for row, bbox, kept in zip(cut.rows.tolist(), cut.bboxes_xyxy.tolist(), cut.is_kept.tolist(), strict=True)
        ]
        left, top, right, bottom = window.tolist()
        sides = {"height": bottom - top, "width": right - left}
        return {**image, **sides, "instances": instances, "window": window, "sample_idx": tile}

    def class_counts(self, class_nums: Sequence[int]) -> NDArray[np.uint8]:
        """Objects of each class in each tile, at most 255, ``(len(self), len(class_nums))``; kept on disk if it can."""
        rule = f"{self.rule} {tuple(class_nums)} {hashlib.sha256(self.rows.tobytes()).hexdigest()}"
        counts: NDArray[np.uint8] = remembered(
            self.columns, f"tiles {_VERSION} {rule}", lambda: self._counted(np.asarray(class_nums))
        )
        return counts

    def objects_in_no_tile(self) -> NDArray[np.int64]:
        """Objects that every tile shows less than ``min_visible`` of: ascending rows of the columns' boxes."""
        found: list[NDArray[np.int64]] = [np.zeros(0, dtype=np.int64)]
        for first in range(0, len(self.rows), _PIECE):
            at = np.arange(first, min(first + _PIECE, len(self.rows)))
            for some, size in self._of_one_size(at):
                boxes, is_in, _ = self._shown(some, size)
                found.append(boxes[~is_in.any(axis=1)])
        return np.sort(np.concatenate(found))

    def _counted(self, class_nums: NDArray[np.int64]) -> NDArray[np.uint8]:
        counts: NDArray[np.uint8] = np.zeros((len(self), len(class_nums)), dtype=np.uint8)
        for first in range(0, len(self.rows), _PIECE):
            at = np.arange(first, min(first + _PIECE, len(self.rows)))
            begin, end = self.starts[at[0]], self.starts[at[-1] + 1]
            cells = [self._cells(some, size, class_nums) for some, size in self._of_one_size(at)]
            shape = (int(end - begin), len(class_nums))
            found = np.bincount(np.concatenate(cells) - begin * len(class_nums), minlength=shape[0] * shape[1])
            counts[begin:end] = np.minimum(found, _MOST_COUNTED).reshape(shape)
        return counts

    def _of_one_size(self, at: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.int64], int]]:
        """Images of one size at a time, few enough for each of their boxes beside each of their windows."""
        sizes, rows = self._size_of[at], self.rows[at].astype(np.int64)
        num_boxes = self.columns.box_starts[rows + 1] - self.columns.box_starts[rows]
        for size in np.unique(sizes).tolist():
            some, each = at[sizes == size], num_boxes[sizes == size]
            piece_of = np.cumsum(each * len(_windows(self._sizes[size], self.rule.tiling))) // _BOXES_IN_WINDOWS
            yield from ((piece, size) for piece in np.split(some, np.flatnonzero(np.diff(piece_of)) + 1))

    def _cells(self, at: NDArray[np.int64], size: int, class_nums: NDArray[np.int64]) -> NDArray[np.int64]:
        """Tile times classes plus class of each object that images of one size show, once for each tile."""
        boxes, is_in, lengths = self._shown(at, size)
        rows, tiles = np.nonzero(is_in)
        labels = np.searchsorted(class_nums, self.columns.class_nums[boxes[rows]])
        cells: NDArray[np.int64] = (self.starts[np.repeat(at, lengths)[rows]] + tiles) * len(class_nums) + labels
        return cells

    def _shown(
        self, at: NDArray[np.int64], size: int
    ) -> tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.int64]]:
        """Rows of the boxes of images of one size, ``(boxes, tiles)`` which tile keeps which, boxes of each image."""
        images = self.rows[at].astype(np.int64)
        first, lengths = self.columns.box_starts[images], self.columns.box_starts[images + 1]
        lengths = lengths - first
        within = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        boxes: NDArray[np.int64] = np.repeat(first, lengths) + within
        size_hw = self._sizes[size]
        windows = _windows(size_hw, self.rule.tiling)
        bboxes_xyxy = self.columns.bboxes_xyxy[boxes]
        is_in = visible_shares(bboxes_xyxy, windows) >= self.rule.min_visible
        if self.rule.tiling.include_whole and len(windows) > 1:
            is_in[:, -1] &= ~too_small_to_see(bboxes_xyxy, size_hw, self.rule.seen_hw)
        return boxes, is_in, lengths


@lru_cache(maxsize=1024)
def _windows(size_hw: tuple[int, int], tiling: Tiling) -> NDArray[np.int64]:
    return plan(size_hw, tiling)


def _moved(window: NDArray[np.int64], shift_xy: NDArray[np.float64], size_hw: tuple[int, int]) -> NDArray[np.int64]:
    """A window moved by whole pixels, but not out of the image."""
    limits = np.array(size_hw[::-1])
    shift = np.clip(np.rint(shift_xy).astype(np.int64), -window[:2], limits - window[2:])
    moved: NDArray[np.int64] = window + np.tile(shift, 2)
    return moved
