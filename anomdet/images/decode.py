"""Image files to pixels: always upright, 8 bit, three channels, BGR.

Decoded by OpenCV, chosen by measurement (benchmarks/decode.py, one core, libjpeg-turbo inside all of them). Images a
second in multiples of plain cv2, on DeepPCB's grey JPEGs of 640 px: this module 1.26, simplejpeg 1.07, PyTurboJPEG
1.01, torchvision 0.93; on colour JPEGs simplejpeg 1.13 (640 px) to 1.21 (4000 px), which is 0.2 ms of an image of 640
px; on PNGs cv2 and torchvision alike. All give the same pixels. The two fast ones read JPEGs only and leave EXIF to
others; PyTurboJPEG takes a truncated file for a whole one. OpenCV is installed anyway and reads all formats.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from anomdet.errors import Problem, UserError
from anomdet.images.headers import BadImageError, Header, read_header
from anomdet.images.limits import MAX_IMAGE_MEGAPIXELS, check_size

_LARGE_FILE_BYTES = 2**24


def read_image(path: str | Path, *, max_megapixels: float | None = MAX_IMAGE_MEGAPIXELS) -> NDArray[np.uint8]:
    """Pixels ``(H, W, 3)``, uint8 BGR, C-contiguous, writable.

    8 and 16 bit, grey and colour. 16 bit is divided by 257, so that white stays white; alpha is dropped; EXIF
    orientation is applied in every format that carries it, so that the pixels are those that a viewer shows.

    Args:
        path: the file.
        max_megapixels: the largest image to decode; None: any.

    Raises:
        UserError: missing, unreadable, truncated, too large, or not 1 to 16 bit integers.
    """
    try:
        data = _bytes_of(os.fspath(path))
    except OSError as error:
        raise UserError(Problem(str(path), "a readable image", error.strerror or str(error))) from None
    try:
        return decode_image(data, max_megapixels=max_megapixels)
    except BadImageError as error:
        raise UserError(Problem(str(path), "a readable image", str(error))) from None


def _bytes_of(path: str) -> NDArray[np.uint8]:
    """A large file is mapped: if its header is refused, the rest is never read."""
    if os.path.getsize(path) > _LARGE_FILE_BYTES:  # noqa: PTH202 (a Path is ten times slower)
        return np.memmap(path, dtype=np.uint8, mode="r")
    return np.fromfile(path, dtype=np.uint8)


def decode_image(data: NDArray[np.uint8], *, max_megapixels: float | None = MAX_IMAGE_MEGAPIXELS) -> NDArray[np.uint8]:
    """As :func:`read_image`, from the bytes of a file.

    Raises:
        BadImageError: not decodable, or too large; that is found by the header, before any memory is taken.
    """
    header = read_header(lambda offset, size: data[offset : offset + size].tobytes(), len(data))
    check_size(header, max_megapixels)
    pixels = _decode(_with_upright_tag(data, header), header)
    if pixels is None or pixels.shape[:2] != (header.height, header.width):
        raise BadImageError(f"a {header.kind} file with damaged pixels")
    if pixels.dtype == np.uint16:
        pixels = cv2.convertScaleAbs(pixels, alpha=1 / 257)
    if pixels.dtype != np.uint8:
        raise BadImageError(f"{pixels.dtype} pixels, where 8 and 16 bit integers are supported")
    if pixels.ndim == 2:
        pixels = cv2.cvtColor(pixels, cv2.COLOR_GRAY2BGR)
    return _turn_upright(pixels, header.orientation)


def _decode(data: NDArray[np.uint8], header: Header) -> NDArray | None:
    # A grey JPEG decoded as grey and spread afterwards takes half the time of letting the decoder spread it.
    grey = header.kind == "jpeg" and header.num_channels == 1
    flags = cv2.IMREAD_IGNORE_ORIENTATION | (cv2.IMREAD_GRAYSCALE if grey else cv2.IMREAD_COLOR)
    if header.bit_depth > 8:
        flags |= cv2.IMREAD_ANYDEPTH
    try:
        return cv2.imdecode(data, flags)
    except cv2.error as error:
        raise BadImageError(f"a {header.kind} file that OpenCV refuses: {error.err}") from None


def _with_upright_tag(data: NDArray[np.uint8], header: Header) -> NDArray[np.uint8]:
    """A TIFF decoder applies some orientations by itself, whatever the flags say: hide the tag from it."""
    if header.kind != "tiff" or header.orientation == 1:
        return data
    assert header.orientation_at is not None
    offset, order = header.orientation_at
    data = data.copy()
    data[offset : offset + 2] = np.frombuffer(struct.pack(order + "H", 1), np.uint8)
    return data


def _turn_upright(pixels: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    if orientation >= 5:
        pixels = cv2.transpose(pixels)
    flip = {2: 1, 3: -1, 4: 0, 6: 1, 7: -1, 8: 0}.get(orientation)
    return pixels if flip is None else cv2.flip(pixels, flip)
