"""What an image file says of itself, and the error for a file that is no image that can be read right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

Read = Callable[[int, int], bytes]
"""``read(offset, size)``: at most ``size`` bytes of the file, fewer at its end."""

MAX_PIECES = 10_000
"""Segments, chunks or blocks before the pixels: more are no image, and walking them would take seconds."""

_TAIL_BYTES = 4096


class BadImageError(ValueError):
    """The file is no image, a part of one, or one whose pixels would be read wrong; the text says what was found."""


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
        is_cmyk: the channels are the four inks of a print.
    """

    kind: str
    height: int
    width: int
    orientation: int = 1
    bit_depth: int = 8
    num_channels: int = 0
    is_cmyk: bool = False

    @property
    def upright_hw(self) -> tuple[int, int]:
        """Height and width as a viewer shows the image; orientations from 5 on swap the two."""
        return (self.width, self.height) if self.orientation >= 5 else (self.height, self.width)


def is_near_end(marker: bytes, read: Read, size: int, pixels_start: int) -> bool:
    """Whether the end marker, which pixel data cannot contain, follows the pixels; padding may follow the marker."""
    tail_start = max(pixels_start, size - _TAIL_BYTES)
    tail = read(tail_start, _TAIL_BYTES)
    return tail.endswith(marker) or marker in tail or marker in read(pixels_start, size)
