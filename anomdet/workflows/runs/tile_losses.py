"""What tiles lose, or do not do, said before a run: objects that no tile keeps, images that are one tile."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from anomdet.data.contracts import HasTiles
from anomdet.errors import Problem, UserError
from anomdet.tiles import Tiling, most_tiles, num_tiles
from anomdet.words import counted

if TYPE_CHECKING:
    from anomdet.data.index.columns import Columns
    from anomdet.data.tiles.index import TileIndex

_MOST_NAMED = 3


@dataclass(frozen=True)
class LostObjects:
    """Objects of which every tile shows too little.

    Args:
        rows: ``(K,)`` of the columns' boxes.
        num_objects: in all images of the tiles.
        images: names of those that have such objects.
    """

    rows: NDArray[np.int64]
    num_objects: int
    images: list[str]

    @classmethod
    def of(cls, tiles: TileIndex) -> LostObjects:
        """Of some images."""
        columns, rows = tiles.columns, tiles.objects_in_no_tile()
        images = np.unique(np.searchsorted(columns.box_starts, rows, side="right") - 1)
        num_objects = int((columns.box_starts[tiles.rows.astype(np.int64) + 1] - columns.box_starts[tiles.rows]).sum())
        return cls(rows, num_objects, [columns.file_name(at) for at in images.tolist()])

    def sentence(self, min_visible: float) -> str:
        """For the log; empty where there are none.

        >>> LostObjects(np.array([4]), 9, ["a.png"]).sentence(0.3)
        '1 of 9 objects is kept in no tile, since each tile shows less than 0.3 of its area (a.png)'
        """
        if not len(self.rows):
            return ""
        more = len(self.images) - _MOST_NAMED
        named = ", ".join(self.images[:_MOST_NAMED]) + (f" and {counted(more, 'more image')}" if more > 0 else "")
        count = f"{len(self.rows):,} of {counted(self.num_objects, 'object')} {'is' if len(self.rows) == 1 else 'are'}"
        return f"{count} kept in no tile, since each tile shows less than {min_visible:g} of its area ({named})"


def look_at_tiles(runner: Any) -> list[str]:
    """Warnings on the tiles of a run, before it starts.

    Raises:
        UserError: no tile of the training split keeps an object of a class that is in it.
    """
    dataset = runner.train_dataloader.dataset
    tiles = dataset.tile_index if isinstance(dataset, HasTiles) else None
    if tiles is None:
        return []
    lost, tiling, min_visible = LostObjects.of(tiles), tiles.rule.tiling, tiles.rule.min_visible
    larger = "a larger data.tiles.size or more data.tiles.overlap"
    hint = f"set {larger}" if tiling.include_whole else f"set data.tiles.include_whole=true, or {larger}"
    problems = [
        Problem(
            "data.tiles",
            f"an object of class {name} in some tile of the training split",
            f"none of its {counted(count, 'object')}: each tile shows less than {min_visible:g} of each",
            hint,
        )
        for name, count in _gone(dataset, tiles, lost)
    ]
    if problems:
        raise UserError(problems)
    notes = []
    if sentence := lost.sentence(min_visible):
        notes.append(f"data.tiles: {sentence}: the detector does not learn them; {hint}")
    if len(tiles) == len(tiles.rows):
        size = f"{tiling.size_hw[1]:,} x {tiling.size_hw[0]:,} px"
        change = "set a smaller data.tiles.size, or data.tiles=null"
        notes.append(
            f"data.tiles: each training image is one tile, as none is larger than {size}: tiles do nothing; {change}"
        )
    return notes


def _gone(dataset: Any, tiles: TileIndex, lost: LostObjects) -> list[tuple[str, int]]:
    """Names of the classes of which no object is in a tile, and how many they have."""
    nums, names = dataset.index.class_nums, dataset.metainfo["classes"]
    present = tiles.columns.class_totals(tiles.rows, nums)
    at = np.searchsorted(nums, tiles.columns.class_nums[lost.rows])
    is_gone = (present > 0) & (np.bincount(at, minlength=len(nums)) == present)
    return [(names[label], int(present[label])) for label in np.flatnonzero(is_gone).tolist()]


def check_num_tiles(columns: Columns, tiling: Tiling) -> None:
    """Refuse a plan of absurdly many tiles.

    Raises:
        UserError: an image would have more than :func:`anomdet.tiles.most_tiles`.
    """
    sizes = np.unique(columns.sizes_hw, axis=0).tolist()
    counts = {(height, width): num_tiles((height, width), tiling) for height, width in sizes}
    (height, width), count = max(counts.items(), key=lambda item: item[1] / most_tiles(item[0], tiling))
    most = most_tiles((height, width), tiling)
    if count > most:
        at = int(np.flatnonzero((columns.sizes_hw == (height, width)).all(axis=1))[0])
        image = f"{columns.file_name(at)} ({width:,} x {height:,} px)"
        got = f"{count:,} tiles of {image}: size {tiling.text}"
        hint = "set less overlap or a larger size; an overlap of half a tile always passes"
        raise UserError(Problem("data.tiles.overlap", f"at most {most:,} tiles of this image", got, hint))
