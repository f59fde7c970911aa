"""Headers of image files, in few system calls; nothing here needs a decoder."""

from __future__ import annotations

import os

from anomdet.images.headers import BadImageError, Header, read_header

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")
# Of images that are not read:
OTHER_SUFFIXES = (".gif", ".heic", ".heif", ".avif", ".jp2", ".jxl", ".pgm", ".ppm", ".pnm", ".dng", ".psd", ".jfif")
_FIRST_BYTES = 2048


def header_of(path: str, folder: int | None = None) -> Header:
    """Header of a whole image file.

    Args:
        path: the file.
        folder: descriptor of the folder that ``path`` is relative to.

    Raises:
        BadImageError: not an image, or truncated.
    """
    try:
        handle = os.open(path, os.O_RDONLY | _FLAGS, dir_fd=folder)
    except OSError as error:
        raise BadImageError(error.strerror or str(error)) from None
    try:
        first = os.read(handle, _FIRST_BYTES)
        size = len(first) if len(first) < _FIRST_BYTES else os.fstat(handle).st_size

        def read(offset: int, num_bytes: int) -> bytes:
            if offset + num_bytes <= len(first) or len(first) == size:
                return first[offset : offset + num_bytes]
            return _read_at(handle, offset, min(num_bytes, size - offset)) if offset < size else b""

        return read_header(read, size)
    except OSError as error:
        raise BadImageError(error.strerror or str(error)) from None
    finally:
        os.close(handle)


_FLAGS = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


def _read_at(handle: int, offset: int, num_bytes: int) -> bytes:
    if hasattr(os, "pread"):
        return os.pread(handle, num_bytes, offset)
    os.lseek(handle, offset, os.SEEK_SET)
    return os.read(handle, num_bytes)
