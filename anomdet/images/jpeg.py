"""Header of a JPEG file (ITU-T T.81, Exif 2.32)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from anomdet.images.header import MAX_PIECES, BadImageError, Header, Read, is_near_end
from anomdet.images.tiff_directory import exif_orientation

_HUFFMAN, _PROGRESSIVE, _ARITHMETIC = (0xC0, 0xC1), 0xC2, (0xC9, 0xCA)
_MAX_SCANS = 64  # encoders write ten; each costs a decoder a walk over all pixels, and may be 20 bytes
_FRAMES = {at: "lossless" for at in (0xC3, 0xC7, 0xCB, 0xCF)} | {at: "hierarchical" for at in (0xC5, 0xC6, 0xCD, 0xCE)}

_AT_ONCE = 2**20  # bytes that are searched, so that no file takes many times its own memory


def jpeg_header(read: Read, size: int) -> Header:
    orientation, frame, kind, pixels_start = 1, b"", 0, 0
    for marker, position, length in _segments(read):
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            frame, kind = read(position, length), marker
        elif marker == 0xE1:
            orientation = exif_orientation(read(position, length)) or orientation
        pixels_start = position
    if not frame:
        raise BadImageError("a JPEG without a frame header")
    bit_depth, height, width, num_channels = (
        frame[0],
        int.from_bytes(frame[1:3], "big"),
        int.from_bytes(frame[3:5], "big"),
        frame[5],
    )
    if kind in _FRAMES:
        raise BadImageError(f"a {_FRAMES[kind]} JPEG, where baseline and progressive ones are supported")
    if bit_depth != 8:
        raise BadImageError(f"a JPEG of {bit_depth} bit, where 8 bit are supported; save it as PNG or TIFF")
    if num_channels not in (1, 3, 4):
        raise BadImageError(f"a JPEG of {num_channels} channels, where grey, colour and CMYK are supported")
    if not is_near_end(b"\xff\xd9", read, size, pixels_start):
        raise BadImageError("a truncated JPEG (no end marker)")
    if kind not in _ARITHMETIC and size - pixels_start < _least_bytes(frame, kind):
        raise BadImageError(f"a truncated JPEG ({size - pixels_start:,} bytes are too few for {width} x {height} px)")
    return Header("jpeg", height, width, orientation, bit_depth, num_channels, is_cmyk=num_channels == 4)


def check_scans(read: Read, size: int) -> None:
    """Count the scans of a file that may have several: a megabyte of them keeps a decoder busy for half an hour.

    Raises:
        BadImageError: there are too many.
    """
    frame, kind, position = b"", 0, 0
    for marker, position, length in _segments(read):
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            frame, kind = read(position, length), marker
    if kind in (*_HUFFMAN, _ARITHMETIC[0]) and read(position, 1) == frame[5:6]:
        return  # the first scan has all channels, and all of their bits: a decoder stops behind it
    num_scans = read(position, size).count(b"\xff\xda") + 1
    if num_scans > _MAX_SCANS:
        raise BadImageError(f"a JPEG of {num_scans:,} scans, where at most {_MAX_SCANS} are supported; save it again")


def one_scan(read: Read) -> tuple[int, int] | None:
    """Of a file whose first scan holds all of its pixels: where their bytes start, and how many restart markers it has.

    None: of several scans, or coded otherwise than by Huffman.
    """
    frame, kind, position, length, interval = b"", 0, 0, 0, 0
    for marker, position, length in _segments(read):
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            frame, kind = read(position, length), marker
        elif marker == 0xDD:
            interval = int.from_bytes(read(position, 2), "big")
    if kind not in _HUFFMAN or read(position, 1) != frame[5:6]:
        return None
    return position + length, _num_restarts(frame, interval)


def scan_headers(data: NDArray[np.uint8]) -> tuple[list[bytes], int]:
    """The headers of the scans of a file's first image, and where its end marker is, or the file's end.

    Neither a thumbnail before the pixels is looked at, nor what stands behind the image.
    """
    headers: list[bytes] = []
    starts = (at - 4 for marker, at, _ in _segments(lambda at, size: data[at : at + size].tobytes()) if marker == 0xDA)
    at = next(starts, len(data))
    for _ in range(MAX_PIECES):
        at, _restarts = end_of_scan(data, at)
        marker, length = data[at + 1 : at + 2].tobytes(), int.from_bytes(data[at + 2 : at + 4].tobytes(), "big")
        if marker in (b"", b"\xd9"):
            return headers, at
        if marker == b"\xda":
            headers.append(data[at + 4 : at + 2 + length].tobytes())
        at += 2 + length
    raise BadImageError("a damaged JPEG (too many markers between its scans)")


def end_of_scan(data: NDArray[np.uint8], start: int) -> tuple[int, NDArray[np.int64]]:
    """Where the first marker is that stands in no scan, or the file's end; and the restart markers before it.

    Args:
        data: of the file.
        start: somewhere in a scan.
    """
    end, restarts = len(data), []
    for first in range(start, len(data) - 1, _AT_ONCE):
        piece = data[first : first + _AT_ONCE + 1]
        at = np.flatnonzero(piece[:-1] == 0xFF)
        behind = piece[at + 1]
        is_restart = (behind >= 0xD0) & (behind <= 0xD7)
        others = at[(behind != 0) & (behind != 0xFF) & ~is_restart]
        found = at[is_restart]
        if len(others):
            restarts.append(first + found[found < others[0]])
            end = first + int(others[0])
            break
        restarts.append(first + found)
    return end, np.concatenate(restarts) if restarts else np.zeros(0, np.int64)


def _num_restarts(frame: bytes, interval: int) -> int:
    height, width = int.from_bytes(frame[1:3], "big"), int.from_bytes(frame[3:5], "big")
    factors = [(frame[at] >> 4, frame[at] & 15) for at in range(7, 7 + 3 * frame[5], 3)]
    across, down = (max(pair[0] for pair in factors), max(pair[1] for pair in factors)) if len(factors) > 1 else (1, 1)
    num_units = -(-width // (8 * across)) * -(-height // (8 * down))
    return -(-num_units // interval) - 1 if interval else 0


def _least_bytes(frame: bytes, kind: int) -> int:
    """Fewer than these cannot hold the pixels: a block of 8 x 8 takes two Huffman codes, one in a progressive scan.

    An end marker alone does not make a file whole: tools that recover files append one.
    """
    height, width = int.from_bytes(frame[1:3], "big"), int.from_bytes(frame[3:5], "big")
    factors = [(frame[at] >> 4, frame[at] & 15) for at in range(7, 7 + 3 * frame[5], 3)]
    if any(not 1 <= factor <= 4 for pair in factors for factor in pair):
        raise BadImageError("a damaged JPEG header")
    across, down = max(pair[0] for pair in factors), max(pair[1] for pair in factors)
    num_blocks = sum(-(-width * h // (8 * across)) * -(-height * v // (8 * down)) for h, v in factors)
    return num_blocks * (1 if kind == _PROGRESSIVE else 2) // 8


def _segments(read: Read) -> Iterator[tuple[int, int, int]]:
    """Marker, and start and length of the content, of each segment up to the start of the pixels (0xDA)."""
    position, marker = 2, 0
    for _ in range(MAX_PIECES):
        start = read(position, 4)
        if start[0] != 0xFF:
            raise BadImageError("a damaged JPEG header")
        marker = start[1]
        if marker == 0xFF:  # a fill byte
            position += 1
        elif marker == 0xD9:
            raise BadImageError("a truncated JPEG (its end marker stands before the pixels)")
        elif marker == 0x01 or 0xD0 <= marker <= 0xD8:  # without content
            position += 2
        else:
            length = int.from_bytes(start[2:4], "big")
            if len(start) < 4 or length < 2:
                raise BadImageError("a damaged JPEG header")
            yield marker, position + 4, length - 2
            if marker == 0xDA:
                return
            position += 2 + length
    raise BadImageError("a damaged JPEG header")
