"""Whether the pixels of a JPEG with an end marker are all there: what is missing, decoders fill in without an error.

More pixels are put before the end marker. In a whole file nothing reads them; a cut one takes them for its own, and its
pixels change. Both are decoded by Pillow: unlike OpenCV it does not print that a file with such pixels is corrupt.
"""

from __future__ import annotations

import io
import zlib

import numpy as np
from numpy.typing import NDArray

from anomdet.images.header import BadImageError
from anomdet.images.jpeg import scan_headers

_BLANK_ROWS = 8
_SOME_PIXELS = bytes(range(1, 255))
_MORE_PIXELS = _SOME_PIXELS * 8 + b"".join(b"\xff" + bytes([0xD0 + at % 8]) + _SOME_PIXELS for at in range(16))
_FOUND_WHOLE: set[tuple[int, int]] = set()
_MAX_REMEMBERED = 2**16


def ends_blank(pixels: NDArray[np.uint8]) -> bool:
    """Whether the last rows are of one colour: so a decoder fills in what is missing, and so are some whole images."""
    last = pixels[-1, -1]
    return bool((pixels[-1, 0] == last).all() and (pixels[-_BLANK_ROWS:] == last).all())


def check_end(data: NDArray[np.uint8]) -> None:
    """Whether a JPEG has all its pixels; a :class:`BadImageError` if not."""
    if not is_whole(data):
        raise BadImageError("a truncated JPEG (its pixels end early, though the end marker is there)")


def is_whole(data: NDArray[np.uint8]) -> bool:
    """Whether a JPEG file that can be decoded has all its pixels; each file is looked at once in a process."""
    whole = data.tobytes()
    key = len(whole), zlib.crc32(whole)
    if key in _FOUND_WHOLE:
        return True
    headers, end = scan_headers(data)
    from PIL.JpegImagePlugin import JpegImageFile  # few images need it, and it is a twentieth of a start

    try:
        with JpegImageFile(io.BytesIO(whole)) as image:
            scale, num_layers = (1, len(image.layer)) if "progressive" in image.info else (8, 0)
        if num_layers and not _has_all_scans(headers, num_layers):
            return False
        more = whole[:end] + _MORE_PIXELS + whole[end:]
        is_same = np.array_equal(_decode(whole, scale), _decode(more, scale))
    except (OSError, SyntaxError, ValueError):  # not for Pillow; that says nothing of the end
        return True
    if is_same and len(_FOUND_WHOLE) < _MAX_REMEMBERED:
        _FOUND_WHOLE.add(key)
    return is_same


def _decode(data: bytes, scale: int) -> NDArray[np.uint8]:
    """Grey pixels, at a part of the size where that takes the whole file too, unlike in a progressive one."""
    from PIL.JpegImagePlugin import JpegImageFile

    with JpegImageFile(io.BytesIO(data)) as image:
        image.draft("L", (max(image.width // scale, 1), max(image.height // scale, 1)))
        image.decodermaxblock = len(data)  # in pieces, each piece of a run of fill bytes is read again with all before
        return np.asarray(image)


def _has_all_scans(headers: list[bytes], num_components: int) -> bool:
    """Whether the scans of a progressive JPEG give each of its components all 64 frequencies in full (T.81, G.1.1)."""
    missing: set[tuple[int, int]] = set()
    seen: set[int] = set()
    for scan in headers:
        num = scan[0] if scan else 0
        if 1 <= num <= 4 and len(scan) == 2 * num + 4:
            first, last, bits = scan[-3:]
            for component in scan[1 : 2 * num : 2]:
                if component not in seen:
                    seen.add(component)
                    missing.update((component, frequency) for frequency in range(64))
                if bits & 15 == 0:
                    missing.difference_update((component, frequency) for frequency in range(first, last + 1))
    return len(seen) >= num_components and not missing
