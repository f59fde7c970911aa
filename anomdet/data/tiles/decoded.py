"""Decoded images on disk, so that a run that draws 48 tiles of an image does not decode it 48 times.

No part of a JPEG or PNG file can be decoded alone. All processes of a run read their tiles out of one file of an
image's pixels.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anomdet.data.pixel_store import LEAST_MEGAPIXELS, PixelStore, grey_plane
from anomdet.images.decode import read_noted, warn_once

_READ_IN_PARTS = (".tif", ".tiff")
DECODED = PixelStore("decoded")


def read_kept(path: str, *, max_megapixels: float, bit_depth: int, most_gb: float) -> NDArray[np.uint8]:
    """``(H, W, 3)`` uint8 BGR, as :func:`anomdet.images.decode.read_image` gives it; it may be read-only.

    Args:
        path: of the image.
        max_megapixels: the largest image to decode.
        bit_depth: bits that are used of 16.
        most_gb: of all files of pixels; when it is reached, further images are decoded each time.

    Raises:
        UserError: as of :func:`anomdet.images.decode.read_image`.
    """
    file = kept_file(path, max_megapixels=max_megapixels, bit_depth=bit_depth)
    kept = DECODED.read(file, mapped=True)
    if kept is not None:
        return kept if kept.ndim == 3 else np.broadcast_to(kept[..., None], (*kept.shape, 3))
    pixels, note = read_noted(path, max_megapixels=max_megapixels, bit_depth=bit_depth)
    warn_once(path, note, bit_depth)
    if file is not None and not note and pixels.shape[0] * pixels.shape[1] >= LEAST_MEGAPIXELS * 1e6:
        DECODED.keep(file, grey_plane(pixels), most_gb)
    return pixels


def kept_file(path: str, *, max_megapixels: float, bit_depth: int) -> Path | None:
    """Where :func:`read_kept` keeps the pixels of an image, or would; None where nothing can be written."""
    return DECODED.file_of(path, max_megapixels, bit_depth)


def is_read_in_parts(path: str) -> bool:
    """Whether an image is of a kind of file whose rows are read alone, so that tiles of some rows need not be kept."""
    return path.lower().endswith(_READ_IN_PARTS)
