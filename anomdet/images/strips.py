"""Large image files from top to bottom, in bounded memory; the pixels are those of the decoder of whole files.

Chosen by measurement (docs/tiling.md): TIFF files are read strip by strip by the decoder of whole ones; JPEG and PNG
files by libvips, if pyvips is installed. Pillow, OpenCV and simplejpeg decode all rows at once. What cannot be read in
strips is decoded whole, when its first rows are needed.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from anomdet.errors import Problem, UserError
from anomdet.images.decode import (
    as_8_bit,
    bytes_of,
    check_work,
    checked_header,
    clipping,
    decode_stored,
    misfit,
    turn_upright,
    warn_once,
)
from anomdet.images.decode_tiff import layout_of
from anomdet.images.headers import BadImageError, Header
from anomdet.images.jpeg_pixels import check_jpeg
from anomdet.images.limits import MAX_IMAGE_MEGAPIXELS
from anomdet.images.tiff_rows import is_one_piece, tiff_rows

LARGE_MEGAPIXELS = 50.0
"""From here on an image takes 150 MB and more: it is read in strips, one image at a time."""

_LEAST_ROWS = 256  # a multiple of the 16 that libvips reads at once: it cannot read a line twice
_LOG = logging.getLogger("anomdet")


class Strips:
    """A large image file, opened; each of its rows is decoded once, from the top on.

    Args:
        path: of the file.
        data: its bytes, mapped.
        header: of it.
        bit_depth: bits that are used of 16.
    """

    def __init__(self, path: str, data: NDArray[np.uint8], header: Header, bit_depth: int) -> None:
        self.path = path
        self._data, self._header, self._bit_depth = data, header, bit_depth
        self._white_is_zero = False
        self.rewind()

    def rewind(self) -> None:
        """Begin again at the first row, where what was made of the rows so far is lost."""
        self._strips: Iterator[NDArray] | None = None
        self._kept: NDArray[np.uint8] = np.zeros((0, self._header.upright_hw[1], 3), np.uint8)
        self._top = 0
        self._largest: int | None = None
        self._jpeg_note: str | None = None

    @property
    def size_hw(self) -> tuple[int, int]:
        """Height and width as a viewer shows the image, in pixels."""
        return self._header.upright_hw

    @property
    def is_upright_tiff(self) -> bool:
        """Whether rows can be decoded without those above."""
        return self._header.kind == "tiff" and self._header.orientation == 1

    @property
    def is_one_piece(self) -> bool:
        """Whether no row of a TIFF file can be decoded without all others."""
        return is_one_piece(layout_of(self._data), _LEAST_ROWS)

    @property
    def note(self) -> str:
        """What the user should know of the pixels read so far; empty: nothing."""
        return clipping(self._largest, self._bit_depth)

    @property
    def note_to_judge(self) -> str:
        """As :attr:`note`, of an image that no training has looked at, when all of it is read."""
        return "; ".join(filter(None, (misfit(self._largest, self._bit_depth), self._jpeg_note)))

    def rows(self, top: int, bottom: int) -> NDArray[np.uint8]:
        """Pixels ``(bottom - top, W, 3)``, uint8 BGR.

        Args:
            top: not above that of an earlier call.
            bottom: below it, within the image.

        Raises:
            UserError: the file is damaged or cut.
        """
        assert self._top <= top < bottom <= self.size_hw[0]
        try:
            return self._rows(top, bottom)
        except BadImageError as error:
            raise UserError(Problem(self.path, "a readable image", str(error))) from None

    def _rows(self, top: int, bottom: int) -> NDArray[np.uint8]:
        if self._strips is None:
            self._top, self._strips = self._decoded(top)
        end = self._top + len(self._kept)
        parts = [self._kept[top - self._top :]] if end > top else []
        while end < bottom:
            strip = next(self._strips, None)
            if strip is None:
                raise BadImageError(f"a {self._header.kind} file with damaged pixels")
            if end + len(strip) > top:
                parts.append(self._as_bgr8(strip[max(0, top - end) :]))
            end += len(strip)
        if end == self.size_hw[0]:
            next(self._strips, None)  # its checks of the end
            if self._header.kind == "jpeg" and self._jpeg_note is None:
                self._jpeg_note = check_jpeg(self._data)
        self._kept = parts[0] if len(parts) == 1 else np.concatenate(parts)
        self._top = top
        return self._kept[: bottom - top]

    def _as_bgr8(self, strip: NDArray) -> NDArray[np.uint8]:
        if strip.dtype == np.uint16:
            if self._header.bit_depth == 16:
                self._largest = max(self._largest or 0, int(strip.max()))
            strip = as_8_bit(strip, self._header, self._bit_depth, white_is_zero=self._white_is_zero)
        return cv2.cvtColor(strip, cv2.COLOR_GRAY2BGR) if strip.ndim == 2 else strip

    def _decoded(self, top: int) -> tuple[int, Iterator[NDArray]]:
        """The first row that is decoded, at or above ``top``, and the strips from there on, as stored, upright."""
        header, data = self._header, self._data
        if self.is_upright_tiff:
            layout = layout_of(data)
            self._white_is_zero = layout.white_is_zero
            first, rows = tiff_rows(data, layout, _LEAST_ROWS, top)
            return first, _checked(rows, header)
        found = _by_libvips(self.path, data, header) if header.orientation == 1 else None
        return 0, self._whole() if found is None else found

    def _whole(self) -> Iterator[NDArray]:
        pixels = turn_upright(decode_stored(self._data, self._header), self._header.orientation)
        yield from (pixels[top : top + _LEAST_ROWS] for top in range(0, len(pixels), _LEAST_ROWS))


def open_large(
    path: str | os.PathLike[str], *, max_megapixels: float | None = MAX_IMAGE_MEGAPIXELS, bit_depth: int = 16
) -> Strips | None:
    """A large image file, ready to be read from top to bottom; None: it is not that large.

    Args:
        path: the file.
        max_megapixels: the largest image to decode; None: any.
        bit_depth: bits that are used of 16.

    Raises:
        UserError: missing, unreadable, truncated as far as its header says, or too large.
    """
    file = _opened(path, max_megapixels, bit_depth)
    return file if file.size_hw[0] * file.size_hw[1] >= LARGE_MEGAPIXELS * 1e6 else None


def _opened(path: str | os.PathLike[str], max_megapixels: float | None, bit_depth: int) -> Strips:
    name = os.fspath(path)
    try:
        data = bytes_of(name)
        return Strips(name, data, checked_header(data, max_megapixels), bit_depth)
    except OSError as error:
        raise UserError(Problem(name, "a readable image", error.strerror or str(error))) from None
    except BadImageError as error:
        raise UserError(Problem(name, "a readable image", str(error))) from None


def read_tiff_rows(
    path: str | os.PathLike[str], top: int, bottom: int, *, max_megapixels: float | None, bit_depth: int
) -> NDArray[np.uint8] | None:
    """Rows ``(bottom - top, W, 3)`` of a TIFF file, of which little else is decoded.

    libvips is not used: it does not survive the fork of a loader's workers.

    Args:
        path: the file.
        top: the first row.
        bottom: behind the last one.
        max_megapixels: the largest image to decode; None: any.
        bit_depth: bits that are used of 16.

    Returns:
        None: it is no TIFF file, it is turned, these are all of its rows, or none can be decoded without the others.

    Raises:
        UserError: as of :func:`anomdet.images.decode.read_image`.
    """
    file = _opened(path, max_megapixels, bit_depth)
    if not file.is_upright_tiff or bottom - top == file.size_hw[0] or file.is_one_piece:
        return None
    rows = file.rows(top, bottom)
    warn_once(file.path, file.note, bit_depth)
    return rows


def _checked(strips: Iterator[NDArray | None], header: Header) -> Iterator[NDArray]:
    """TIFF strips that are what the header says."""
    try:
        for strip in strips:
            if strip is None or strip.shape[1] != header.width or strip.dtype not in (np.uint8, np.uint16):
                raise BadImageError("a tiff file with damaged pixels")
            yield strip
    except cv2.error as error:
        raise BadImageError(f"a tiff file that OpenCV refuses: {error.err}") from None


def _by_libvips(path: str, data: NDArray[np.uint8], header: Header) -> Iterator[NDArray] | None:
    """Strips of a JPEG or PNG file of 8 bit, grey or colour; None: of another kind, or there is no libvips."""
    if header.kind not in ("jpeg", "png") or header.bit_depth != 8:
        return None
    try:
        import pyvips
    except (ImportError, OSError):  # the latter: its library is not there
        _LOG.info(f"decoding {header.width:,} x {header.height:,} px as a whole; anomdet[large] would read rows only")
        return None
    pyvips.cache_set_max(0)
    check_work(data, header.kind)
    load = {"jpeg": pyvips.Image.jpegload, "png": pyvips.Image.pngload}[header.kind]
    try:
        image = load(path, access="sequential", fail_on="truncated")
    except UnicodeError:  # a name that libvips cannot be given
        return None
    except pyvips.Error as error:
        raise _refused(header, error) from None
    if (image.height, image.width) != (header.height, header.width):
        raise BadImageError(f"a {header.kind} file with damaged pixels")
    if image.format != "uchar" or image.bands not in (1, 3) or image.bands != header.num_channels:
        return None  # with alpha, or of four colours
    return _from_libvips(image, header)


def _from_libvips(image: Any, header: Header) -> Iterator[NDArray]:
    import pyvips

    for top in range(0, image.height, _LEAST_ROWS):
        height = min(_LEAST_ROWS, image.height - top)
        try:
            rows = np.frombuffer(image.crop(0, top, image.width, height).write_to_memory(), np.uint8)
        except pyvips.Error as error:
            raise _refused(header, error) from None
        rows = rows.reshape(height, image.width, image.bands)
        strip = rows[..., 0] if image.bands == 1 else cv2.cvtColor(rows, cv2.COLOR_RGB2BGR)
        yield strip


def _refused(header: Header, error: Exception) -> BadImageError:
    reason = getattr(error, "detail", str(error)).strip().splitlines()[:1]
    return BadImageError(f"a {header.kind} file that libvips refuses: {' '.join(map(str, reason))}")
