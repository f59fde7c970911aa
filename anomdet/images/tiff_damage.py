"""Whether the compressed strips or tiles of a TIFF unpack: OpenCV shows what a failed one left behind as its pixels.

Deflate is unpacked by zlib, which also knows its checksum; LZW, PackBits and CCITT by Pillow, which reports a failure.
"""

from __future__ import annotations

import io
import zlib

import numpy as np
from numpy.typing import NDArray

from anomdet.images import tiff
from anomdet.images.header import BadImageError
from anomdet.images.tiff import Layout

_DEFLATE = (8, 32946)
_BY_PILLOW = (2, 3, 4, 5, 32773)
_MIRRORED = np.packbits(np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1)[:, ::-1], axis=1)[:, 0]
_FOUND_WHOLE: set[tuple[int, int]] = set()
_MAX_REMEMBERED = 2**16
_MAX_RATIO = 3  # bytes of pixels to those that belong there; writers pad the last strip


def check_unpacks(data: NDArray[np.uint8], layout: Layout) -> None:
    """Unpack all strips or tiles, once for each file in a process.

    Raises:
        BadImageError: one of them is damaged.
    """
    compression = layout.directory.first(tiff.COMPRESSION, 1)
    if compression not in _DEFLATE and compression not in _BY_PILLOW:
        return
    key = len(data), zlib.crc32(data.data)
    if key in _FOUND_WHOLE:
        return
    if compression in _DEFLATE:
        _inflate(data, layout)
    else:
        _load(data)
    if len(_FOUND_WHOLE) < _MAX_REMEMBERED:
        _FOUND_WHOLE.add(key)


def _inflate(data: NDArray[np.uint8], layout: Layout) -> None:
    directory = layout.directory
    _, down, num, row_bytes = tiff.pieces_of(layout)
    offsets = directory.values[tiff.TILES if layout.is_tiled else tiff.STRIPS][:num]
    lengths = directory.values[tiff.TILE_BYTES if layout.is_tiled else tiff.STRIP_BYTES][:num]
    per_plane = num if layout.is_tiled else tiff.strips_of_plane(layout)
    for number, (at, length) in enumerate(zip(offsets, lengths, strict=True)):
        is_last = not layout.is_tiled and number % per_plane == per_plane - 1
        num_rows = layout.height - down * (per_plane - 1) if is_last else down
        packed = data[at : at + length]
        packed = _MIRRORED[packed] if directory.first(tiff.FILL_ORDER, 1) == 2 else packed
        unpacker, expected = zlib.decompressobj(), row_bytes * num_rows
        try:
            num_bytes = len(unpacker.decompress(packed.tobytes(), _MAX_RATIO * row_bytes * down))
        except zlib.error as error:
            said = str(error).rpartition(": ")[2]
            raise BadImageError(f"a damaged TIFF ({said} in strip or tile {number + 1} of {num})") from None
        is_subsampled = directory.first(tiff.PHOTOMETRIC, 0) == tiff.YCBCR
        has_no_end = not unpacker.eof and num_bytes > row_bytes * down
        if has_no_end or (num_bytes < expected and not is_subsampled):
            got = f"{num_bytes:,} bytes of pixels{' without an end' * has_no_end} of {expected:,}"
            raise BadImageError(f"a damaged TIFF ({got} in strip or tile {number + 1} of {num})")


def _load(data: NDArray[np.uint8]) -> None:
    from PIL import UnidentifiedImageError
    from PIL.TiffImagePlugin import TiffImageFile  # few images need it

    try:
        image = TiffImageFile(io.BytesIO(data.tobytes()))
    except (OSError, SyntaxError, ValueError, KeyError, UnidentifiedImageError):  # not for Pillow: nothing is known
        return
    try:
        image.load()
    except OSError as error:
        raise BadImageError(f"a damaged TIFF ({error})") from None
    finally:
        image.close()
