"""How a large image is cut into tiles: the one plan that training, evaluation and every detector follow."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from anomdet.fields import WrongValueError, checked, flag, integer, several

if TYPE_CHECKING:  # what a checkpoint says of its tiles is read without numpy
    import numpy as np
    from numpy.typing import NDArray

_MOST_PX = 2**16
_SIDES = f"two integers from 1 to {_MOST_PX}, height and width"


def _sides() -> dict[str, object]:
    return checked(_SIDES, several(partial(integer, least=1, most=_MOST_PX), least=2, most=2))


@dataclass(frozen=True)
class Tiling:
    """What a checkpoint and an exported network say of their tiles.

    Args:
        size_hw: of a tile, in pixels of the image.
        overlap_hw: what neighbours share at least, in pixels; an object that fits into it is whole in some tile.
        include_whole: the whole image is looked at too, for objects that are larger than a tile.
    """

    size_hw: tuple[int, int] = field(metadata=_sides())
    overlap_hw: tuple[int, int] = field(metadata=_sides())
    include_whole: bool = field(default=False, metadata=checked("true or false", flag))

    def __post_init__(self) -> None:
        if any(overlap >= side for overlap, side in zip(self.overlap_hw, self.size_hw, strict=True)):
            raise WrongValueError(f"less than the tile's sides {list(self.size_hw)}", self.overlap_hw, ".overlap_hw")


def starts(length: int, tile: int, overlap: int) -> list[int]:
    """Where the tiles of one axis begin: as few as share ``overlap`` pixels at least, evenly spread over the length.

    >>> starts(1000, 400, 80), starts(300, 400, 80)
    ([0, 300, 600], [0])
    """
    if length <= tile:
        return [0]
    count = -(-(length - overlap) // (tile - overlap))
    return [at * (length - tile) // (count - 1) for at in range(count)]


def plan(size_hw: tuple[int, int], tiling: Tiling) -> NDArray[np.int64]:
    """The windows of an image, row by row; the whole image comes last where it is looked at too.

    Args:
        size_hw: of the image, in pixels.
        tiling: an image that is no larger than a tile has one window, itself.

    Returns:
        ``(N, 4)`` x1, y1, x2, y2 in pixels of the image, all inside it.

    >>> plan((300, 700), Tiling((400, 400), (80, 80))).tolist()
    [[0, 0, 400, 300], [300, 0, 700, 300]]
    """
    import numpy as np

    height, width = size_hw
    tops = starts(height, tiling.size_hw[0], tiling.overlap_hw[0])
    lefts = starts(width, tiling.size_hw[1], tiling.overlap_hw[1])
    right, bottom = min(tiling.size_hw[1], width), min(tiling.size_hw[0], height)
    windows = [(left, top, left + right, top + bottom) for top in tops for left in lefts]
    if tiling.include_whole and len(windows) > 1:
        windows.append((0, 0, width, height))
    return np.array(windows, dtype=np.int64)
