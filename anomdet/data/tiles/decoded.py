"""Decoded images on disk, so that a run that draws 48 tiles of an image does not decode it 48 times.

No part of a JPEG or PNG file can be decoded alone. All processes of a run read their tiles out of one file of an
image's pixels. Pixels of an image that has changed are not used again; what no run has used for a day is deleted.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from anomdet.data.index.cache_folder import cache_folder, machine
from anomdet.data.index.columns import Columns
from anomdet.data.index.listing import times_ns
from anomdet.images.decode import read_noted, warn_once
from anomdet.outputs import atomic_write

_VERSION = 1  # raised when our decoder gives other pixels
_LEAST_MEGAPIXELS = 4.0  # of an image that is worth it; smaller ones are decoded in a few milliseconds
_READ_IN_PARTS = (".tif", ".tiff")
_FREE_SHARE = 0.1  # of the disk is left free
_IN_USE_S, _FORGOTTEN_S = 3600, 24 * 3600
_OUR_FILE = re.compile(r"[0-9a-f]{32}\.npy")


def decoded_folder() -> Path | None:
    """Where the pixels are kept, below the user's cache folder; None where none can be written."""
    folder = cache_folder()
    return None if folder is None else folder / "decoded"


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
    file = _file_of(path, max_megapixels, bit_depth)
    if file is not None:
        with suppress(OSError, ValueError, EOFError):
            return _mapped(file)
    pixels, note = read_noted(path, max_megapixels=max_megapixels, bit_depth=bit_depth)
    warn_once(path, note, bit_depth)
    if file is not None and not note and pixels.shape[0] * pixels.shape[1] >= _LEAST_MEGAPIXELS * 1e6:
        with suppress(OSError):
            _keep(file, pixels, most_gb)
    return pixels


def note_on_kept(columns: Columns, positions: Sequence[int], most_gb: float) -> str:
    """What a user should know of the disk that a run on some images takes; empty: nothing is kept of them."""
    sizes = columns.sizes_hw[np.asarray(positions)].astype(np.int64).prod(axis=1)
    large = np.flatnonzero(sizes >= _LEAST_MEGAPIXELS * 1e6).tolist()
    kept = [at for at in large if not columns.file_name(positions[at]).lower().endswith(_READ_IN_PARTS)]
    folder = decoded_folder()
    if not most_gb or not kept or folder is None:
        return ""
    most = int(sizes[kept].sum()) * 3 / 1e9
    text = f"{len(kept)} large images are decoded once and kept in {folder}, which may be deleted after the run: "
    text += f"{most:.1f} GB, a third if they are grey"
    if most <= most_gb:
        return text
    return f"{text}; at most {most_gb:g} GB (data.tiles.cache_gb) are kept, what does not fit is decoded for each tile"


def _file_of(path: str, max_megapixels: float, bit_depth: int) -> Path | None:
    """The file for the pixels of an image file as it is now."""
    folder = decoded_folder()
    if folder is None:
        return None
    try:
        found = Path(path).stat()
    except (OSError, ValueError):
        return None
    made_by = (_VERSION, cv2.__version__, machine(), max_megapixels, bit_depth)
    key = (*made_by, os.path.realpath(path), found.st_size, times_ns(found))
    return folder / f"{hashlib.sha256(repr(key).encode('utf-8', 'surrogateescape')).hexdigest()[:32]}.npy"


def _mapped(file: Path) -> NDArray[np.uint8]:
    """Pixels of which only those that are looked at are read."""
    pixels: NDArray[np.uint8] = np.load(file, mmap_mode="r", allow_pickle=False)
    if time.time() - file.stat().st_mtime > _IN_USE_S / 2:
        file.touch()
    return pixels if pixels.ndim == 3 else np.broadcast_to(pixels[..., None], (*pixels.shape, 3))


def _keep(file: Path, pixels: NDArray[np.uint8], most_gb: float) -> None:
    """Write pixels, of a grey image one of the three equal planes, where there is room for them."""
    file.parent.mkdir(mode=0o700, exist_ok=True)
    _remove_forgotten(file.parent)
    first = pixels[..., 0]
    is_grey = np.array_equal(first, pixels[..., 1]) and np.array_equal(first, pixels[..., 2])
    kept = np.ascontiguousarray(first) if is_grey else pixels
    if not _make_room(file.parent, kept.nbytes, most_gb):
        return
    with atomic_write(file) as out:
        np.save(out, kept)


@cache
def _remove_forgotten(folder: Path) -> None:
    """Once in a process: delete what no run has used for a day."""
    for _, unused_s, file in _files(folder):
        if unused_s > _FORGOTTEN_S:
            file.unlink(missing_ok=True)


def _make_room(folder: Path, num_bytes: int, most_gb: float) -> bool:
    """Whether so much more may be kept; files that no run is using go, the oldest first."""
    files = sorted(_files(folder), key=lambda one: -one[1])
    disk = shutil.disk_usage(folder)
    room = min(most_gb * 1e9 - sum(size for size, _, _ in files), disk.free - _FREE_SHARE * disk.total)
    for size, unused_s, file in files:
        if room >= num_bytes or unused_s < _IN_USE_S:
            break
        with suppress(OSError):  # open in another process, on Windows
            file.unlink()
            room += size
    return room >= num_bytes


def _files(folder: Path) -> list[tuple[int, float, Path]]:
    """Bytes, and seconds since it was used, of each file of pixels."""
    found = []
    for one in folder.iterdir():
        with suppress(OSError):
            if _OUR_FILE.fullmatch(one.name):
                at = one.stat()
                found.append((at.st_size, time.time() - at.st_mtime, one))
    return found
