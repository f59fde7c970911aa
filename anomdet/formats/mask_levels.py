"""Masks that are not of clean levels: soft edges from scaling or JPEG, transparency."""

from __future__ import annotations

import io

import cv2
import numpy as np
from numpy.typing import NDArray

from anomdet.formats.dataset import Findings, Phrase

Colour = tuple[int, int, int]
SOFT_HINT = "it has soft edges or was saved as JPEG; save it with one value for each class"
_MAX_NUMBER = 32  # up to here grey values count objects; above they are shades
_NOISE = 0.2  # of the range: JPEG's ripples around an edge
_BLOCK = np.ones((3, 3), np.uint8)


def palette_indices(data: bytes) -> tuple[NDArray[np.uint8], list[Colour]] | None:
    """``(H, W)`` the numbers that a PNG holds, which are the classes, and their colours; None without colours.

    By the palette, not by the pixels: of one data set's masks, one may show classes of grey colours alone.

    Args:
        data: a PNG, which was decoded before.
    """
    from PIL.PngImagePlugin import PngImageFile

    with PngImageFile(io.BytesIO(data)) as image:
        if image.mode != "P":
            return None
        flat = image.getpalette("RGB") or []
        palette = list(zip(flat[::3], flat[1::3], flat[2::3], strict=True))
        if all(red == green == blue for red, green, blue in palette):
            return None
        return np.asarray(image), palette


def compare_palettes(
    indices: NDArray[np.uint8], palette: list[Colour], seen: dict[int, Colour], where: str, findings: Findings
) -> None:
    """A problem where a number has another colour than in the masks before: then it is another class.

    Args:
        indices, palette: of a mask.
        seen: number to colour in the masks before; is filled.
        where: the mask.
        findings: takes the problem.
    """
    for number in np.unique(indices).tolist():
        if number < len(palette) and seen.setdefault(number, palette[number]) != palette[number]:
            expected = f"number {number} in the colour {seen[number]}, as in the masks before"
            hint = "each mask has a palette of its own: save the class of each pixel as a grey value"
            findings.problem(where, expected, Phrase(str(palette[number])), hint)
            return


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
