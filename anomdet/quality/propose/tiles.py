"""Whether large images are cut into tiles, and into which: from the sizes of the boxes alone."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anomdet.quality.propose.choices import Choice
from anomdet.tiles import Tiling, num_tiles

SMALL_PX = 8.0  # a box whose shorter side is below so many pixels of what the network sees is hardly found
SMALL_SHARE = 0.1  # of the boxes may be smaller
# What a tile shows them with, where the image has so many; below how many px in the largest whole image few objects are
# found better in tiles: docs/recipes.md, "Small images, and large ones".
TILE_PX, UNCLEAR_PX = 12.0, 14.0
LARGE_IMAGE = 0.85  # scale, up to which that holds: images of 1.2 times the side and more were measured
TOO_LARGE = 4.0  # times the pixels: from there on tiles are cheaper than a larger image
STEP = 32  # the coarsest grid of most detectors
OVERLAP, MOST_OVERLAP = 0.2, 0.5  # shares of a tile
SIDE_QUANTILE = 0.95  # of the boxes' longer sides fit into the overlap, so that they are whole in some tile


def size_for_small(size_hw: tuple[int, int], tenth_px: float, small_px: float = SMALL_PX) -> tuple[int, int]:
    """The smallest size, in steps of 32 px, at which at least 90 % of the boxes reach ``small_px``.

    Args:
        size_hw: the size that ``tenth_px`` holds for.
        tenth_px: what 90 % of the boxes reach with their shorter side.
        small_px: what they are to reach.
    """
    height, width = (math.ceil(side * small_px / tenth_px / STEP) * STEP for side in size_hw)
    return height, width


def choose_tiles(
    sizes_hw: NDArray[np.integer],
    bboxes_wh: NDArray[np.floating],
    image_at: NDArray[np.integer],
    size_hw: tuple[int, int],
    too_large: float = TOO_LARGE,
    input_hw: tuple[int, int] | None = None,
    least_px: float = SMALL_PX,
) -> Choice:
    """``data.tiles`` as a mapping, or None, with the reason.

    Boxes of 8 px and more can be found without. Then there are tiles only of images that are larger, for objects that
    are few and fit into them: a run sees mostly the tiles with objects, and so more of them in the same time.

    Args:
        sizes_hw: ``(N, 2)`` of the images.
        bboxes_wh: ``(M, 2)`` of the boxes, in pixels of their images.
        image_at: ``(M,)`` the image of each box.
        size_hw: what the network sees of a whole image.
        too_large: times the pixels of ``size_hw``, from which on tiles are taken in place of a larger size.
        input_hw: what the network sees of a tile; None: as of an image.
        least_px: tiles, if more boxes than a tenth have a shorter side below it.
    """
    factors = np.minimum(size_hw[0] / sizes_hw[:, 0], size_hw[1] / sizes_hw[:, 1])
    seen_px = bboxes_wh.min(axis=1) * factors[image_at]
    small = int((seen_px < least_px).sum())
    shown = f"{small:,} of {len(seen_px):,} boxes have a side below {least_px:g} px at {size_hw[1]} x {size_hw[0]}"
    if small <= SMALL_SHARE * len(seen_px):
        return Choice(None, f"no tiles: {shown}")
    tenth_px = float(np.sort(seen_px)[len(seen_px) // 10])
    larger = size_for_small(size_hw, max(tenth_px, 1e-3), least_px)
    times = math.prod(larger) / math.prod(size_hw)
    if times <= too_large:
        return Choice(None, f"no tiles: {shown}; data.image_size of {larger[1]} x {larger[0]} px is cheaper")
    image_hw = tuple(int(side) for side in np.median(sizes_hw, axis=0))
    tile_hw, zoom = _native_tile(input_hw or size_hw, bboxes_wh, image_hw)  # type: ignore[arg-type]
    tile_px = float(np.quantile(bboxes_wh.min(axis=1), SMALL_SHARE)) / zoom
    are_specks = float(np.quantile(np.sqrt(bboxes_wh.prod(axis=1)), SMALL_SHARE)) / zoom < SMALL_PX / 2
    if are_specks or all(tile >= side for tile, side in zip(tile_hw, image_hw, strict=True)):
        return Choice(None, f"no tiles: {shown}, and no tile shows them with more: they are specks", warning=True)
    value = {"size": list(tile_hw), **_overlap(tile_hw, bboxes_wh)}
    count = tiles_an_image(sizes_hw, tiling_of(value))
    are_found = (seen_px < SMALL_PX).sum() <= SMALL_SHARE * len(seen_px)
    if are_found and (why := _why_whole(factors, bboxes_wh, tile_hw, count)):
        return Choice(None, f"no tiles: {shown}, but {why}")
    height, width = input_hw or size_hw
    cost = f"an image of {image_hw[1]} x {image_hw[0]} is about {count} tiles, and costs as much as {count} images of "
    cost += f"{width} x {height}"
    shows = f"tiles of {tile_hw[1]} x {tile_hw[0]} px show nine of ten with {tile_px:.0f} px"
    shows += ", and few objects in large images are learned faster so" if are_found else ""
    return Choice(value, f"{shown}; {shows}; {cost}")


def _why_whole(
    factors: NDArray[np.floating], bboxes_wh: NDArray[np.floating], tile_hw: tuple[int, int], count: int
) -> str:
    """Why objects that can be found in whole images are no reason for tiles; empty: they are.

    Args:
        factors: ``(N,)`` scale at which each whole image is seen.
        bboxes_wh: ``(M, 2)`` of the boxes.
        tile_hw: of a tile.
        count: tiles of a usual image.
    """
    if float(np.median(factors)) > LARGE_IMAGE:
        return "images are little larger"
    if float(np.quantile(bboxes_wh.max(axis=1), SIDE_QUANTILE)) > MOST_OVERLAP * min(tile_hw):
        return "objects are large"
    return "objects are in most tiles" if len(bboxes_wh) > count * len(factors) else ""


def tiling_of(value: Mapping[str, Any]) -> Tiling:
    """Of ``data.tiles`` as it is chosen here, in pixels; one number for a square."""
    size, overlap = value["size"], value["overlap"]
    height, width = (size, size) if isinstance(size, int) else size
    return Tiling((height, width), (overlap, overlap), value.get("include_whole", False))


def tiles_an_image(sizes_hw: NDArray[np.integer], tiling: Tiling) -> int:
    """Of a usual one of the images ``(N, 2)``."""
    height, width = (int(side) for side in np.median(sizes_hw, axis=0))
    return num_tiles((height, width), tiling)


def _native_tile(
    size_hw: tuple[int, int], bboxes_wh: NDArray[np.floating], image_hw: tuple[int, int]
) -> tuple[tuple[int, int], float]:
    """The largest tile that shows nine boxes of ten with 12 px, and how many pixels of it are one for the network.

    Never enlarged: that adds no detail, and twice the scale costs four times the steps.
    """
    zoom = _zoom(bboxes_wh)
    height, width = (
        min(max(int(side * zoom / STEP) * STEP, STEP), own) for side, own in zip(size_hw, image_hw, strict=True)
    )
    return (height, width), zoom


def _zoom(bboxes_wh: NDArray[np.floating]) -> float:
    return max(float(np.quantile(bboxes_wh.min(axis=1), SMALL_SHARE)) / TILE_PX, 1.0)


def input_for_tiles(
    sizes_hw: NDArray[np.integer],
    bboxes_wh: NDArray[np.floating],
    smallest_px: int,
    largest_px: int,
    limit_px: int | None = None,
) -> tuple[int, int]:
    """What the network sees of a tile: the smallest square of which a fifth, the overlap, holds 19 boxes of 20.

    Many small tiles teach more in the same time than a few large ones, and a defect needs no more around it than that.
    Where the images are less high (or wide) than the square, the tile is so much wider.

    Args:
        sizes_hw: ``(N, 2)`` of the images.
        bboxes_wh: ``(M, 2)`` of the boxes, in pixels of their images.
        smallest_px, largest_px: the side of the square.
        limit_px: by the time; half of a larger one still holds the boxes: in smaller tiles they would be cut.
    """
    zoom = _zoom(bboxes_wh)
    seen_px = float(np.quantile(bboxes_wh.max(axis=1), SIDE_QUANTILE)) / zoom
    wanted, least = (max(math.ceil(seen_px / share / STEP) * STEP, smallest_px) for share in (OVERLAP, MOST_OVERLAP))
    side = min(wanted, max(least, wanted if limit_px is None else limit_px), largest_px)
    height, width = (math.ceil(own / zoom / STEP) * STEP for own in np.median(sizes_hw, axis=0))
    if height < side:
        return height, min(math.ceil(side**2 / height / STEP) * STEP, width)
    return (min(math.ceil(side**2 / width / STEP) * STEP, height), width) if width < side else (side, side)


def _overlap(tile_hw: tuple[int, int], bboxes_wh: NDArray[np.floating]) -> dict[str, Any]:
    """Enough for 19 of 20 boxes, half a tile at most; and the whole image where one does not fit into a tile."""
    sides = bboxes_wh.max(axis=1)
    least = math.ceil(max(OVERLAP * min(tile_hw), float(np.quantile(sides, SIDE_QUANTILE))))
    too_large = bool((bboxes_wh > np.array(tile_hw[::-1])).any())
    return {"overlap": min(least, int(MOST_OVERLAP * min(tile_hw))), "include_whole": too_large}
