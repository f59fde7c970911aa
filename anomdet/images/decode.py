"""Image files to pixels: always upright, 8 bit, three channels, BGR.

Decoded by OpenCV, chosen by measurement (benchmarks/decode.py, one core, libjpeg-turbo inside all of them). Images a
second in multiples of plain cv2, on DeepPCB's grey JPEGs of 640 px: this module 1.26, simplejpeg 1.07, PyTurboJPEG
1.01, torchvision 0.93; on colour JPEGs simplejpeg 1.13 (640 px) to 1.21 (4000 px), which is 0.2 ms of an image of 640
px; on PNGs cv2 and torchvision alike. All give the same pixels. The two fast ones read JPEGs only and leave EXIF to
others; PyTurboJPEG takes a truncated file for a whole one. OpenCV is installed anyway and reads all formats.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from anomdet.errors import Problem, UserError
from anomdet.images.decode_tiff import decode_tiff, layout_of
from anomdet.images.header import Read
from anomdet.images.headers import BadImageError, Header, read_header
from anomdet.images.jpeg import check_scans
from anomdet.images.jpeg_end import check_end, ends_blank
from anomdet.images.jpeg_pixels import check_jpeg
from anomdet.images.limits import MAX_IMAGE_MEGAPIXELS, check_size
from anomdet.images.png import check_chunks
from anomdet.images.tiff_damage import check_unpacks

_LOG = logging.getLogger("anomdet")
_LARGE_FILE_BYTES = 2**24
_TWELVE_BITS = 2**12 - 1
_WARNED_DEPTHS: set[int] = set()
_Decoded = TypeVar("_Decoded")


def read_image(
    path: str | Path, *, max_megapixels: float | None = MAX_IMAGE_MEGAPIXELS, bit_depth: int = 16
) -> NDArray[np.uint8]:
    """Pixels ``(H, W, 3)``, uint8 BGR, C-contiguous, writable.

    8 and 16 bit, grey and colour. 16 bit is scaled by the bits that are used, 12: by 255 / 4095, so that white becomes
    white; alpha is dropped; EXIF orientation is applied in every format that carries it, so that the pixels are those
    that a viewer shows.

    Args:
        path: the file.
        max_megapixels: the largest image to decode; None: any.
        bit_depth: bits that are used of 16, 8 to 16; larger values are clipped, and the log warns once.

    Raises:
        UserError: missing, unreadable, truncated, too large, or of a kind whose pixels would be read wrong.
    """
    pixels, note = read_noted(path, max_megapixels=max_megapixels, bit_depth=bit_depth)
    warn_once(str(path), note, bit_depth)
    return pixels


def warn_once(path: str, note: str, bit_depth: int) -> None:
    """Log what :func:`read_noted` says, once in a process: a run reads each image many times."""
    if note and bit_depth not in _WARNED_DEPTHS:
        _WARNED_DEPTHS.add(bit_depth)
        _LOG.warning("%s: %s; further images are not reported", path, note)


def read_noted(
    path: str | Path, *, max_megapixels: float | None = MAX_IMAGE_MEGAPIXELS, bit_depth: int = 16
) -> tuple[NDArray[np.uint8], str]:
    """As :func:`read_image`; what the user should know of it is returned, and not logged."""
    pixels, largest = _decoded_file(path, lambda data: _decode_image(data, max_megapixels, bit_depth))
    return pixels, clipping(largest, bit_depth)


def read_to_judge(
    path: str | Path, *, max_megapixels: float | None = MAX_IMAGE_MEGAPIXELS, bit_depth: int = 16
) -> tuple[NDArray[np.uint8], str]:
    """As :func:`read_noted`, of an image that no check has looked at: see :func:`decode_to_judge`."""
    return _decoded_file(path, lambda data: decode_to_judge(data, max_megapixels=max_megapixels, bit_depth=bit_depth))


def _decoded_file(path: str | Path, decode: Callable[[NDArray[np.uint8]], _Decoded]) -> _Decoded:
    try:
        data = bytes_of(os.fspath(path))
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        got = getattr(error, "strerror", None) or str(error)
        raise UserError(Problem(str(path) or "''", "a readable image", got)) from None
    try:
        return decode(data)
    except BadImageError as error:
        raise UserError(Problem(str(path), "a readable image", str(error))) from None


def clipping(largest: int | None, bit_depth: int) -> str:
    """What happens to values of an image of 16 bit that do not fit into the bits that are used; empty: they all do."""
    white = (1 << bit_depth) - 1
    if largest is None or largest <= white:
        return ""
    return f"values up to {largest:,} were clipped to {white:,}, since data.bit_depth is {bit_depth}"


def misfit(largest: int | None, bit_depth: int) -> str:
    """As :func:`clipping`; and whether an image of 16 bit looks like one of a camera of 12, which is nearly black then.

    A run sees it by all images of its data; a detector sees one at a time, and a black part has no defect.

    >>> misfit(4000, 16)
    'values up to 4,000 of 65,535, as of a camera of 12 bits: the network sees it nearly black; train on such images'
    """
    if largest is None or bit_depth < 16 or largest > _TWELVE_BITS:
        return clipping(largest, bit_depth)
    return (
        f"values up to {largest:,} of 65,535, as of a camera of 12 bits: the network sees it nearly black; train on "
        "such images"
    )


def bytes_of(path: str) -> NDArray[np.uint8]:
    """A large file is mapped: if its header is refused, the rest is never read."""
    if os.path.getsize(path) > _LARGE_FILE_BYTES:  # noqa: PTH202 (a Path is ten times slower)
        return np.memmap(path, dtype=np.uint8, mode="r")
    return np.fromfile(path, dtype=np.uint8)


def decode_image(
    data: NDArray[np.uint8], *, max_megapixels: float | None = MAX_IMAGE_MEGAPIXELS, bit_depth: int = 16
) -> NDArray[np.uint8]:
    """As :func:`read_image`, from the bytes of a file.

    Raises:
        BadImageError: not decodable, or too large; that is found by the header, before any memory is taken.
    """
    return _decode_image(data, max_megapixels, bit_depth)[0]


def decode_to_judge(
    data: NDArray[np.uint8], *, max_megapixels: float | None = MAX_IMAGE_MEGAPIXELS, bit_depth: int = 16
) -> tuple[NDArray[np.uint8], str]:
    """As :func:`decode_image`, with a note where something makes the image less sure: see :func:`misfit`.

    Of a JPEG it is looked whether all pixels are there: a decoder fills in what is missing, and a plain grey has no
    defect.

    Raises:
        BadImageError: as :func:`decode_image`; or a damaged JPEG.
    """
    pixels, largest = _decode_image(data, max_megapixels, bit_depth)
    is_jpeg = data[:2].tobytes() == b"\xff\xd8"
    notes = misfit(largest, bit_depth), check_jpeg(data) if is_jpeg else ""
    return pixels, "; ".join(filter(None, notes))


def largest_value(data: NDArray[np.uint8], *, max_megapixels: float | None = MAX_IMAGE_MEGAPIXELS) -> int:
    """The largest stored value of any channel but alpha, 0 to 65535.

    Raises:
        BadImageError: not decodable, or too large.
    """
    header = checked_header(data, max_megapixels)
    return int(decode_stored(data, header).max()) >> _empty_bits(header)


def check_pixels(data: NDArray[np.uint8], *, max_megapixels: float | None = MAX_IMAGE_MEGAPIXELS) -> Header:
    """Header of a file whose pixels can all be decoded; of a JPEG, whether they are all there.

    Raises:
        BadImageError: not decodable, too large, or cut.
    """
    header = checked_header(data, max_megapixels)
    decode_stored(data, header)
    if header.kind == "jpeg":
        check_jpeg(data)
    return header


def _decode_image(
    data: NDArray[np.uint8], max_megapixels: float | None, bit_depth: int
) -> tuple[NDArray[np.uint8], int | None]:
    """The pixels, and the largest value of what has 16 bit; else None."""
    header = checked_header(data, max_megapixels)
    pixels, largest = decode_stored(data, header), None
    if pixels.dtype == np.uint16:
        if header.bit_depth == 16:
            largest = int(pixels.max())
        pixels = as_8_bit(
            pixels, header, bit_depth, white_is_zero=header.kind == "tiff" and layout_of(data).white_is_zero
        )
    if pixels.ndim == 2:
        pixels = cv2.cvtColor(pixels, cv2.COLOR_GRAY2BGR)
    return turn_upright(pixels, header.orientation), largest


def as_8_bit(pixels: NDArray, header: Header, bit_depth: int, *, white_is_zero: bool) -> NDArray[np.uint8]:
    """Pixels of 16 bit scaled by the bits that are used, so that white becomes white."""
    used_bits = bit_depth if header.bit_depth == 16 else header.bit_depth
    white = ((1 << used_bits) - 1) << _empty_bits(header)
    scaled: NDArray[np.uint8] = cv2.convertScaleAbs(pixels, alpha=255 / white)  # saturates
    return cv2.bitwise_not(scaled) if white_is_zero else scaled


def checked_header(data: NDArray[np.uint8], max_megapixels: float | None) -> Header:
    """Header of a file that is not too large."""
    header = read_header(_reader(data), len(data))
    check_size(header, max_megapixels)
    return header


def _reader(data: NDArray[np.uint8]) -> Read:
    return lambda offset, size: data[offset : offset + size].tobytes()


def imdecode(data: NDArray[np.uint8], kind: str, flags: int) -> NDArray | None:
    """OpenCV's function of this name, for a file in which nothing takes more time or memory than its pixels.

    Args:
        data: of a file whose header is sound.
        kind: of the header.
        flags: OpenCV's.

    Raises:
        BadImageError: a PNG or JPEG in which something does.
    """
    check_work(data, kind)
    return cv2.imdecode(data, flags)


def check_work(data: NDArray[np.uint8], kind: str) -> None:
    """Refuse what would keep a decoder busy, or fill the memory, by pieces of a few bytes; see :func:`imdecode`."""
    if kind == "png":
        check_chunks(_reader(data), len(data))
    elif kind == "jpeg":
        check_scans(_reader(data), len(data))


def decode_stored(data: NDArray[np.uint8], header: Header) -> NDArray:
    """Pixels as stored, uint8 or uint16, grey or BGR."""
    try:
        pixels = _DECODERS.get(header.kind, _decode_other)(data, header)
    except cv2.error as error:
        raise BadImageError(f"a {header.kind} file that OpenCV refuses: {error.err}") from None
    if pixels is None or pixels.shape[:2] != (header.height, header.width):
        raise BadImageError(f"a {header.kind} file with damaged pixels")
    if pixels.dtype not in (np.uint8, np.uint16):
        raise BadImageError(f"{pixels.dtype} pixels, where 8 and 16 bit integers are supported")
    return pixels


def _decode_tiff(data: NDArray[np.uint8], header: Header) -> NDArray | None:
    layout = layout_of(data)
    check_unpacks(data, layout)
    return decode_tiff(data, layout)


def _decode_jpeg(data: NDArray[np.uint8], header: Header) -> NDArray | None:
    # A grey JPEG decoded as grey and spread afterwards takes half the time of letting the decoder spread it.
    colour = cv2.IMREAD_GRAYSCALE if header.num_channels == 1 else cv2.IMREAD_COLOR
    pixels = imdecode(data, header.kind, cv2.IMREAD_IGNORE_ORIENTATION | colour)
    if pixels is not None and ends_blank(pixels):
        check_end(data)
    return pixels


def _decode_other(data: NDArray[np.uint8], header: Header) -> NDArray | None:
    depth = cv2.IMREAD_ANYDEPTH if header.bit_depth > 8 else 0
    return imdecode(data, header.kind, cv2.IMREAD_IGNORE_ORIENTATION | cv2.IMREAD_COLOR | depth)


_DECODERS: dict[str, Callable[[NDArray[np.uint8], Header], NDArray | None]] = {
    "tiff": _decode_tiff,
    "jpeg": _decode_jpeg,
}


def _empty_bits(header: Header) -> int:
    """Lower bits of 16 that a decoder leaves empty: 10, 12 and 14 bit fill the upper ones."""
    return 16 - header.bit_depth if 8 < header.bit_depth < 16 else 0


def turn_upright(pixels: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Pixels as a viewer shows them; orientation is EXIF's, 1 to 8."""
    if orientation >= 5:
        pixels = cv2.transpose(pixels)
    flip = {2: 1, 3: -1, 4: 0, 6: 1, 7: -1, 8: 0}.get(orientation)
    return pixels if flip is None else cv2.flip(pixels, flip)
