"""The files under images/ and labels/, and whether an image file is whole."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from anomdet.data.decode import decode_image
from anomdet.data.image_headers import BadImageError, Header, read_header
from anomdet.data.image_limits import MAX_IMAGE_MEGAPIXELS, check_size

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")
_FIRST_BYTES = 2048


@dataclass(frozen=True)
class FoundFile:
    """A file below a folder.

    Args:
        name: relative to the folder, with forward slashes.
        size: in bytes.
        modified_ns: time of the last change.
    """

    name: str
    size: int
    modified_ns: int

    @property
    def stem(self) -> str:
        """The name without its suffix: what an image and its labels share."""
        return os.path.splitext(self.name)[0]  # noqa: PTH122 (a Path is twenty times slower)

    @property
    def suffix(self) -> str:
        """Lower case, with the dot."""
        return os.path.splitext(self.name)[1].lower()  # noqa: PTH122


def list_files(folder: Path) -> list[FoundFile]:
    """All files below a folder, sorted by name; hidden ones are left out; links are followed."""
    found: list[FoundFile] = []
    pending = [("", os.fspath(folder))]
    seen = {os.path.realpath(folder)}
    while pending:
        prefix, path = pending.pop()
        with os.scandir(path) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if entry.is_dir():
                    real = os.path.realpath(entry.path)
                    if real not in seen:  # a link back up would never end
                        seen.add(real)
                        pending.append((f"{prefix}{entry.name}/", entry.path))
                    continue
                try:
                    stat = entry.stat()
                except OSError:  # a dangling link: kept, so that reading it says what is wrong
                    found.append(FoundFile(prefix + entry.name, 0, 0))
                    continue
                found.append(FoundFile(prefix + entry.name, stat.st_size, stat.st_mtime_ns))
    return sorted(found, key=lambda file: file.name)


def check_image(
    path: str | Path, *, decode: bool = False, max_megapixels: float | None = MAX_IMAGE_MEGAPIXELS
) -> Header:
    """Header of a whole image file.

    Args:
        path: the file.
        decode: also decode all pixels.
        max_megapixels: the largest image to accept; None: any.

    Raises:
        BadImageError: not an image, truncated, or too large; with ``decode``, also damaged inside.
    """
    try:
        if decode:
            return _check_pixels(path, max_megapixels)
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123
            first = file.read(_FIRST_BYTES) or b""
            file_size = os.fstat(file.fileno()).st_size

            def read(offset: int, size: int) -> bytes:
                if offset + size <= len(first):
                    return first[offset : offset + size]
                if offset >= file_size:
                    return b""
                file.seek(offset)
                return file.read(min(size, file_size - offset)) or b""

            header = read_header(read, file_size)
            check_size(header, max_megapixels)
            return header
    except OSError as error:
        raise BadImageError(error.strerror or str(error)) from None


def _check_pixels(path: str | Path, max_megapixels: float | None) -> Header:
    data = np.fromfile(os.fspath(path), dtype=np.uint8)
    decode_image(data, max_megapixels=max_megapixels)
    return read_header(lambda offset, size: data[offset : offset + size].tobytes(), len(data))
