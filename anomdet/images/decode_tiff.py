"""TIFF files to pixels by OpenCV, which reads some tags wrong (4.12: separate planes of 16 bit, alpha of 8 bit).

For such files the directory is written anew, in memory, so that it describes the same bytes in a way that is read
right: a plane as a grey image, grey with alpha as a grey image of twice the width, colours without their alpha.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from anomdet.images import tiff
from anomdet.images.tiff import Layout, tiff_layout

Bytes = NDArray[np.uint8]
_FLAGS = cv2.IMREAD_IGNORE_ORIENTATION | cv2.IMREAD_ANYDEPTH
_ALONE = {tiff.SAMPLES: None, tiff.PLANAR: None, tiff.EXTRA_SAMPLES: None, tiff.SAMPLE_FORMAT: None}


def decode_tiff(data: Bytes, layout: Layout) -> NDArray | None:
    """Pixels as stored, not turned: ``(H, W)`` or ``(H, W, 3)`` BGR, uint8 or uint16; None if OpenCV finds damage.

    10, 12 and 14 bit fill the upper bits of 16; where ``layout.white_is_zero``, it still is.

    Raises:
        cv2.error: it fails otherwise.
    """
    if layout.has_odd_tiles:
        data = _in_strips(data, layout)
        layout = layout_of(data)
    plain = {tiff.ORIENTATION: None}
    if layout.is_planar and (layout.bits > 8 or layout.alpha):
        return _planes(data, layout)
    if layout.is_grey_alpha:
        return _every_other(data, layout)
    if layout.alpha == "premultiplied":
        pixels = cv2.imdecode(rewritten(data, layout, plain), cv2.IMREAD_UNCHANGED)
        return None if pixels is None else _without_alpha(pixels)
    if layout.alpha:
        return cv2.imdecode(rewritten(data, layout, {**plain, tiff.EXTRA_SAMPLES: None}), _FLAGS | cv2.IMREAD_COLOR)
    if (
        layout.directory.first(tiff.ORIENTATION, 1) != 1
    ):  # OpenCV applies some of them by itself, whatever the flags say
        data = rewritten(data, layout, plain)
    return cv2.imdecode(data, _FLAGS | cv2.IMREAD_COLOR)


def layout_of(data: Bytes) -> Layout:
    """Layout of a file from its bytes; errors as of :func:`tiff_layout`."""
    return tiff_layout(lambda offset, size: data[offset : offset + size].tobytes(), len(data))


def _planes(data: Bytes, layout: Layout) -> NDArray | None:
    """Channel by channel, each as a grey image."""
    where, lengths = (tiff.TILES, tiff.TILE_BYTES) if layout.is_tiled else (tiff.STRIPS, tiff.STRIP_BYTES)
    values = layout.directory.values
    num_each = len(values[where]) // layout.num_samples
    planes: list[NDArray] = []
    for plane in range(layout.num_samples if layout.alpha == "premultiplied" else layout.num_colours):
        part = slice(plane * num_each, (plane + 1) * num_each)
        changes = {where: values[where][part], lengths: values[lengths][part], tiff.PHOTOMETRIC: [1]}
        grey = rewritten(data, layout, {**_ALONE, tiff.ORIENTATION: None, tiff.BITS: [layout.bits], **changes})
        pixels = cv2.imdecode(grey, _FLAGS | cv2.IMREAD_GRAYSCALE)
        if pixels is None:
            return None
        planes.append(pixels)
    if len(planes) == 1:
        return planes[0]
    merged: NDArray = cv2.merge([*planes[2::-1], *planes[3:]])
    return _without_alpha(merged) if len(planes) == 4 else merged


def _every_other(data: Bytes, layout: Layout) -> NDArray | None:
    """Grey with alpha, as a grey image of twice the width whose every other pixel is alpha."""
    changes: dict[int, Sequence[int] | None] = {
        **_ALONE,
        tiff.ORIENTATION: None,
        tiff.BITS: [layout.bits],
        tiff.WIDTH: [2 * layout.width],
    }
    if layout.is_tiled:
        changes[tiff.TILE_WIDTH] = [2 * layout.directory.first(tiff.TILE_WIDTH, 0)]
    pixels = cv2.imdecode(rewritten(data, layout, changes), _FLAGS | cv2.IMREAD_GRAYSCALE)
    return None if pixels is None else np.ascontiguousarray(pixels[:, ::2])


def _in_strips(data: Bytes, layout: Layout) -> Bytes:
    """Uncompressed tiles put together to one strip behind the end of the file."""
    across, down = layout.directory.first(tiff.TILE_WIDTH, 0), layout.directory.first(tiff.TILE_HEIGHT, 0)
    num_across, num_down = -(-layout.width // across), -(-layout.height // down)
    tiles = np.empty((num_down * num_across, down, across * layout.num_samples), np.uint8)
    for tile, offset in zip(tiles, layout.directory.values[tiff.TILES], strict=False):
        tile[:] = data[offset : offset + tile.size].reshape(tile.shape)
    rows = tiles.reshape(num_down, num_across, down, -1).swapaxes(1, 2).reshape(num_down * down, -1)
    strip = rows[: layout.height, : layout.width * layout.num_samples].reshape(-1)
    changes = {tag: None for tag in (tiff.TILE_WIDTH, tiff.TILE_HEIGHT, tiff.TILES, tiff.TILE_BYTES)}
    where = {tiff.STRIPS: [len(data)], tiff.STRIP_BYTES: [len(strip)], tiff.STRIP_ROWS: [layout.height]}
    return rewritten(np.concatenate([data, strip]), layout, {**changes, **where})


def _without_alpha(bgra: Bytes) -> Bytes:
    """The colours before they were multiplied by alpha; where alpha is 0, what is stored."""
    colours, alpha = bgra[..., :3], bgra[..., 3:].astype(np.uint16)
    if not ((alpha > 0) & (alpha < 255)).any():
        return np.ascontiguousarray(colours)
    alpha[alpha == 0] = 255
    divided: Bytes = np.minimum((colours.astype(np.uint32) * 255 + alpha // 2) // alpha, 255).astype(np.uint8)
    return divided


def rewritten(data: Bytes, layout: Layout, changes: Mapping[int, Sequence[int] | None]) -> Bytes:
    """A copy of a file with a new directory behind its end.

    Args:
        data: the file.
        layout: of it.
        changes: tag to its values (unsigned integers), or None to leave it out.
    """
    directory = layout.directory
    order, place_code, inline_bytes = directory.order, "Q" if directory.big else "I", 8 if directory.big else 4
    kind, code = (16, "Q") if directory.big else (4, "I")
    entries = {tag: entry for tag, entry in directory.entries.items() if tag not in changes}
    new = {tag: values for tag, values in changes.items() if values is not None}
    at = len(data) + len(data) % 2
    count_code, count_bytes, entry_bytes = ("Q", 8, 20) if directory.big else ("H", 2, 12)
    num = len(entries) + len(new)
    values_at = at + count_bytes + num * entry_bytes + inline_bytes
    behind = b""
    for tag, values in new.items():
        content = struct.pack(f"{order}{len(values)}{code}", *values)
        if len(content) > inline_bytes:
            place, behind = struct.pack(order + place_code, values_at + len(behind)), behind + content
        else:
            place = content.ljust(inline_bytes, b"\0")
        entries[tag] = struct.pack(order + "HH" + place_code, tag, kind, len(values)) + place
    text = struct.pack(order + count_code, num) + b"".join(entry for _, entry in sorted(entries.items()))
    text = bytes(len(data) % 2) + text + bytes(inline_bytes) + behind
    copy = np.concatenate([data, np.frombuffer(text, np.uint8)])
    first_at = 8 if directory.big else 4
    copy[first_at : first_at + inline_bytes] = np.frombuffer(struct.pack(order + place_code, at), np.uint8)
    return copy
