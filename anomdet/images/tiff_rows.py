"""A TIFF file from top to bottom: a few of its strips or tiles at a time, as small files of their own.

Each small file has the tags of the large one, so that the one decoder of TIFF files gives the same pixels.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from anomdet.images import tiff
from anomdet.images.decode_tiff import Bytes, decode_tiff, layout_of, rewritten
from anomdet.images.tiff import Layout
from anomdet.images.tiff_damage import check_unpacks
from anomdet.images.tiff_directory import BYTES_OF_TYPE

_OTHER_DIRECTORIES = (330, 34665, 34853)  # of thumbnails, EXIF and GPS: they say nothing of the pixels


def tiff_rows(data: Bytes, layout: Layout, least_rows: int, top: int = 0) -> tuple[int, Iterator[NDArray | None]]:
    """The first row that is decoded, and from there on pixels of consecutive rows, as :func:`decode_tiff` gives them.

    Args:
        data: the file, mapped.
        layout: of it.
        least_rows: at a time; more, where the file keeps more of them in one strip or tile.
        top: the first row that is wanted.
    """
    layout = _in_raw_strips(layout, least_rows)
    _, down, _, _ = tiff.pieces_of(layout)
    return top // down * down, _decoded(data, layout, top // down, -(-least_rows // down))


def is_one_piece(layout: Layout, least_rows: int) -> bool:
    """Whether all rows are in one compressed strip, or one row of tiles: none can be decoded without the others."""
    return tiff.pieces_of(_in_raw_strips(layout, least_rows))[1] >= layout.height


def _decoded(data: Bytes, layout: Layout, begin: int, step: int) -> Iterator[NDArray | None]:
    """``step`` rows of strips or tiles at a time."""
    _, down, num, _ = tiff.pieces_of(layout)
    num_down = -(-layout.height // down)
    each = num // (layout.num_samples if layout.is_planar else 1) // num_down  # tiles side by side
    for first in range(begin, num_down, step):
        last = min(first + step, num_down)
        height = min(last * down, layout.height) - first * down
        file = _part(data, layout, first * each, last * each, num_down * each, height)
        part = layout_of(file)
        check_unpacks(file, part)
        yield decode_tiff(file, part)


def _in_raw_strips(layout: Layout, rows: int) -> Layout:
    """A layout with strips of few rows, where they are not compressed: a file may keep all rows in one."""
    directory = layout.directory
    if layout.is_tiled or directory.first(tiff.COMPRESSION, 1) != 1 or directory.first(tiff.PHOTOMETRIC, 1) == 6:
        return layout
    _, down, num, row_bytes = tiff.pieces_of(layout)
    per_plane = -(-layout.height // down)
    if down <= rows or (per_plane > 1 and down % rows):  # the latter would give strips of two heights
        return layout
    offsets: list[int] = []
    lengths: list[int] = []
    for at, offset in enumerate(directory.values[tiff.STRIPS][:num]):
        height = min(down, layout.height - at % per_plane * down)
        for top in range(0, height, rows):
            offsets.append(offset + top * row_bytes)
            lengths.append(min(rows, height - top) * row_bytes)
    new = {tiff.STRIPS: tuple(offsets), tiff.STRIP_BYTES: tuple(lengths), tiff.STRIP_ROWS: (rows,)}
    return replace(layout, directory=replace(directory, values={**directory.values, **new}))


def _part(data: Bytes, layout: Layout, first: int, last: int, per_plane: int, height: int) -> Bytes:
    """A TIFF file of the strips or tiles ``first`` to ``last`` of each plane."""
    directory = layout.directory
    place_code, inline_bytes = ("Q", 8) if directory.big else ("I", 4)
    pieces = [data[: 16 if directory.big else 8]]
    size, entries = len(pieces[0]), {}

    def put(start: int, length: int) -> int:
        nonlocal size
        pieces.append(data[start : start + length])
        size += length
        return size - length

    for tag, entry in directory.entries.items():
        _, kind, count = struct.unpack(directory.order + "HH" + place_code, entry[:-inline_bytes])
        num_bytes = count * BYTES_OF_TYPE.get(kind, 0)
        if num_bytes > inline_bytes and tag not in (tiff.STRIPS, tiff.STRIP_BYTES, tiff.TILES, tiff.TILE_BYTES):
            (offset,) = struct.unpack(directory.order + place_code, entry[-inline_bytes:])
            entry = entry[:-inline_bytes] + struct.pack(directory.order + place_code, put(offset, num_bytes))
        entries[tag] = entry
    where, lengths = (tiff.TILES, tiff.TILE_BYTES) if layout.is_tiled else (tiff.STRIPS, tiff.STRIP_BYTES)
    chosen = [
        plane * per_plane + at
        for plane in range(layout.num_samples if layout.is_planar else 1)
        for at in range(first, last)
    ]
    sizes = [directory.values[lengths][at] for at in chosen]
    offsets = [put(directory.values[where][at], length) for at, length in zip(chosen, sizes, strict=True)]
    changes = {**dict.fromkeys(_OTHER_DIRECTORIES), tiff.HEIGHT: [height], where: offsets, lengths: sizes}
    if not layout.is_tiled:
        changes[tiff.STRIP_ROWS] = [min(directory.first(tiff.STRIP_ROWS, layout.height), height)]
    return rewritten(np.concatenate(pieces), replace(layout, directory=replace(directory, entries=entries)), changes)
