"""Pixels on disk that cost much to make again, in files that all processes of a run share, below the user's cache.

Pixels of an image that has changed are not used again; what no run has used for a day is deleted.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from anomdet.data.index.cache_folder import cache_folder, machine
from anomdet.data.index.listing import times_ns
from anomdet.outputs import atomic_write
from anomdet.words import counted

LEAST_MEGAPIXELS = 1.0  # of an image that is worth to be kept; smaller ones are decoded in a few milliseconds
_VERSION = 1  # raised when our decoder gives other pixels
_FREE_SHARE = 0.1  # of the disk is left free
_IN_USE_S, _FORGOTTEN_S = 3600, 24 * 3600
_ASKED_AT_ONCE = 64_000_000  # bytes: the folder is listed once for so many; each process may exceed its room by them
_FULL_S = 60.0  # a full folder is not looked at again before
_OUR_FILE = re.compile(r"[0-9a-f]{32}\.npy|\.[0-9a-f]{32}\.npy\..+")  # the latter was left by a process that was killed


@dataclass
class PixelStore:
    """A folder of the user's cache for pixels of one kind.

    Args:
        name: of the folder.
    """

    name: str
    _granted: int = field(default=0, init=False)
    _full_until: float = field(default=-1.0, init=False)
    _is_tidy: bool = field(default=False, init=False)

    @property
    def folder(self) -> Path | None:
        """Where the pixels are; None where nothing can be written."""
        folder = cache_folder()
        return None if folder is None else folder / self.name

    def file_of(self, path: str, *made_with: object) -> Path | None:
        """The file for pixels that were made of an image file as it is now; None where there can be none.

        Args:
            path: of the image.
            made_with: what else they depend on.
        """
        folder = self.folder
        if folder is None:
            return None
        try:
            found = Path(path).stat()
        except (OSError, ValueError):
            return None
        made_by = (_VERSION, cv2.__version__, machine(), *made_with)
        key = (*made_by, os.path.realpath(path), found.st_size, times_ns(found))
        return folder / f"{hashlib.sha256(repr(key).encode('utf-8', 'surrogateescape')).hexdigest()[:32]}.npy"

    def read(self, file: Path | None, *, mapped: bool) -> NDArray[Any] | None:
        """An array of a file; None where there is none, or a damaged one.

        Args:
            file: as of :meth:`file_of`.
            mapped: only what is looked at is read, and nothing can be written to it.
        """
        if file is None:
            return None
        with suppress(OSError, ValueError, EOFError):
            array: NDArray[Any] = np.load(file, mmap_mode="r" if mapped else None, allow_pickle=False)
            if time.time() - file.stat().st_mtime > _IN_USE_S / 2:
                file.touch()
            return array
        return None

    def keep(self, file: Path, array: NDArray[Any], most_gb: float) -> None:
        """Write an array, where there is room for it.

        Args:
            file: as of :meth:`file_of`.
            array: to keep.
            most_gb: of all files of the folder.
        """
        with suppress(OSError):
            file.parent.mkdir(mode=0o700, exist_ok=True)
            self._remove_forgotten(file.parent)
            if self._has_room(file.parent, array.nbytes, most_gb):
                with atomic_write(file) as out:
                    np.save(out, array)

    def note(self, num_images: int, num_bytes: int, most_gb: float, how: str, else_how: str) -> str:
        """What a user should know of the disk that a run takes.

        Args:
            num_images: to keep.
            num_bytes: of them in colour.
            most_gb: of all files of the folder.
            how: what happens to the images.
            else_how: the key of ``most_gb``, and what happens to images for which there is no room.
        """
        text = (
            f"{counted(num_images, 'large image')} decoded once and {how} in {self.folder}, which may be deleted after "
        )
        text += f"the run: {num_bytes / 1e9:.1f} GB, a third if grey"
        return text if num_bytes <= most_gb * 1e9 else f"{text}; at most {most_gb:g} GB {else_how}"

    def _remove_forgotten(self, folder: Path) -> None:
        """Once in a process: delete what no run has used for a day."""
        if self._is_tidy:
            return
        self._is_tidy = True
        for _, unused_s, file in _files(folder):
            if unused_s > _FORGOTTEN_S:
                file.unlink(missing_ok=True)

    def _has_room(self, folder: Path, num_bytes: int, most_gb: float) -> bool:
        if num_bytes > self._granted:
            if time.monotonic() < self._full_until:
                return False
            self._granted = min(_room(folder, num_bytes, most_gb), max(_ASKED_AT_ONCE, num_bytes))
            if num_bytes > self._granted:
                self._full_until = time.monotonic() + _FULL_S
                return False
        self._granted -= num_bytes
        return True


def grey_plane(pixels: NDArray[Any]) -> NDArray[Any]:
    """One of three equal planes ``(H, W)``; pixels ``(H, W, 3)`` that have colours stay as they are."""
    first = pixels[..., 0]
    is_grey = np.array_equal(first, pixels[..., 1]) and np.array_equal(first, pixels[..., 2])
    return np.ascontiguousarray(first) if is_grey else pixels


def _room(folder: Path, num_bytes: int, most_gb: float) -> int:
    """Bytes that are free; files that no run is using go for ``num_bytes``, the oldest first."""
    files = sorted(_files(folder), key=lambda one: -one[1])
    disk = shutil.disk_usage(folder)
    room = int(min(most_gb * 1e9 - sum(size for size, _, _ in files), disk.free - _FREE_SHARE * disk.total))
    for size, unused_s, file in files:
        if room >= num_bytes or unused_s < _IN_USE_S:
            break
        with suppress(OSError):  # open in another process, on Windows
            file.unlink()
            room += size
    return room


def _files(folder: Path) -> list[tuple[int, float, Path]]:
    """Bytes, and seconds since it was used, of each file of pixels."""
    found = []
    for one in folder.iterdir():
        with suppress(OSError):
            if _OUR_FILE.fullmatch(one.name):
                at = one.stat()
                found.append((at.st_size, time.time() - at.st_mtime, one))
    return found
