"""How large an image may be: judged by its header, before any of its pixels takes memory.

A few kilobytes of a PNG, JPEG, TIFF or WebP can claim 50,000 x 50,000 pixels, and 7 GB is what a decoder would then ask
for. An honest image of that size does harm too: a process that augments images holds up to seven copies of one.
"""

from __future__ import annotations

from anomdet import defaults
from anomdet.images.headers import BadImageError, Header

MAX_IMAGE_MEGAPIXELS = defaults.MAX_IMAGE_MEGAPIXELS
"""Default of ``data.max_image_megapixels``: 10,000 x 10,000 pixels, 0.3 GB as 8 bit BGR; area cameras have less."""

RAISE_SETTING = "cut it into tiles, or raise data.max_image_megapixels if the memory is there"


class TooLargeImageError(BadImageError):
    """The file claims more pixels than are allowed; whether it holds them is not looked at."""


def check_size(header: Header, max_megapixels: float | None, *, remedy: str = RAISE_SETTING) -> None:
    """Refuse an image that claims too many pixels.

    Args:
        header: of the file.
        max_megapixels: the limit, in millions of pixels; None: any size.
        remedy: what to do, for the message.

    Raises:
        TooLargeImageError: with the size, the memory that it would take, and the remedy.
    """
    megapixels = header.height * header.width / 1e6
    if max_megapixels is None or megapixels <= max_megapixels:
        return
    height, width = header.upright_hw
    size = f"{width:,} x {height:,} pixels ({megapixels:,.0f} megapixels, {_memory(header)} in memory)"
    raise TooLargeImageError(f"{size}, more than the limit of {max_megapixels:,g} megapixels; {remedy}")


def _memory(header: Header) -> str:
    """Of the decoded pixels: three channels, of two bytes where the file has 16 bit."""
    num_bytes = header.height * header.width * 3 * (2 if header.bit_depth > 8 else 1)
    return f"{num_bytes / 1e9:,.1f} GB"
