"""How a large image is cut into tiles: the one plan that training, evaluation and every detector follow."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from anomdet.errors import Problem, UserError
from anomdet.fields import WrongValueError, checked, flag, integer, several

if TYPE_CHECKING:  # what a checkpoint says of its tiles is read without numpy
    import numpy as np
    from numpy.typing import NDArray

MAX_TILES = 10_000  # of an image, unless it is larger than a quarter as many tiles without overlap
MAX_OVERLAP = 0.9  # as a share
GROUPS = r"^(.*)_x\d+_y\d+"
"""``data.split.group_regex`` by which the tiles that ``anomdet tile`` wrote of an image stay in one split."""
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

    @property
    def text(self) -> str:
        """For messages, width first.

        >>> Tiling((480, 640), (96, 128)).text
        '640 x 480 px, overlap 128 x 96 px'
        """
        (height, width), (down, across) = self.size_hw, self.overlap_hw
        return f"{width:,} x {height:,} px, overlap {across:,} x {down:,} px"


def starts(length: int, tile: int, overlap: int) -> list[int]:
    """Where the tiles of one axis begin: as few as share ``overlap`` pixels at least, evenly spread over the length.

    >>> starts(1000, 400, 80), starts(300, 400, 80)
    ([0, 300, 600], [0])
    """
    count = _count(length, tile, overlap)
    return [at * (length - tile) // max(count - 1, 1) for at in range(count)]


def _count(length: int, tile: int, overlap: int) -> int:
    return 1 if length <= tile else -(-(length - overlap) // (tile - overlap))


def num_tiles(size_hw: tuple[int, int], tiling: Tiling) -> int:
    """How many windows :func:`plan` gives, without making any.

    >>> num_tiles((1200, 1600), Tiling((640, 640), (639, 639)))
    539121
    """
    sides = zip(size_hw, tiling.size_hw, tiling.overlap_hw, strict=True)
    count = math.prod(_count(length, tile, overlap) for length, tile, overlap in sides)
    return count + (tiling.include_whole and count > 1)


def most_tiles(size_hw: tuple[int, int], tiling: Tiling) -> int:
    """The most tiles that an image may have: 10,000, or 4 times those without overlap, so that one half always passes.

    >>> most_tiles((1200, 1600), Tiling((640, 640), (639, 639)))
    10000
    """
    return max(
        MAX_TILES, 4 * math.prod(-(-length // tile) for length, tile in zip(size_hw, tiling.size_hw, strict=True))
    )


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


def limited_plan(size_hw: tuple[int, int], tiling: Tiling) -> NDArray[np.int64]:
    """:func:`plan` for a detector, whose file may be a stranger's: its overlap could keep a machine busy for hours.

    Raises:
        UserError: the image would have more tiles than :func:`most_tiles`, which no training allows either.
    """
    count, most = num_tiles(size_hw, tiling), most_tiles(size_hw, tiling)
    if count > most:
        got = f"{count:,} tiles of an image of {size_hw[1]:,} x {size_hw[0]:,} px: size {tiling.text}"
        raise UserError(
            Problem("tiles of the detector", f"at most {most:,} of this image", got, "train with less overlap")
        )
    return plan(size_hw, tiling)


def cost_of_share(share: float, side: int) -> str:
    """For the message on an overlap that is too large; empty where it is pixels.

    >>> cost_of_share(0.95, 640), cost_of_share(640, 640)
    ('an area of 10 x 10 tiles would be cut into 32,761', '')
    """
    if share >= 1:
        return ""
    overlap = min(round(side * share), side - 1)
    count = num_tiles((10 * side, 10 * side), Tiling((side, side), (overlap, overlap)))
    return f"an area of 10 x 10 tiles would be cut into {count:,}"
