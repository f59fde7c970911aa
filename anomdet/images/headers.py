"""Size, depth, orientation and completeness of an image file from a few hundred of its bytes; no pixel is decoded.

Sources: JPEG (ITU-T T.81, Exif 2.32), PNG (W3C, third edition), WebP (RFC 9649), BMP (BITMAPINFOHEADER), TIFF 6.0 and
BigTIFF. Every format that carries an orientation carries it as TIFF tag 0x0112 with the values 1 to 8.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

Read = Callable[[int, int], bytes]
"""``read(offset, size)``: at most ``size`` bytes of the file, fewer at its end."""

_TAIL_BYTES = 4096


class BadImageError(ValueError):
    """The file is no image, or a part of one; the text says what was found."""


@dataclass(frozen=True)
class Header:
    """What the file says of itself.

    Args:
        kind: jpeg, png, webp, bmp or tiff.
        height: as stored, before the orientation is applied.
        width: as stored.
        orientation: EXIF's, 1 (upright) to 8.
        bit_depth: bits of a channel.
        num_channels: as stored; 0 where the file does not say cheaply.
        orientation_at: offset and byte order of the value in a TIFF file, which decoders would apply themselves.
    """

    kind: str
    height: int
    width: int
    orientation: int = 1
    bit_depth: int = 8
    num_channels: int = 0
    orientation_at: tuple[int, str] | None = None

    @property
    def upright_hw(self) -> tuple[int, int]:
        """Height and width as a viewer shows the image; orientations from 5 on swap the two."""
        return (self.width, self.height) if self.orientation >= 5 else (self.height, self.width)


def read_header(read: Read, size: int) -> Header:
    """Header of a file of ``size`` bytes.

    Raises:
        BadImageError: not an image of a known format, or truncated.
    """
    start = read(0, 16)
    if not start:
        raise BadImageError("an empty file")
    try:
        header = _PARSERS[_kind(start)](read, size)
    except (struct.error, IndexError):
        raise BadImageError("a truncated header") from None
    if header.height <= 0 or header.width <= 0:
        raise BadImageError(f"a size of {header.height} x {header.width} pixels")
    if header.bit_depth > 16:
        raise BadImageError(f"{header.bit_depth} bit pixels, where 8 and 16 bit integers are supported")
    return header


def _kind(start: bytes) -> str:
    for magic, kind in _MAGICS:
        if start.startswith(magic):
            if kind == "webp" and start[8:12] != b"WEBP":
                break
            return kind
    raise BadImageError(f"a file that starts with {start[:8]!r}")


def _jpeg(read: Read, size: int) -> Header:
    orientation, frame, pixels_start = 1, None, 0
    for marker, position, length in _jpeg_segments(read):
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            frame = struct.unpack(">BHHB", read(position, 6))
        elif marker == 0xE1:
            orientation = _exif_orientation(read(position, length)) or orientation
        pixels_start = position
    if frame is None:
        raise BadImageError("a JPEG without a frame header")
    if not _is_near_end(b"\xff\xd9", read, size, pixels_start):
        raise BadImageError("a truncated JPEG (no end marker)")
    bit_depth, height, width, num_channels = frame
    return Header("jpeg", height, width, orientation, bit_depth, num_channels)


def _jpeg_segments(read: Read) -> Iterator[tuple[int, int, int]]:
    """Marker, and start and length of the content, of each segment up to the start of the pixels (0xDA)."""
    position, marker = 2, 0
    while marker != 0xDA:
        start = read(position, 4)
        if start[0] != 0xFF:
            raise BadImageError("a damaged JPEG header")
        marker = start[1]
        if marker == 0xFF:  # a fill byte
            position += 1
        elif marker == 0x01 or 0xD0 <= marker <= 0xD9:  # without content; pixels cannot follow an end (0xD9)
            position += 2
        else:
            length = int.from_bytes(start[2:4], "big")
            yield marker, position + 4, length - 2
            position += 2 + length


def _is_near_end(marker: bytes, read: Read, size: int, pixels_start: int) -> bool:
    """Whether the end marker, which pixel data cannot contain, follows the pixels; padding may follow the marker."""
    tail_start = max(pixels_start, size - _TAIL_BYTES)
    tail = read(tail_start, _TAIL_BYTES)
    return tail.endswith(marker) or marker in tail or marker in read(pixels_start, size)


def _png(read: Read, size: int) -> Header:
    width, height, bit_depth, colour_type = struct.unpack(">IIBB", read(16, 10))
    position, orientation = 8, 1
    while True:
        length, name = struct.unpack(">I4s", read(position, 8))
        if name in (b"IDAT", b"IEND"):
            break
        if name == b"eXIf":
            orientation = _tiff_orientation(read(position + 8, length))
        position += 12 + length
    if not _is_near_end(b"IEND\xaeB`\x82", read, size, position):
        raise BadImageError("a truncated PNG (no end chunk)")
    tail = read(max(0, size - _TAIL_BYTES), _TAIL_BYTES)
    return Header("png", height, width, _late_exif(tail) or orientation, bit_depth, _PNG_CHANNELS.get(colour_type, 0))


def _late_exif(tail: bytes) -> int:
    """Orientation of an eXIf chunk behind the pixels, where the standard allows it too; 0 if there is none."""
    at = tail.rfind(b"eXIf")
    if at < 4:
        return 0
    end = at + 4 + int.from_bytes(tail[at - 4 : at], "big")
    intact = end + 4 <= len(tail) and zlib.crc32(tail[at:end]) == int.from_bytes(tail[end : end + 4], "big")
    return _tiff_orientation(tail[at + 4 : end]) if intact else 0


def _webp(read: Read, size: int) -> Header:
    if int.from_bytes(read(4, 4), "little") + 8 > size + 1:  # a missing pad byte at the very end is common
        raise BadImageError("a truncated WebP")
    hw, orientation, position = None, 1, 12
    while position + 8 <= size:
        name, length = struct.unpack("<4sI", read(position, 8))
        start = read(position + 8, 10)
        if name == b"VP8X" and hw is None:  # the first of them counts, as for decoders
            hw = int.from_bytes(start[7:10], "little") + 1, int.from_bytes(start[4:7], "little") + 1
        elif name == b"VP8 " and hw is None:
            width, height = struct.unpack("<HH", start[6:10])
            hw = height & 0x3FFF, width & 0x3FFF
        elif name == b"VP8L" and hw is None:
            bits = int.from_bytes(start[1:5], "little")
            hw = ((bits >> 14) & 0x3FFF) + 1, (bits & 0x3FFF) + 1
        elif name == b"EXIF":
            orientation = _exif_orientation(read(position + 8, length)) or orientation
        position += 8 + length + length % 2
    if hw is None:
        raise BadImageError("a WebP without pixels")
    return Header("webp", hw[0], hw[1], orientation)


def _bmp(read: Read, size: int) -> Header:
    file_bytes, pixels_start, info_bytes = struct.unpack("<2xI4xII", read(0, 18))
    if info_bytes == 12:
        width, height, _, bits = struct.unpack("<HHHH", read(18, 8))
        compression = 0
    else:
        width, height, _, bits, compression = struct.unpack("<iiHHI", read(18, 16))
    height = abs(height)  # negative: the first row is the top one
    end = pixels_start + (width * bits + 31) // 32 * 4 * height if compression in (0, 3, 6) else file_bytes
    if end > size:
        raise BadImageError("a truncated BMP")
    return Header("bmp", height, width)


def _tiff(read: Read, size: int) -> Header:
    tags = _tiff_tags(read, size)
    if 256 not in tags or 257 not in tags:
        raise BadImageError("a TIFF without a size")
    starts, lengths = (tags.get(strips, tags.get(tiles)) for strips, tiles in ((273, 324), (279, 325)))
    if starts is None:
        raise BadImageError("a TIFF without pixels")
    if lengths and max(map(sum, zip(starts.values, lengths.values, strict=False))) > size:
        raise BadImageError("a truncated TIFF")
    orientation = tags.get(274)
    channels = tags.get(277)
    return Header(
        "tiff",
        tags[257].values[0],
        tags[256].values[0],
        _valid_orientation(orientation),
        tags[258].values[0] if 258 in tags else 1,
        channels.values[0] if channels else 1,
        (orientation.offset, orientation.order) if orientation else None,
    )


@dataclass(frozen=True)
class _Tag:
    values: tuple[int, ...]
    offset: int
    order: str


_TIFF_TAGS = (256, 257, 258, 273, 274, 277, 279, 324, 325)
_TIFF_TYPES = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q"}
_TIFF_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}


def _tiff_tags(read: Read, size: int | None = None) -> dict[int, _Tag]:
    """The integer tags of the first directory that this module knows; all values must lie within ``size``."""
    start = read(0, 16)
    order = {b"II": "<", b"MM": ">"}[start[:2]]
    big = struct.unpack(order + "H", start[2:4])[0] == 43
    directory = struct.unpack(order + "Q", start[8:16])[0] if big else struct.unpack(order + "I", start[4:8])[0]
    count_format, entry_format = (order + "Q", order + "HHQ") if big else (order + "H", order + "HHI")
    count_bytes, entry_bytes, inline_bytes = (8, 20, 8) if big else (2, 12, 4)
    (count,) = struct.unpack(count_format, read(directory, count_bytes))
    entries = read(directory + count_bytes, min(count, 4096) * entry_bytes)
    tags = {}
    for at in range(0, min(count, 4096) * entry_bytes, entry_bytes):
        tag, kind, num_values = struct.unpack_from(entry_format, entries, at)
        offset = directory + count_bytes + at + entry_bytes - inline_bytes
        num_bytes = num_values * _TIFF_BYTES.get(kind, 0)
        if num_bytes > inline_bytes:
            (offset,) = struct.unpack(order + ("Q" if big else "I"), read(offset, inline_bytes))
            if size is not None and offset + num_bytes > size:
                raise BadImageError("a truncated TIFF")
        if tag in _TIFF_TAGS and kind in _TIFF_TYPES and tag not in tags:  # the first counts, as for libtiff
            code = f"{order}{num_values}{_TIFF_TYPES[kind]}"
            tags[tag] = _Tag(struct.unpack(code, read(offset, num_bytes)), offset, order)
    return tags


def _exif_orientation(body: bytes) -> int:
    """Of an EXIF segment; 0 if the segment is something else."""
    if body[:6] == b"Exif\0\0":
        return _tiff_orientation(body[6:])
    return _tiff_orientation(body) if body[:4] in (b"II*\0", b"MM\0*") else 0


def _tiff_orientation(body: bytes) -> int:
    """A damaged EXIF block says nothing of the pixels: it counts as upright, as in viewers."""
    try:
        return _valid_orientation(_tiff_tags(lambda offset, size: body[offset : offset + size]).get(274))
    except (struct.error, KeyError):
        return 1


def _valid_orientation(tag: _Tag | None) -> int:
    return tag.values[0] if tag and tag.values and 1 <= tag.values[0] <= 8 else 1


_PNG_CHANNELS = {0: 1, 2: 3, 3: 3, 4: 2, 6: 4}
_MAGICS = (
    (b"\xff\xd8\xff", "jpeg"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"RIFF", "webp"),
    (b"BM", "bmp"),
    (b"II*\0", "tiff"),
    (b"MM\0*", "tiff"),
    (b"II+\0", "tiff"),
    (b"MM\0+", "tiff"),
)
_PARSERS: dict[str, Callable[[Read, int], Header]] = {
    "jpeg": _jpeg,
    "png": _png,
    "webp": _webp,
    "bmp": _bmp,
    "tiff": _tiff,
}
