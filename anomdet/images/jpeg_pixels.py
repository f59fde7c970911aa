"""Whether the pixels of a JPEG with one scan fill its image exactly: damage inside of them moves all that follow.

A decoder reads such a file to its end and fills in what it did not find: grey, or the last colour, on which no defect
is found. libjpeg prints "premature end" or "extraneous bytes" then, and nobody else hears of it. Here the pixels are
fed to Pillow's decoder piece by piece, at an eighth of their size: it must not have all rows before the last byte is
fed, and must have them afterwards. What stands behind the end marker (a second image, notes of a camera) is not looked
at, nor what stands before the pixels, as a thumbnail.
"""

from __future__ import annotations

import io
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from anomdet.images.header import BadImageError
from anomdet.images.jpeg import end_of_scan, one_scan
from anomdet.images.jpeg_end import check_end

if TYPE_CHECKING:
    from PIL.JpegImagePlugin import JpegImageFile

_SCALE = 8
_FEW_BYTES = 16  # cameras leave some behind the pixels
# Eight bytes are what a decoder reads ahead; of ones alone, which are no code, they make two blocks of pixels at most.
_SPARE = b"\xff\0" * 8
_MORE_PIXELS = bytes(range(1, 255))
_EARLY = "a truncated JPEG, or one damaged inside (its pixels end early, though the end marker is there)"


def check_jpeg(data: NDArray[np.uint8]) -> str:
    """Whether a JPEG that can be decoded has all its pixels, and no more; a note where a few bytes are left over.

    Of several scans, as in progressive files, only whether the last one is whole.

    Raises:
        BadImageError: it has not.
    """
    found = one_scan(lambda offset, size: data[offset : offset + size].tobytes())
    if found is None:
        check_end(data)
        return ""
    try:
        return _check_scan(data, *found)
    except BadImageError:
        raise
    except (OSError, SyntaxError, ValueError):  # not for Pillow; that says nothing of the pixels
        return ""


def _check_scan(data: NDArray[np.uint8], start: int, num_restarts: int) -> str:
    """What a baseline JPEG of one scan says of its own pixels.

    Args:
        data: of the file.
        start: of the scan's data, behind its header.
        num_restarts: restart markers that it should have.

    Returns:
        A note for the user where a few bytes are left over, which is usual for some cameras; else empty.

    Raises:
        BadImageError: pixels are missing, or too many are left over.
    """
    marker, marks = end_of_scan(data, start)
    end = _without_fill(data, start, marker)
    whole = data.tobytes()
    if len(marks) not in (num_restarts, num_restarts + (num_restarts > 0)):  # some write one more at the end
        got = f"{len(marks):,} restart markers in its pixels, where it says {num_restarts:,}"
        raise BadImageError(f"a truncated JPEG, or one damaged inside ({got})")
    if num_restarts:
        _check_intervals(whole, marks, end)
        return ""
    num_fed, is_done = _feed(whole, (max(start, end - _FEW_BYTES - 1), end - 1), end)
    if not is_done:
        raise BadImageError(_EARLY)
    if num_fed == 0 and len(set(whole[end - _FEW_BYTES : end])) > 1:  # one value: filled up
        raise BadImageError("a damaged JPEG (bytes are left over behind its last pixels)")
    if num_fed < 2:
        return "bytes of the JPEG are left over behind its last pixels: it may be damaged"
    return ""


def _without_fill(data: NDArray[np.uint8], start: int, end: int) -> int:
    """The end of a scan's data, before what it is filled up with."""
    is_fill = data[start + 1 : end][::-1] == 0xFF
    return end - (len(is_fill) if is_fill.all() else int(np.argmin(is_fill)))


def _feed(whole: bytes, stops: tuple[int, ...], end: int) -> tuple[int, bool]:
    """After how many of the stops a decoder has all rows, and whether it has them at the end, with spare bytes."""
    from PIL import Image

    with _opened(whole) as image:
        (codec, extents, _, arguments), mode, size = image.tile[0], image.mode, image.size
        pixels = Image.new(mode, size).im
        decoder = Image._getdecoder(mode, codec, arguments, image.decoderconfig)
        decoder.setimage(pixels, extents)
    waiting, fed = b"", 0
    for number, stop in enumerate((*stops, end)):
        waiting += whole[fed:stop] + (_SPARE if stop == end else b"")
        fed = stop
        num_read, error = decoder.decode(waiting)
        if error:
            raise BadImageError("a damaged JPEG (its pixels cannot be read)")
        if num_read < 0:
            return number, True
        waiting = waiting[num_read:]
    return len(stops), False


def _check_intervals(whole: bytes, marks: NDArray[np.int64], end: int) -> None:
    """Each interval has its own end: spare bytes there are read where pixels are missing, and nowhere else."""
    numbers = [whole[at + 1] & 7 for at in marks.tolist()]
    if numbers != [at & 7 for at in range(len(numbers))]:
        raise BadImageError("a damaged JPEG (a restart marker is missing inside its pixels)")
    ends = [0, *marks.tolist(), end]
    pieces = [whole[a:b] for a, b in pairwise(ends)]
    more = _MORE_PIXELS.join(pieces) + _MORE_PIXELS + whole[end:]
    if not np.array_equal(_small(whole), _small(more)):
        raise BadImageError(_EARLY)


def _small(data: bytes) -> NDArray[np.uint8]:
    with _opened(data) as image:
        try:
            return np.asarray(image)
        except (OSError, SyntaxError, ValueError):
            raise BadImageError(_EARLY) from None


def _opened(data: bytes) -> JpegImageFile:
    """At an eighth of its size, where only the means of blocks are worked out."""
    from PIL.JpegImagePlugin import JpegImageFile  # a twentieth of a start

    image = JpegImageFile(io.BytesIO(data))
    image.draft("L", (max(image.width // _SCALE, 1), max(image.height // _SCALE, 1)))
    image.decodermaxblock = len(data)  # see jpeg_end
    return image
