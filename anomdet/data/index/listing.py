"""Names, sizes and times of all files below a folder, and whether they are still the same."""

from __future__ import annotations

import ctypes
import os
import stat
import sys
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import repeat
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anomdet.data.index.columns import join_names
from anomdet.data.index.parallel import in_parallel
from anomdet.layout import SYSTEM_FOLDERS

Stamps = NDArray[np.int64]
"""``(N, 3)``: size in bytes, and times in nanoseconds; all 0 where nothing can be found out.

The times are those of the last change of the content (mtime, which anybody may set: tar, rsync and touch do), and of
the last change of any kind (ctime, which the system alone sets; 0 on Windows, which has none).
"""
SIZE, MODIFIED_NS, CHANGED_NS = range(3)


@dataclass(frozen=True, eq=False)
class Listing:
    """All files below a folder, hidden ones and those of the system left out, links followed.

    Args:
        names: relative to the folder, with forward slashes, sorted.
        stamps: of the files.
        folders: the folder itself (an empty name) and those below it that were looked into.
        folder_stamps: theirs, from before they were read; of the size only the 0 that it counts as.
        special: what each file is that is no regular one, as ``a named pipe``; to open one may never end.
    """

    names: list[str]
    stamps: Stamps
    folders: list[str]
    folder_stamps: Stamps
    special: dict[str, str] = field(default_factory=dict)

    def is_same(self, other: Listing) -> bool:
        """Whether both show the same files of the same sizes and times."""
        return self.names == other.names and np.array_equal(self.stamps, other.stamps)

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

    What can be reached by several names is listed once: under its own, or else under the first of the links to it.

    Raises:
        OSError: it, or a folder below it, cannot be read.
    """
    names: list[str] = []
    stamps = array("q")  # the numbers of all files in turn: of a million files they take 270 MB as objects
    special: dict[str, str] = {}
    folders, folder_stamps = [""], [(0, *times_ns(os.stat(folder)))]  # noqa: PTH116 (text, as from scandir)
    for name, entry in _files_below(folder, folders, folder_stamps):
        names.append(name)
        try:
            look = entry.stat()
        except OSError:  # a dangling link: kept, so that reading it says what is wrong
            stamps.extend((0, 0, 0))
            continue
        stamps.extend((look.st_size, *times_ns(look)))
        if not stat.S_ISREG(look.st_mode):
            special[name] = _KINDS.get(stat.S_IFMT(look.st_mode), "no regular file")
    order = sorted(range(len(names)), key=names.__getitem__)
    return Listing(
        [names[at] for at in order],
        np.array(stamps, dtype=np.int64).reshape(-1, 3)[order],
        folders,
        np.array(folder_stamps, dtype=np.int64),
        special,
    )


_KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def _files_below(
    folder: str, folders: list[str], folder_stamps: list[tuple[int, int, int]]
) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Names and entries of all files; the folders on the way are added to the lists as they are found."""
    pending = [("", folder)]
    links: list[tuple[str, str, tuple[int, int]]] = []  # a heap: followed by name, when no folder of its own is left
    seen = {os.path.realpath(folder)}

    def enter(name: str, path: str, stamp_ns: tuple[int, int]) -> None:
        real = os.path.realpath(path)
        if real not in seen:  # a link back up would never end
            seen.add(real)
            folders.append(name)
            folder_stamps.append((0, *stamp_ns))
            pending.append((f"{name}/", path))

    while pending:
        prefix, path = pending.pop()
        with os.scandir(path) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if not entry.is_dir():
                    yield prefix + entry.name, entry
                elif entry.name.lower() in SYSTEM_FOLDERS:
                    continue
                elif entry.is_symlink():
                    heappush(links, (prefix + entry.name, entry.path, times_ns(entry.stat())))
                else:
                    enter(prefix + entry.name, entry.path, times_ns(entry.stat()))
        while links and not pending:
            enter(*heappop(links))


_HAS_CTIME = os.name != "nt"  # there the field is the time of creation


