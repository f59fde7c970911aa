"""The directory of a TIFF 6.0 or BigTIFF file: its integer tags. EXIF blocks of other formats are such files too."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from anomdet.images.header import BadImageError, Read

MAX_EXIF_BYTES = 2**20
_MAX_TAGS = 4096
_MAX_VALUES = 2**20  # strips or tiles of one image: 1,024 px of them each way
_TYPES = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q"}
BYTES_OF_TYPE = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}


@dataclass(frozen=True)
class Directory:
    """One image of a TIFF file.

    Args:
        order: of its bytes, ``<`` or ``>``.
        big: BigTIFF.
        values: tag to its integers.
        entries: tag to its entry in the file, of all tags.
        next_at: where the next directory stands; 0: there is none.
    """

    order: str
    big: bool
    values: dict[int, tuple[int, ...]]
    entries: dict[int, bytes]
    next_at: int

    def first(self, tag: int, default: int) -> int:
        """The first value of a tag."""
        values = self.values.get(tag)
        return values[0] if values else default


def read_directory(read: Read, tags: frozenset[int], size: int | None = None, at: int | None = None) -> Directory:
    """A directory of a file, the first one if ``at`` is not given.

    Args:
        read: the file.
        tags: those to read.
        size: of the file, within which all values must lie; None: whatever cannot be read is an error.
        at: where the directory stands.

    Raises:
        BadImageError: its values lie beyond the end.
        struct.error: it lies beyond the end itself.
    """
    start = read(0, 16)
    order = {b"II": "<", b"MM": ">"}[start[:2]]
    big = struct.unpack(order + "H", start[2:4])[0] == 43
    count_code, entry_code, place_code = ("Q", "HHQ", "Q") if big else ("H", "HHI", "I")
    count_bytes, entry_bytes, inline_bytes = (8, 20, 8) if big else (2, 12, 4)
    if at is None:
        (at,) = struct.unpack(order + place_code, start[8:16] if big else start[4:8])
    (count,) = struct.unpack(order + count_code, read(at, count_bytes))
    count = min(count, _MAX_TAGS)
    text = read(at + count_bytes, count * entry_bytes + inline_bytes)
    values: dict[int, tuple[int, ...]] = {}
    entries: dict[int, bytes] = {}
    for start_at in range(0, count * entry_bytes, entry_bytes):
        tag, kind, num_values = struct.unpack_from(order + entry_code, text, start_at)
        place = text[start_at + entry_bytes - inline_bytes : start_at + entry_bytes]
        num_bytes = num_values * BYTES_OF_TYPE.get(kind, 0)
        if num_bytes > inline_bytes:
            (offset,) = struct.unpack(order + place_code, place)
            if size is not None and offset + num_bytes > size:
                raise BadImageError("a truncated TIFF")
        if tag in entries:  # the first counts, as for libtiff
            continue
        entries[tag] = text[start_at : start_at + entry_bytes]
        if tag in tags and kind in _TYPES:
            if num_values > _MAX_VALUES:
                raise BadImageError(f"a TIFF with {num_values:,} values in its tag {tag}")
            content = read(offset, num_bytes) if num_bytes > inline_bytes else place[:num_bytes]
            values[tag] = struct.unpack(f"{order}{num_values}{_TYPES[kind]}", content)
    rest = text[count * entry_bytes :]
    next_at = struct.unpack(order + place_code, rest)[0] if len(rest) == inline_bytes else 0
    return Directory(order, big, values, entries, next_at)


_ORIENTATION = 274


def exif_orientation(body: bytes) -> int:
    """Of an EXIF segment; 0 if the segment is something else."""
    if body[:6] == b"Exif\0\0":
        return tiff_orientation(body[6:])
    return tiff_orientation(body) if body[:4] in (b"II*\0", b"MM\0*") else 0


def tiff_orientation(body: bytes) -> int:
    """A damaged EXIF block says nothing of the pixels: it counts as upright, as in viewers."""
    try:
        directory = read_directory(lambda offset, size: body[offset : offset + size], frozenset({_ORIENTATION}))
    except (struct.error, KeyError, BadImageError):
        return 1
    return orientation_of(directory)


def orientation_of(directory: Directory) -> int:
    value = directory.first(_ORIENTATION, 1)
    return value if 1 <= value <= 8 else 1
