"""Tiny files that claim huge images, PNGs whose side chunks inflate to hundreds of megabytes, JPEGs of many scans."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
from PIL import Image

from tests.unit.images.image_samples import encoded

SIDE = 50_000
BOMB_KINDS = ("png", "webp", "tif", "bmp")  # a JPEG as small as that is refused as cut


def bomb(suffix: str, side: int = SIDE) -> bytes:
    """A file of a few kilobytes that claims ``side`` x ``side`` pixels."""
    return {"png": _png, "jpg": _jpeg, "webp": _webp, "tif": _tiff, "bmp": _bmp}[suffix](side)


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def _png(side: int) -> bytes:
    header = _chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
    rows = _chunk(b"IDAT", zlib.compress(b"\0" * 1_000_000, 9))
    return b"\x89PNG\r\n\x1a\n" + header + rows + _chunk(b"IEND", b"")


def _jpeg(side: int) -> bytes:
    data = encoded("JPEG", (64, 64))
    at = data.index(b"\xff\xc0") + 5
    return data[:at] + struct.pack(">HH", side, side) + data[at + 4 :]


def _webp(side: int) -> bytes:
    canvas = (side - 1).to_bytes(3, "little") * 2
    frame = encoded("WEBP", (64, 64))[12:]
    body = b"WEBP" + b"VP8X" + struct.pack("<I4x", 10) + canvas + frame
    return b"RIFF" + struct.pack("<I", len(body)) + body


def tiff_of_two_sizes(side: int = SIDE) -> bytes:
    """Its first width and height, which a decoder takes, are huge; the second are small."""
    return _tiff(side, extra=((256, 4, 64), (257, 4, 64)))


def _tiff(side: int, extra: tuple[tuple[int, int, int], ...] = ()) -> bytes:
    pixels = zlib.compress(b"\0" * 1_000_000, 9)
    shorts = {258: 8, 259: 8, 262: 1, 277: 1}
    longs = {256: side, 257: side, 273: 8, 278: side, 279: len(pixels)}
    entries = [(tag, kind, value) for kind, tags in ((3, shorts), (4, longs)) for tag, value in tags.items()]
    entries = sorted([*entries, *extra], key=lambda entry: entry[0])
    directory = struct.pack("<H", len(entries))
    directory += b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in entries) + bytes(4)
    return b"II*\0" + struct.pack("<I", 8 + len(pixels)) + pixels + directory


def _bmp(side: int) -> bytes:
    """Run-length encoded: the only kind of BMP that can be smaller than its pixels."""
    buffer = io.BytesIO()
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(buffer, "BMP")
    data = bytearray(buffer.getvalue())
    data[18:26] = struct.pack("<ii", side, side)
    data[30:34] = struct.pack("<I", 1)
    return bytes(data)


def jpeg_of_scans(num: int) -> bytes:
    """A good progressive JPEG, whose last scan, of a few bytes, comes ``num`` times more."""
    data = encoded("JPEG", (480, 640), progressive=True)
    last = data.rindex(b"\xff\xc4")  # its Huffman table stands before each scan
    return data[:-2] + data[last:-2] * num + data[-2:]


def png_with_side_bomb(name: bytes, num_bytes: int, times: int = 1) -> bytes:
    """A good small PNG with a chunk (iCCP, zTXt, iTXt) that inflates to ``num_bytes``, a few times."""
    body = {
        b"iCCP": b"profile\0\0",
        b"zTXt": b"Comment\0\0",
        b"iTXt": b"Comment\0\x01\0\0\0",
    }[name] + zlib.compress(bytes(num_bytes), 9)
    data = encoded("PNG", (16, 16))
    return data[:33] + _chunk(name, body) * times + data[33:]  # behind IHDR
