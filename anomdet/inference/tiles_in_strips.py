"""A large image whose tiles are cut row by row, while its file is read and the network runs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from anomdet.images.strips import Strips
from anomdet.inference.artifact import Preprocessing
from anomdet.inference.backends import Backend
from anomdet.inference.postprocess import Detections
from anomdet.inference.preprocess import Prepared, fitted
from anomdet.inference.views import run_views
from anomdet.tiles import Tiling, limited_plan
from anomdet.views import Views


@dataclass(frozen=True, eq=False)
class TilesInStrips:
    """In place of :class:`anomdet.inference.preprocess.PreparedTiles`: one row of tiles is in memory at a time.

    Args:
        strips: the file; read once.
        preprocessing: of each tile.
        tiling: without the whole image.
        views: of each tile.
        name: path or name; None: there is none.
        warnings: what the user should know of this image.
        times: seconds of ``read`` and ``prepare``.
    """

    strips: Strips
    preprocessing: Preprocessing
    tiling: Tiling
    views: Views | None = None
    name: str | None = None
    warnings: tuple[str, ...] = ()
    times: dict[str, float] = field(default_factory=dict)

    @property
    def original_hw(self) -> tuple[int, int]:
        """Height and width of the image, in pixels."""
        return self.strips.size_hw

    @property
    def windows(self) -> NDArray[np.int64]:
        """``(N, 4)`` of :func:`anomdet.tiles.limited_plan`."""
        return limited_plan(self.original_hw, self.tiling)

    def run(self, backend: Backend, *, most: int, floor: float) -> tuple[TilesInStrips, list[tuple[Detections, float]]]:
        """What a backend finds on each tile, and the seconds that it took; and with it this image, as it is now known.

        Args:
            backend: the network.
            most: tiles at once.
            floor: the least score of a row.

        Raises:
            UserError: the file is damaged.
        """
        self.strips.rewind()  # the memory may have been too small for so many tiles, in the middle of the image
        found: list[tuple[Detections, float]] = []
        times = {"read": 0.0, "prepare": 0.0}
        for tiles in self._rows_of_tiles(times):
            multiple = self.preprocessing.pad_multiple
            found += run_views(backend, tiles, multiple, most=most, floor=floor, views=self.views)
        notes = (self.strips.note_to_judge,) if self.strips.note_to_judge else ()
        return replace(self, warnings=(*self.warnings, *notes), times=times), found

    def _rows_of_tiles(self, times: dict[str, float]) -> Iterator[list[Prepared]]:
        for (top, bottom), row in groupby(self.windows.tolist(), key=lambda window: (window[1], window[3])):
            start = time.perf_counter()
            pixels = self.strips.rows(top, bottom)
            read = time.perf_counter()
            cut = [pixels[:, left:right] for left, _, right, _ in row]
            tiles = [fitted(tile, self.preprocessing, self.views) for tile in cut]
            times["read"] += read - start
            times["prepare"] += time.perf_counter() - read
            yield tiles
