"""Masks that are not of clean levels: soft edges from scaling or JPEG, transparency."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from anomdet.formats.dataset import Findings, Phrase

SOFT_HINT = "it has soft edges or was saved as JPEG; save it with one value for each class"
_MAX_NUMBER = 32  # up to here grey values count objects; above they are shades
_NOISE = 0.2  # of the range: JPEG's ripples around an edge
_BLOCK = np.ones((3, 3), np.uint8)


def palette_indices(data: bytes, mask: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
    """``(H, W)`` the numbers that a PNG with a palette holds, which are the classes; None if it is none.

    Args:
        data: the file.
        mask: ``(H, W, 3)`` its colours, BGR.
    """
    palette = _palette(data)
    if palette is None:
        return None
    index_of: dict[int, int] = {}
    for index, (red, green, blue) in enumerate(zip(palette[::3], palette[1::3], palette[2::3], strict=False)):
        index_of.setdefault(red << 16 | green << 8 | blue, index)  # unused entries are often black, as the first is
    colours = mask[..., 2].astype(np.int64) << 16 | mask[..., 1].astype(np.int64) << 8 | mask[..., 0]
    found, inverse = np.unique(colours, return_inverse=True)
    indices = [index_of.get(colour) for colour in found.tolist()]
    return None if None in indices else np.array(indices, np.uint8)[inverse].reshape(mask.shape[:2])


def _palette(data: bytes) -> bytes | None:
    """The colours of a PNG file of colour type 3, three bytes each."""
    if not data.startswith(b"\x89PNG\r\n\x1a\n") or data[25:26] != b"\x03":
        return None
    at = 8
    while at + 8 <= len(data):
        length, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        if kind == b"PLTE":
            return data[at + 8 : at + 8 + length]
        at += 12 + length
    return None


def two_levels(mask: NDArray, where: str, findings: Findings) -> NDArray[np.bool_] | None:
    """What of a mask of one class is marked, bool ``(H, W)``; None and a problem if that is not clear.

    Shades between black and white are soft edges: they are cut at half of the range. An area of nothing but a shade is
    neither, and a problem.

    Args:
        mask: ``(H, W)``, 8 or 16 bit.
        where: the file, for messages.
        findings: takes the note or the problem.
    """
    values = np.unique(mask)
    if len(values) <= 2 or values[-1] <= _MAX_NUMBER:
        everything: NDArray[np.bool_] = mask != 0
        return everything
    low, high = int(values[0]), int(values[-1])
    marked: NDArray[np.bool_] = mask >= (low + high) / 2
    num, areas = cv2.connectedComponents((mask > low + _NOISE * (high - low)).astype(np.uint8), connectivity=8)
    shades = set(range(1, num)) - set(np.unique(areas[marked]).tolist())
    if shades:
        y, x = np.argwhere(areas == min(shades))[0].tolist()
        got = Phrase(f"{len(shades)} areas of shades only, one at x {x}, y {y} of grey value {mask[y, x]} of {high}")
        findings.problem(
            where, "a mask of two levels", got, "save it with 0 for the background and 255 for the defects"
        )
        return None
    findings.note("mask with soft edges", "cut at half of its range", where)
    return marked


def soft_rims(mask: NDArray, values: list[int]) -> list[int]:
    """The grey values that are nothing but the rim of larger ones, as scaling leaves them.

    Such a value has no 3 x 3 block of its own, and it closes off nearly all of the areas that it touches.

    Args:
        mask: ``(H, W)``.
        values: its grey values other than 0.
    """
    if len(values) < 2:
        return []
    thin = [value for value in values[:-1] if not _has_block(mask == value)]
    if not thin:
        return []
    inside = cv2.erode((mask != 0).astype(np.uint8), _BLOCK, borderType=cv2.BORDER_CONSTANT, borderValue=1) > 0
    _, areas = cv2.connectedComponents((mask != 0).astype(np.uint8), connectivity=8)
    is_rim = np.isin(mask, thin)
    mixed = np.isin(areas, np.unique(areas[is_rim])) & (mask != 0)
    mixed &= np.isin(areas, np.unique(areas[~is_rim & (mask != 0)]))  # with something larger inside
    border = mixed & ~inside
    if border.any() and is_rim[border].mean() >= 0.9:
        return sorted(set(np.unique(mask[mixed & is_rim]).tolist()))
    return []


def _has_block(pixels: NDArray[np.bool_]) -> bool:
    return bool(cv2.erode(pixels.astype(np.uint8), _BLOCK, borderType=cv2.BORDER_CONSTANT, borderValue=0).any())


def is_opaque(mask: NDArray, where: str, findings: Findings) -> NDArray[np.bool_] | None:
    """Where a mask with transparency is opaque, bool ``(H, W)``; None: everywhere.

    Args:
        mask: ``(H, W, 4)``, the last channel being alpha.
        where: the file, for messages.
        findings: takes the note.
    """
    alpha = mask[..., 3]
    full = np.iinfo(mask.dtype).max
    if (alpha == full).all():
        return None
    findings.note("mask with transparency", "what is transparent counts as background", where)
    return np.asarray(alpha >= full / 2)
