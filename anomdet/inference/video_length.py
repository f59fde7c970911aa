"""How many frames a video file shows, counted in the file itself, where its header says more.

An MP4 that was trimmed keeps the frames before and after: its edit list says what is shown (ISO/IEC 14496-12, 8.6.6). A
Matroska or WebM file has one length, which may be that of its sound (RFC 9559).
"""

from __future__ import annotations

import mmap
import struct
from collections import Counter
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

_EBML = b"\x1a\x45\xdf\xa3"
_MASTERS = {0x1A45DFA3, 0x18538067, 0x1F43B675, 0x1654AE6B, 0xAE, 0xA0}  # what holds others; the rest is skipped
_TRACK_NUMBER, _TRACK_TYPE, _SIMPLE_BLOCK, _BLOCK = 0xD7, 0x83, 0xA3, 0xA1
_VIDEO = 1  # the type of a track


def num_shown(path: str) -> int | None:
    """Frames of the first video track; None: neither MP4 nor Matroska, or a file that is cut or damaged."""
    try:
        with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:  # noqa: PTH123
            return _matroska(data) if data[:4] == _EBML else _mp4(data)
    except (OSError, ValueError, IndexError, KeyError, struct.error):
        return None


def _matroska(data: mmap.mmap) -> int | None:
    """Blocks of the track. All elements are walked one after the other, so that a length may be unknown."""
    at, number, video = 0, 0, 0
    blocks: Counter[int] = Counter()
    while at < len(data):
        name, at = _vint(data, at, with_size=True)
        length, at = _vint(data, at)
        if name in _MASTERS:
            continue
        if name == _TRACK_NUMBER:
            number = int.from_bytes(data[at : at + length], "big")
        elif name == _TRACK_TYPE and not video and int.from_bytes(data[at : at + length], "big") == _VIDEO:
            video = number
        elif name in (_SIMPLE_BLOCK, _BLOCK):
            blocks[_vint(data, at)[0]] += 1
        at += length
    return blocks[video] if at == len(data) and video else None


def _vint(data: mmap.mmap, at: int, *, with_size: bool = False) -> tuple[int, int]:
    """A number of EBML, whose first bits say how many bytes it has, and where it ends."""
    size = 9 - data[at].bit_length()
    value = int.from_bytes(data[at : at + size], "big")
    return (value if with_size else value & ((1 << 7 * size) - 1)), at + size


def _mp4(data: mmap.mmap) -> int | None:
    """Samples of the track that lie in what its edit list shows; all of them where there is none."""
    movie = _boxes(data, 0, len(data))[b"moov"][0]
    per_s = _scale(data, _boxes(data, *movie)[b"mvhd"][0])
    for track in _boxes(data, *movie)[b"trak"]:
        inside = _boxes(data, *track)
        media = _boxes(data, *inside[b"mdia"][0])
        if data[media[b"hdlr"][0][0] + 8 :][:4] != b"vide":
            continue
        table = _boxes(data, *_boxes(data, *media[b"minf"][0])[b"stbl"][0])
        starts = _starts(data, *table[b"stts"][0])
        edits = _boxes(data, *inside[b"edts"][0]).get(b"elst", []) if b"edts" in inside else []
        if not edits:
            return len(starts) or None
        scale = _scale(data, media[b"mdhd"][0]) / per_s
        shown = [(first, first + length * scale) for length, first in _edits(data, edits[0][0]) if first >= 0]
        return sum(int(((starts >= first) & (starts < last)).sum()) for first, last in shown) or None
    return None


def _boxes(data: mmap.mmap, start: int, end: int) -> dict[bytes, list[tuple[int, int]]]:
    """Start and end of what each box holds, by their names."""
    found: dict[bytes, list[tuple[int, int]]] = {}
    while start + 8 <= end:
        size, name = struct.unpack_from(">I4s", data, start)
        held = start + 8
        if size == 1:
            (size,), held = struct.unpack_from(">Q", data, held), held + 8
        size = size or end - start
        if size < held - start or start + size > end:
            raise ValueError("a box that reaches out of its file")
        found.setdefault(name, []).append((held, start + size))
        start += size
    return found


def _scale(data: mmap.mmap, header: tuple[int, int]) -> int:
    """Units of time in a second, of a movie's or a track's header."""
    (units,) = struct.unpack_from(">I", data, header[0] + (20 if data[header[0]] else 12))
    return int(units) or 1


def _starts(data: mmap.mmap, start: int, end: int) -> NDArray[np.int64]:
    """When each sample is decoded, in units of its track."""
    (num_runs,) = struct.unpack_from(">I", data, start + 4)
    runs = np.frombuffer(data[start + 8 : min(start + 8 + 8 * num_runs, end)], ">u4").reshape(-1, 2).astype(np.int64)
    if runs[:, 0].sum() > len(data):
        raise ValueError("more samples than bytes")
    lasts = np.cumsum(np.repeat(runs[:, 1], runs[:, 0]))
    return np.concatenate([np.zeros(1, np.int64), lasts[:-1]]) if len(lasts) else lasts


def _edits(data: mmap.mmap, start: int) -> Iterator[tuple[int, int]]:
    """How long each piece is, in units of the movie, and where it begins, in units of its track; -1: nothing."""
    version, num_pieces = data[start], struct.unpack_from(">I", data, start + 4)[0]
    layout = struct.Struct(">Qq4x" if version else ">Ii4x")
    for at in range(min(num_pieces, 10_000)):
        yield layout.unpack_from(data, start + 8 + at * layout.size)
