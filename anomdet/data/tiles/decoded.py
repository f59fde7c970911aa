"""Decoded images on disk, so that a run that draws 48 tiles of an image does not decode it 48 times.

No part of a JPEG or PNG file can be decoded alone. All processes of a run read their tiles out of one file of an
image's pixels.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from anomdet.data.index.columns import Columns
from anomdet.data.pixel_store import PixelStore, grey_plane
from anomdet.images.decode import read_noted, warn_once

_LEAST_MEGAPIXELS = 4.0  # of an image that is worth it; smaller ones are decoded in a few milliseconds
_READ_IN_PARTS = (".tif", ".tiff")
_STORE = PixelStore("decoded")


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
    file = _STORE.file_of(path, max_megapixels, bit_depth)
    kept = _STORE.read(file, mapped=True)
    if kept is not None:
        return kept if kept.ndim == 3 else np.broadcast_to(kept[..., None], (*kept.shape, 3))
    pixels, note = read_noted(path, max_megapixels=max_megapixels, bit_depth=bit_depth)
    warn_once(path, note, bit_depth)
    if file is not None and not note and pixels.shape[0] * pixels.shape[1] >= _LEAST_MEGAPIXELS * 1e6:
        _STORE.keep(file, grey_plane(pixels), most_gb)
    return pixels


def note_on_kept(columns: Columns, positions: Sequence[int], most_gb: float) -> str:
    """What a user should know of the disk that a run on some images takes; empty: nothing is kept of them."""
    sizes = columns.sizes_hw[np.asarray(positions)].astype(np.int64).prod(axis=1)
    large = np.flatnonzero(sizes >= _LEAST_MEGAPIXELS * 1e6).tolist()
    kept = [at for at in large if not columns.file_name(positions[at]).lower().endswith(_READ_IN_PARTS)]
    if not most_gb or not kept or _STORE.folder is None:
        return ""
    otherwise = "(data.tiles.cache_gb) are kept, what does not fit is decoded for each tile"
    return _STORE.note(len(kept), int(sizes[kept].sum()) * 3, most_gb, "kept", otherwise)
