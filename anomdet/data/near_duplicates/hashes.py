"""Perceptual hashes of image files: 256 bits, nearly the same for an image saved again, brightened or retouched.

``phash`` of the library ImageHash with ``hash_size=16``: the signs of the 16 x 16 lowest frequencies of the cosine
transform of an image of 64 x 64 pixels. JPEG files are decoded at an eighth, a quarter or half of their size.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import imagehash
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from anomdet.data.near_duplicates.residual import NUM_CELLS, cells_of
from anomdet.defaults import BIT_DEPTHS
from anomdet.images.decode import decode_image, imdecode, largest_value
from anomdet.images.headers import BadImageError, read_header

HASH_SIZE = 16
HASH_BYTES = HASH_SIZE * HASH_SIZE // 8
HASHED, BLANK, UNREADABLE = 0, 1, 2
_SIDE_PX = 64
_BLANK_STD = 1.0  # grey levels; there is nothing to compare in such a picture
_CHUNK = 2048
_REDUCED = {
    8: cv2.IMREAD_REDUCED_GRAYSCALE_8,
    4: cv2.IMREAD_REDUCED_GRAYSCALE_4,
    2: cv2.IMREAD_REDUCED_GRAYSCALE_2,
}


@dataclass(frozen=True)
class Hashes:
    """Of ``N`` images.

    Args:
        bits: ``(N, 32)`` uint8, the 64 bits of the lowest frequencies first; zero where there is no hash.
        states: ``(N,)`` uint8: HASHED, BLANK (nearly one grey) or UNREADABLE.
        cells: ``(N, 256)`` float16, of which images that all look alike are hashed; zero where there is no hash.
    """

    bits: NDArray[np.uint8]
    states: NDArray[np.uint8]
    cells: NDArray[np.float16]

    def of_rows(self, rows: NDArray[np.int64]) -> Hashes:
        return Hashes(self.bits[rows], self.states[rows], self.cells[rows])


def no_hashes(num: int) -> Hashes:
    """Of ``num`` images that are not hashed yet."""
    bits, cells = np.zeros((num, HASH_BYTES), np.uint8), np.zeros((num, NUM_CELLS), np.float16)
    return Hashes(bits, np.zeros(num, np.uint8), cells)


def hash_files(folder: Path, names: Sequence[str]) -> Hashes:
    """Hashes of image files, in several threads.

    Args:
        folder: that the names are relative to.
        names: of the files.
    """
    hashes = no_hashes(len(names))
    paths = [f"{folder}/{name}" for name in names]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(0, len(paths), _CHUNK):
            for at, (state, found) in enumerate(pool.map(_hash_file, paths[start : start + _CHUNK]), start):
                hashes.states[at] = state
                if found is not None:
                    hashes.bits[at], hashes.cells[at] = found
    return hashes


def _hash_file(path: str) -> tuple[int, tuple[NDArray[np.uint8], NDArray[np.float16]] | None]:
    thumbnail = read_thumbnail(path, _SIDE_PX)
    if thumbnail is None:
        return UNREADABLE, None
    if float(thumbnail.std()) < _BLANK_STD:
        return BLANK, None
    return HASHED, (hash_thumbnail(thumbnail), cells_of(thumbnail))


def hash_thumbnail(thumbnail: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The ``(32,)`` bytes of a grey ``(64, 64)`` image."""
    found = imagehash.phash(Image.fromarray(thumbnail), hash_size=HASH_SIZE)
    return np.packbits(found.hash.ravel()[_low_first()])


@cache
def _low_first() -> NDArray[np.int64]:
    """Bits in an order that has the 8 x 8 lowest frequencies first."""
    rows, columns = np.divmod(np.arange(HASH_SIZE * HASH_SIZE), HASH_SIZE)
    return np.argsort(np.maximum(rows, columns) >= HASH_SIZE // 2, kind="stable")


def _all_grey_levels(data: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """An image scaled by the bits that it uses itself: what it shows counts here, not how bright it is."""
    largest = largest_value(data, max_megapixels=None)
    bit_depth = next(bits for bits in BIT_DEPTHS if not largest >> bits)
    return decode_image(data, max_megapixels=None, bit_depth=bit_depth)


def read_thumbnail(path: str | Path, side_px: int) -> NDArray[np.uint8] | None:
    """An upright grey image, ``(side_px, side_px)`` whatever the image's shape; None if it cannot be read."""
    try:
        data = np.fromfile(os.fspath(path), dtype=np.uint8)
        header = read_header(lambda offset, size: data[offset : offset + size].tobytes(), len(data))
        flags = cv2.IMREAD_GRAYSCALE
        if header.kind == "jpeg":
            short = min(header.height, header.width)
            flags = next((flag for scale, flag in _REDUCED.items() if short >= scale * side_px), flags)
        if header.kind == "tiff" or header.bit_depth > 8:  # OpenCV alone reads some wrong, and 12 bits of 16 as black
            pixels = cv2.cvtColor(_all_grey_levels(data), cv2.COLOR_BGR2GRAY)
        else:
            pixels = imdecode(data, header.kind, flags)
    except (OSError, BadImageError, cv2.error):
        return None
    if pixels is None:
        return None
    result: NDArray[np.uint8] | None = cv2.resize(pixels, (side_px, side_px), interpolation=cv2.INTER_AREA)
    return result
