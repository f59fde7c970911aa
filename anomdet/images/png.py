"""Header of a PNG file (W3C, third edition)."""

from __future__ import annotations

import struct
import zlib

from anomdet.images.header import MAX_PIECES, BadImageError, Header, Read, is_near_end
from anomdet.images.tiff_directory import MAX_EXIF_BYTES, tiff_orientation

_CHANNELS = {0: 1, 2: 3, 3: 3, 4: 2, 6: 4}
_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
_END = b"IEND\xaeB`\x82"
_TAIL_BYTES = 4096
_KEYWORD_BYTES = 79
_MAX_CHUNKS = 2_000_000
_MAX_PACKED_TEXTS = 16  # a decoder unpacks each to 8 MB, whatever it is worth, and keeps them all


def png_header(read: Read, size: int) -> Header:
    width, height, bit_depth, colour_type = struct.unpack(">IIBB", _head(read(8, 25)))
    if bit_depth not in _DEPTHS.get(colour_type, ()):
        raise BadImageError(f"a damaged PNG header (colour type {colour_type} of {bit_depth} bit)")
    position, orientation = 33, 1
    for _ in range(MAX_PIECES):
        name, length = _chunk(read, size, position)
        if name == b"eXIf":
            orientation = tiff_orientation(read(position + 8, min(length, MAX_EXIF_BYTES)))
        elif name == b"acTL":
            _check_one_frame(read(position + 8, 4))
        elif name in (b"IDAT", b"IEND"):
            break
        position += 12 + length
    if name != b"IDAT":
        raise BadImageError("a PNG without pixels")
    if not is_near_end(_END, read, size, position):
        raise BadImageError("a truncated PNG (no end chunk)")
    tail = read(max(0, size - _TAIL_BYTES), _TAIL_BYTES)
    return Header("png", height, width, _late_exif(tail) or orientation, bit_depth, _CHANNELS[colour_type])


def check_chunks(read: Read, size: int) -> None:
    """Walk all chunks: a decoder takes as much memory as the length of each claims, and unpacks texts.

    This touches every 8 kB of a file, and so it is done only where all of it is read anyway.

    Raises:
        BadImageError: a chunk that reaches beyond the file, or too many compressed texts.
    """
    position, num_packed = 8, 0
    for _ in range(_MAX_CHUNKS):
        name, length = _chunk(read, size, position)
        if name == b"IEND":
            return
        num_packed += name == b"zTXt" or (name == b"iTXt" and _is_packed(read(position + 8, _KEYWORD_BYTES + 2)))
        if num_packed > _MAX_PACKED_TEXTS:
            raise BadImageError(f"a PNG of more than {_MAX_PACKED_TEXTS} compressed texts; save it without them")
        position += 12 + length
    raise BadImageError(f"a damaged PNG (more than {_MAX_CHUNKS:,} chunks)")


def _head(chunk: bytes) -> bytes:
    if chunk[:8] != b"\0\0\0\rIHDR":
        raise BadImageError("a damaged PNG header")
    return chunk[8:18]


def _chunk(read: Read, size: int, position: int) -> tuple[bytes, int]:
    """Name and length of the content of the chunk at a position."""
    start = read(position, 8)
    if len(start) < 8:
        raise BadImageError("a truncated PNG")
    length, name = int.from_bytes(start[:4], "big"), start[4:]
    if position + 12 + length > size:
        raise BadImageError(f"a truncated PNG (a chunk claims {length:,} bytes in a file of {size:,})")
    return name, length


def _is_packed(text: bytes) -> bool:
    """Whether an iTXt chunk is compressed: a byte behind its keyword and a zero says so."""
    _, _, behind = text.partition(b"\0")
    return behind[:1] not in (b"", b"\0")


def _check_one_frame(num_frames: bytes) -> None:
    count = int.from_bytes(num_frames, "big")
    if count > 1:
        raise BadImageError(f"an animated PNG of {count:,} frames, where one image is expected")


def _late_exif(tail: bytes) -> int:
    """Orientation of an eXIf chunk behind the pixels, where the standard allows it too; 0 if there is none."""
    at = tail.rfind(b"eXIf")
    if at < 4:
        return 0
    end = at + 4 + int.from_bytes(tail[at - 4 : at], "big")
    intact = end + 4 <= len(tail) and zlib.crc32(tail[at:end]) == int.from_bytes(tail[end : end + 4], "big")
    return tiff_orientation(tail[at + 4 : end]) if intact else 0