def times_ns(of: os.stat_result) -> tuple[int, int]:
    """The last change of the content, and of any kind."""
    return of.st_mtime_ns, of.st_ctime_ns if _HAS_CTIME else 0


def list_folders(folders: Sequence[str]) -> list[Listing]:
    """As :func:`list_folder` of each; of large ones at the same time."""
    jobs = [(list_folder, (folder,)) for folder in folders]
    if len(os.listdir(folders[-1])) < _MANY_FILES:  # noqa: PTH208 (text)
        return [list_folder(folder) for folder in folders]
    return in_parallel(jobs)


def is_unchanged(folder: str, arrays: dict[str, NDArray]) -> bool:
    """Whether a folder shows the same files, of the same sizes and times, as when :meth:`Listing.arrays` was made.

    A folder whose own times are the same has had no file added, removed or renamed: then nothing is listed, and one
    question a file is all that is asked of the system, in the order of the names, which is mostly that of the disk.
    """
    try:
        with open_folder(folder) as place:
            folders = Names(arrays["folders"], arrays["folder_starts"])
            found = read_stamps(place, [name or b"." for name in folders.texts()])
            if (found[:, MODIFIED_NS:] != arrays["folder_stamps"][:, MODIFIED_NS:]).any():
                return False
            names, stamps = Names(arrays["names"], arrays["starts"]), arrays["stamps"]
            for start in range(0, len(stamps), _BATCH):
                stop = min(start + _BATCH, len(stamps))
                if not np.array_equal(_stamps_of(place, names, start, stop), stamps[start:stop]):
                    return False
            return True
    except OSError:
        return False


_HAS_DIR_FD = {os.stat, os.open} <= os.supports_dir_fd


@contextmanager
def open_folder(folder: str) -> Iterator[int | str]:
    """A descriptor, relative to which files are reached in fewer steps; the path where there are none."""
    if not _HAS_DIR_FD:
        yield folder
        return
    handle = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield handle
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
_STATX_MASK = 0x0040 | 0x0080 | 0x0200  # both times, the size
_STATX_WORDS, _SIZE_AT, _CHANGED_AT, _MODIFIED_AT = 32, 5, 12, 14  # of a time: the seconds, then the nanoseconds


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


def _stamps_of(folder: int | str, names: Names, start: int, stop: int) -> Stamps:
    if _STATX is None or isinstance(folder, str):
        return read_stamps(folder, names.texts(start, stop))
    joined = names.joined[names.starts[start] : names.starts[stop]]
    pointers = (names.starts[start:stop] - names.starts[start] + joined.ctypes.data).tolist()
    found: NDArray[np.int64] = np.zeros((stop - start, _STATX_WORDS), dtype=np.int64)
    first = found.ctypes.data
    targets: Iterable[int] = range(first, first + found.nbytes, _STATX_WORDS * 8)
    failed: Any = list(map(_STATX, repeat(folder), pointers, repeat(0), repeat(_STATX_MASK), targets))
    stamps = np.empty((stop - start, 3), dtype=np.int64)
    stamps[:, SIZE] = found[:, _SIZE_AT]
    for column, at in ((MODIFIED_NS, _MODIFIED_AT), (CHANGED_NS, _CHANGED_AT)):
        stamps[:, column] = found[:, at] * 10**9 + (found[:, at + 1] & 0xFFFFFFFF)
    stamps[np.array(failed) != 0] = 0
    return stamps


def read_stamps(folder: int | str, names: Sequence[bytes]) -> Stamps:
    """Stamps of files, named relative to a folder, which is open where the system can use that."""
    stamps: NDArray[np.int64] = np.zeros((len(names), 3), dtype=np.int64)
    for at, name in enumerate(names):
        try:
            if isinstance(folder, str):
                found = os.stat(f"{folder}/{os.fsdecode(name)}")  # noqa: PTH116 (a Path costs more than the call)
            else:
                found = os.stat(name, dir_fd=folder)
        except OSError:
            continue
        stamps[at] = found.st_size, *times_ns(found)
    return stamps
