"""From pixels to what a network takes: the same steps as the evaluation's pipeline, bit for bit, in numpy and OpenCV.

A backend gets uint8 BGR images of one padded size and the size of the valid part of each; normalisation is its own
first step, since every runtime does it faster than numpy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from anomdet.inference.artifact import Preprocessing
from anomdet.tiles import Tiling, limited_plan
from anomdet.views import View, Views

_THIN_PX = 16
_INTERPOLATIONS = {
    "nearest": cv2.INTER_NEAREST,
    "bilinear": cv2.INTER_LINEAR,
    "bicubic": cv2.INTER_CUBIC,
    "area": cv2.INTER_AREA,
}


@dataclass(frozen=True, eq=False)
class Prepared:
    """One image as large as the network sees it, not padded yet.

    Args:
        pixels: ``(h, w, 3)`` uint8 BGR.
        original_hw: height and width of the image itself, in pixels.
        name: path or name; None: an array without one.
        warnings: what the user should know of this image.
        times: seconds of ``read`` and ``prepare``.
        square: the image as the normal-only score sees it; None: there is no such score.
        scaled: the image in the further scales of a test-time augmentation.
    """

    pixels: NDArray[np.uint8]
    original_hw: tuple[int, int]
    name: str | None = None
    warnings: tuple[str, ...] = ()
    times: dict[str, float] = field(default_factory=dict)
    square: NDArray[np.uint8] | None = None
    scaled: tuple[NDArray[np.uint8], ...] = ()

    @property
    def size_hw(self) -> tuple[int, int]:
        """Height and width as the network sees the image."""
        return int(self.pixels.shape[0]), int(self.pixels.shape[1])


@dataclass(frozen=True, eq=False)
class PreparedTiles:
    """One image, cut into tiles that are each as large as the network sees them.

    Args:
        tiles: one for each window.
        windows: ``(N, 4)`` of :func:`anomdet.tiles.limited_plan`.
        original_hw, name, warnings, times, square: as of :class:`Prepared`, of the image.
    """

    tiles: tuple[Prepared, ...]
    windows: NDArray[np.int64]
    original_hw: tuple[int, int]
    name: str | None = None
    warnings: tuple[str, ...] = ()
    times: dict[str, float] = field(default_factory=dict)
    square: NDArray[np.uint8] | None = None


def parts(prepared: Prepared | PreparedTiles) -> tuple[Prepared, ...]:
    """What the network sees of an image: itself, or its tiles."""
    return prepared.tiles if isinstance(prepared, PreparedTiles) else (prepared,)


def fitted(image: NDArray[np.uint8], preprocessing: Preprocessing, views: Views | None = None) -> Prepared:
    """An image ``(H, W, 3)`` resized for the network, in each scale of its views."""
    scaled = tuple(
        fit_inside(image, replace(preprocessing, size_hw=View(scale).size_hw(preprocessing.size_hw)))
        for scale in (views.scales if views else ())
    )
    size_hw = (int(image.shape[0]), int(image.shape[1]))
    prepared = Prepared(fit_inside(image, preprocessing), size_hw, scaled=scaled)
    return replace(prepared, warnings=_thinness(prepared))


def _thinness(prepared: Prepared) -> tuple[str, ...]:
    """A strip of 8,000 x 200 px becomes one of 224 x 6, on which no network finds anything."""
    (height, width), original = prepared.size_hw, prepared.original_hw
    if min(height, width) >= _THIN_PX or min(height, width) >= min(original):
        return ()
    seen = f"the network sees {width} x {height} px of {original[1]:,} x {original[0]:,}"
    return (f"{seen}, and no defect in so few: cut the image into pieces, or train with data.tiles",)


def cut_tiles(
    image: NDArray[np.uint8], preprocessing: Preprocessing, tiling: Tiling, views: Views | None = None
) -> PreparedTiles:
    """An image ``(H, W, 3)`` as its tiles, each resized for the network; one of that size already is not copied."""
    size_hw = (int(image.shape[0]), int(image.shape[1]))
    windows = limited_plan(size_hw, tiling)
    tiles = [image[top:bottom, left:right] for left, top, right, bottom in windows.tolist()]
    return PreparedTiles(tuple(fitted(tile, preprocessing, views) for tile in tiles), windows, size_hw)


@dataclass(frozen=True, eq=False)
class Batch:
    """What a backend takes. N images of one padded size.

    Args:
        images: ``(N, H, W, 3)`` uint8 BGR; 0 below and to the right of the valid part.
        sizes_hw: ``(N, 2)`` int64, of the valid part.
        original_hw: ``(N, 2)`` int64, of the images themselves.
    """

    images: NDArray[np.uint8]
    sizes_hw: NDArray[np.int64]
    original_hw: NDArray[np.int64]

    @property
    def scales_wh(self) -> NDArray[np.float64]:
        """``(N, 2)`` pixels of the network for one of the image, across and down: MMDetection's ``scale_factor``."""
        return self.sizes_hw[:, ::-1] / self.original_hw[:, ::-1]


