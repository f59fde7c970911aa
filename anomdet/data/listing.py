"""Names, sizes and times of all files below a folder, and whether they are still the same."""

from __future__ import annotations

import ctypes
import os
import sys
from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anomdet.data.columns import join_names
from anomdet.data.workers import in_parallel

Stamps = NDArray[np.int64]
"""``(N, 2)``: size in bytes and time of the last change in nanoseconds; both 0 where nothing can be found out."""


@dataclass(frozen=True, eq=False)
class Listing:
    """All files below a folder, hidden ones left out, links followed.

    Args:
        names: relative to the folder, with forward slashes, sorted.
        stamps: of the files.
        folders: the folder itself (an empty name) and those below it that were looked into.
        folder_stamps: theirs, from before they were read; of the size only the 0 that it counts as.
    """

    names: list[str]
    stamps: Stamps
    folders: list[str]
    folder_stamps: Stamps

    def is_same(self, other: Listing) -> bool:
        """Whether both show the same files of the same sizes and times."""
        return self.names == other.names and np.array_equal(self.stamps, other.stamps)

    def newest_ns(self) -> int:
        """The latest change of a file or folder that is shown."""
        return int(max(self.stamps[:, 1].max(initial=0), self.folder_stamps[:, 1].max(initial=0)))

    def arrays(self) -> dict[str, NDArray]:
        """What :func:`is_unchanged` wants to know later."""
        names, starts = join_names(self.names)
        folders, folder_starts = join_names(self.folders)
        return {
            "names": names,
            "starts": starts,
            "stamps": self.stamps,
            "folders": folders,
            "folder_starts": folder_starts,
            "folder_stamps": self.folder_stamps,
        }


def list_folder(folder: str) -> Listing:
    """Look through a folder.

    Raises:
        OSError: it, or a folder below it, cannot be read.
    """
    names: list[str] = []
    stamps = array("q")  # size and time in turn: a million pairs of numbers as objects take 180 MB
    folders, folder_stamps = [""], [(0, os.stat(folder).st_mtime_ns)]  # noqa: PTH116 (text, as from scandir)
    pending = [("", folder)]
    seen = {os.path.realpath(folder)}
    while pending:
        prefix, path = pending.pop()
        with os.scandir(path) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if entry.is_dir():
                    real = os.path.realpath(entry.path)
                    if real not in seen:  # a link back up would never end
                        seen.add(real)
                        folders.append(f"{prefix}{entry.name}")
                        folder_stamps.append((0, entry.stat().st_mtime_ns))
                        pending.append((f"{prefix}{entry.name}/", entry.path))
                    continue
                names.append(prefix + entry.name)
                try:
                    stat = entry.stat()
                except OSError:  # a dangling link: kept, so that reading it says what is wrong
                    stamps.extend((0, 0))
                else:
                    stamps.extend((stat.st_size, stat.st_mtime_ns))
    order = sorted(range(len(names)), key=names.__getitem__)
    return Listing(
        [names[at] for at in order],
        np.array(stamps, dtype=np.int64).reshape(-1, 2)[order],
        folders,
        np.array(folder_stamps, dtype=np.int64),
    )


def list_folders(folders: Sequence[str]) -> list[Listing]:
    """As :func:`list_folder` of each; of large ones at the same time."""
    jobs = [(list_folder, (folder,)) for folder in folders]
    if len(os.listdir(folders[-1])) < _MANY_FILES:  # noqa: PTH208 (text)
        return [list_folder(folder) for folder in folders]
    return in_parallel(jobs)


def is_unchanged(folder: str, arrays: dict[str, NDArray]) -> bool:
    """Whether a folder shows the same files, of the same sizes and times, as when :meth:`Listing.arrays` was made.

    A folder whose own time is the same has had no file added, removed or renamed: then nothing is listed, and one
    question a file is all that is asked of the system, in the order of the names, which is mostly that of the disk.
    """
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        folders = Names(arrays["folders"], arrays["folder_starts"])
        found = read_stamps(handle, [name or b"." for name in folders.texts()])
        if (found[:, 1] != arrays["folder_stamps"][:, 1]).any():
            return False
        names, stamps = Names(arrays["names"], arrays["starts"]), arrays["stamps"]
        for start in range(0, len(stamps), _BATCH):
            stop = min(start + _BATCH, len(stamps))
            if not np.array_equal(_stamps_of(handle, names, start, stop), stamps[start:stop]):
                return False
        return True
    finally:
        os.close(handle)


@dataclass(frozen=True)
class Names:
    """Names as :func:`join_names` joins them.

    Args:
        joined: uint8.
        starts: int64 ``(N + 1,)``.
    """

    joined: NDArray[np.uint8]
    starts: NDArray[np.int64]

    def texts(self, start: int = 0, stop: int | None = None) -> list[bytes]:
        """Some of the names."""
        stop = len(self.starts) - 1 if stop is None else stop
        return self.joined[self.starts[start] : self.starts[stop]].tobytes().split(b"\0")[:-1]


_BATCH = 4096
_MANY_FILES = 50_000  # in the last folder, for which another process is worth its start
_STATX_MASK = 0x0040 | 0x0200  # the time of the last change, the size
_STATX_WORDS, _SIZE_AT, _SECONDS_AT, _NANOSECONDS_AT = 32, 5, 14, 15


def _find_statx() -> Callable | None:
    """The system's statx, on which a call spends two thirds of the time of os.stat, which makes twenty objects."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        # Without letting go of the interpreter's lock at each of a million short calls.
        statx = ctypes.PyDLL(None).statx
    except (OSError, AttributeError):
        return None
    statx.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_uint, ctypes.c_void_p)
    return statx


_STATX = _find_statx()


def _stamps_of(handle: int, names: Names, start: int, stop: int) -> Stamps:
    if _STATX is None:
        return read_stamps(handle, names.texts(start, stop))
    joined = names.joined[names.starts[start] : names.starts[stop]]
    pointers = (names.starts[start:stop] - names.starts[start] + joined.ctypes.data).tolist()
    found: NDArray[np.int64] = np.zeros((stop - start, _STATX_WORDS), dtype=np.int64)
    first = found.ctypes.data
    targets: Iterable[int] = range(first, first + found.nbytes, _STATX_WORDS * 8)
    failed: Any = list(map(_STATX, repeat(handle), pointers, repeat(0), repeat(_STATX_MASK), targets))
    stamps = np.empty((stop - start, 2), dtype=np.int64)
    stamps[:, 0] = found[:, _SIZE_AT]
    stamps[:, 1] = found[:, _SECONDS_AT] * 10**9 + (found[:, _NANOSECONDS_AT] & 0xFFFFFFFF)
    stamps[np.array(failed) != 0] = 0
    return stamps


def read_stamps(handle: int, names: Sequence[bytes]) -> Stamps:
    """Stamps of files, named relative to an open folder."""
    stamps: NDArray[np.int64] = np.zeros((len(names), 2), dtype=np.int64)
    for at, name in enumerate(names):
        try:
            stat = os.stat(name, dir_fd=handle)
        except OSError:
            continue
        stamps[at] = stat.st_size, stat.st_mtime_ns
    return stamps
