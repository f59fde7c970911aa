"""The files under images/ and labels/, and whether an image file is whole."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from anomdet.data.index.listing import Listing, list_folder
from anomdet.images.decode import bytes_of, check_pixels
from anomdet.images.headers import BadImageError, Header
from anomdet.images.limits import MAX_IMAGE_MEGAPIXELS, check_size
from anomdet.images.read_header import IMAGE_SUFFIXES as IMAGE_SUFFIXES
from anomdet.images.read_header import header_of


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file below a folder.

    Args:
        name: relative to the folder, with forward slashes.
        size: in bytes.
        modified_ns: time of the last change.
        special: what it is if it is no regular file, as ``a named pipe``: then it must not be opened.
    """

    name: str
    size: int
    modified_ns: int
    special: str = ""

    @property
    def stem(self) -> str:
        """The name without its suffix: what an image and its labels share."""
        return os.path.splitext(self.name)[0]  # noqa: PTH122 (a Path is twenty times slower)

    @property
    def suffix(self) -> str:
        """Lower case, with the dot."""
        return os.path.splitext(self.name)[1].lower()  # noqa: PTH122


def list_files(folder: Path) -> list[FoundFile]:
    """All files below a folder, sorted by name; without hidden ones and the system's; links are followed."""
    return found_files(list_folder(os.fspath(folder)))


def found_files(listing: Listing) -> list[FoundFile]:
    """The same, of a folder that was listed."""
    special = listing.special
    if not special:
        return list(map(FoundFile, listing.names, *listing.stamps[:, :2].T.tolist()))
    stamps = zip(listing.names, listing.stamps[:, :2].tolist(), strict=True)
    return [FoundFile(name, size, modified_ns, special.get(name, "")) for name, (size, modified_ns) in stamps]


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
    if not decode:
        header = header_of(os.fspath(path))
        check_size(header, max_megapixels)
        return header
    try:
        return check_pixels(bytes_of(os.fspath(path)), max_megapixels=max_megapixels)
    except OSError as error:
        raise BadImageError(error.strerror or str(error)) from None