def fitted_size(original_hw: tuple[int, int], size_hw: tuple[int, int]) -> tuple[int, int]:
    """Height and width of the largest image of the same shape that fits into ``size_hw``.

    >>> fitted_size((300, 600), (320, 320))
    (160, 320)
    """
    height, width = original_hw
    factor = min(size_hw[0] / height, size_hw[1] / width)
    return max(int(height * factor + 0.5), 1), max(int(width * factor + 0.5), 1)


def fit_inside(image: NDArray[np.uint8], preprocessing: Preprocessing) -> NDArray[np.uint8]:
    """An image ``(H, W, 3)`` resized for the network, its shape kept; an image of that size already is not copied."""
    height, width = fitted_size((image.shape[0], image.shape[1]), preprocessing.size_hw)
    if image.shape[:2] == (height, width):
        return image
    resized: NDArray[Any] = cv2.resize(
        image, (width, height), interpolation=_INTERPOLATIONS[preprocessing.interpolation]
    )
    return resized


def padded_size(size_hw: tuple[int, int], multiple: int) -> tuple[int, int]:
    """Each side rounded up to a multiple.

    >>> padded_size((160, 321), 32)
    (160, 352)
    """
    return -(-size_hw[0] // multiple) * multiple, -(-size_hw[1] // multiple) * multiple


def group_by_padded_size(prepared: Sequence[Prepared], multiple: int) -> list[list[int]]:
    """Positions of the images that share a padded size, in the order of the first of each group.

    A network's scores depend on how far an image is padded, so that only images of one padded size share a batch: what
    it finds on one does not depend on the others.
    """
    groups: dict[tuple[int, int], list[int]] = {}
    for at, image in enumerate(prepared):
        groups.setdefault(padded_size(image.size_hw, multiple), []).append(at)
    return list(groups.values())


def stack(prepared: Sequence[Prepared], multiple: int) -> Batch:
    """A batch of images of one padded size."""
    height, width = padded_size(prepared[0].size_hw, multiple)
    assert all(padded_size(image.size_hw, multiple) == (height, width) for image in prepared), "group them first"
    sizes_hw = np.array([image.size_hw for image in prepared], dtype=np.int64)
    original_hw = np.array([image.original_hw for image in prepared], dtype=np.int64)
    if len(prepared) == 1 and prepared[0].size_hw == (height, width):
        return Batch(np.ascontiguousarray(prepared[0].pixels)[None], sizes_hw, original_hw)
    make = np.empty if (sizes_hw == (height, width)).all() else np.zeros
    images = make((len(prepared), height, width, 3), dtype=np.uint8)
    for row, image in zip(images, prepared, strict=True):
        row[: image.size_hw[0], : image.size_hw[1]] = image.pixels
    return Batch(images, sizes_hw, original_hw)
