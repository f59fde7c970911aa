"""Headers of WebP (RFC 9649) and BMP (BITMAPINFOHEADER) files."""

from __future__ import annotations

import struct

from anomdet.images.header import MAX_PIECES, BadImageError, Header, Read
from anomdet.images.tiff_directory import MAX_EXIF_BYTES, exif_orientation


def webp_header(read: Read, size: int) -> Header:
    if int.from_bytes(read(4, 4), "little") + 8 > size + 1:  # a missing pad byte at the very end is common
        raise BadImageError("a truncated WebP")
    hw, orientation, num_frames, position = None, 1, 0, 12
    for _ in range(MAX_PIECES):
        if position + 8 > size:
            break
        name, length = struct.unpack("<4sI", read(position, 8))
        hw = hw or _webp_size(name, read(position + 8, 10))  # the first of them counts, as for decoders
        if name == b"EXIF":
            orientation = exif_orientation(read(position + 8, min(length, MAX_EXIF_BYTES))) or orientation
        num_frames += name == b"ANMF"
        position += 8 + length + length % 2
    if hw is None:
        raise BadImageError("a WebP without pixels")
    if num_frames > 1:
        raise BadImageError(f"an animated WebP of {num_frames:,} frames, where one image is expected")
    return Header("webp", hw[0], hw[1], orientation)


def _webp_size(name: bytes, start: bytes) -> tuple[int, int] | None:
    """Height and width from the start of a chunk; None if it has none."""
    if name == b"VP8X":
        return int.from_bytes(start[7:10], "little") + 1, int.from_bytes(start[4:7], "little") + 1
    if name == b"VP8 ":
        width, height = struct.unpack("<HH", start[6:10])
        return height & 0x3FFF, width & 0x3FFF
    if name == b"VP8L":
        bits = int.from_bytes(start[1:5], "little")
        return ((bits >> 14) & 0x3FFF) + 1, (bits & 0x3FFF) + 1
    return None


_BMP_MASKS = (0xFF0000, 0xFF00, 0xFF)
_BMP_COMPRESSIONS = {0: (1, 4, 8, 24, 32), 1: (8,), 2: (4,), 3: (32,), 6: (32,)}


def bmp_header(read: Read, size: int) -> Header:
    file_bytes, pixels_start, info_bytes = struct.unpack("<2xI4xII", read(0, 18))
    if info_bytes == 12:
        width, height, _, bits = struct.unpack("<HHHH", read(18, 8))
        compression = 0
    else:
        width, height, _, bits, compression = struct.unpack("<iiHHI", read(18, 16))
    height = abs(height)  # negative: the first row is the top one
    if bits not in _BMP_COMPRESSIONS.get(compression, ()):
        kind = f"a BMP of {bits} bit a pixel" + (f" and compression {compression}" if compression not in (0, 3) else "")
        raise BadImageError(f"{kind}, where 1, 4, 8, 24 and 32 bit are supported; save it as PNG")
    if compression in (3, 6) and struct.unpack("<III", read(54, 12)) != _BMP_MASKS:
        raise BadImageError("a BMP with colours in an odd order; save it as PNG")
    end = file_bytes if compression in (1, 2) else pixels_start + (width * bits + 31) // 32 * 4 * height
    if end > size:
        raise BadImageError("a truncated BMP")
    return Header("bmp", height, width)
