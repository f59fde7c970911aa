"""The index of a large data folder on disk: one file that all processes map into their memory.

A file is a fixed head (magic, length and checksum of what follows), a JSON header, and arrays at multiples of 64 bytes.
It is trusted only where its checksums are right and all files of the data folder have the names, sizes and times that
stand in it. Whatever is wrong with it or with its place, the folder is read anew.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import struct
import time
import uuid
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anomdet.data.index.cache_folder import cache_folder, folder_key, machine
from anomdet.data.index.cache_lock import locked
from anomdet.data.index.columns import ARRAYS, Columns
from anomdet.data.index.listing import CHANGED_NS, MODIFIED_NS, Listing, is_unchanged
from anomdet.data.index.parallel import in_parallel
from anomdet.outputs import atomic_write

_VERSION = 4
_MAGIC = b"anomdet index\n"
_HEAD = struct.Struct("<14sII")
_ALIGN = 64
_MIN_FILES_EACH = 50_000  # for which another process is worth its start
_COARSE_NS = 2 * 10**9  # no file system in use counts time in larger steps
_AHEAD_NS = 60 * 10**9  # of a file server's clock
_KEEP_OLD_S = 24 * 3600
_KEEP_UNUSED_S = 30 * _KEEP_OLD_S
_OUR_FILE = re.compile(r"[0-9a-f]{24}-.+?(?:\.[0-9a-f]{32}\.old|\.index)")
_MAX_SIDE_FILES = 16


@dataclass(frozen=True)
class Stored:
    """An index that was opened.

    Args:
        path: of its file.
        header: ``id``, ``machine``, ``data_dir``, ``meta`` and where the arrays are.
        arrays: name to array, mapped from the file.
    """

    path: Path
    header: dict[str, Any]
    arrays: dict[str, NDArray]

    @property
    def columns(self) -> Columns:
        """The images, which another process opens again in place of getting a copy."""
        arrays: dict[str, Any] = {name: self.arrays[name] for name in ARRAYS}
        return Columns(**arrays, reopen=(reopen_columns, (str(self.path), self.header["id"])))

    def is_current(self) -> bool:
        """Whether the data folder has still the same files, and this file is intact."""
        data_dir = self.header["data_dir"]
        folders = [(f"{data_dir}/{kind}", _below(self.arrays, kind)) for kind in ("images", "labels")]
        if min(len(arrays["stamps"]) for _, arrays in folders) < _MIN_FILES_EACH:
            return self.is_intact() and all(is_unchanged(*folder) for folder in folders)
        jobs: list[tuple[Callable, tuple]] = [
            (lambda: self.is_intact() and is_unchanged(*folders[0]), ()),  # here, while the other process starts
            (_is_unchanged_in, (str(self.path), self.header["id"], "labels")),
        ]
        return all(in_parallel(jobs))

    def is_intact(self) -> bool:
        """Whether the arrays have their checksum; the file is read, not mapped, so that no memory is held by it."""
        checksum = 0
        with self.path.open("rb") as file:
            file.seek(self.header["start"])
            while block := file.read(1 << 22):
                checksum = zlib.crc32(block, checksum)
        return bool(checksum == self.header["checksum"])


def _below(arrays: dict[str, NDArray], kind: str) -> dict[str, NDArray]:
    return {name.partition("/")[2]: array for name, array in arrays.items() if name.startswith(f"{kind}/")}


def _is_unchanged_in(path: str, index_id: str, kind: str) -> bool:
    stored = open_stored(Path(path))
    if stored is None or stored.header["id"] != index_id:
        return False
    return is_unchanged(f"{stored.header['data_dir']}/{kind}", _below(stored.arrays, kind))


def reopen_columns(path: str, index_id: str) -> Columns:
    """The columns of an index that this or another process has open.

    Raises:
        FileNotFoundError: it was replaced more than a day ago.
    """
    for place in (Path(path), _old_path(Path(path), index_id)):
        stored = open_stored(place)
        if stored is not None and stored.header["id"] == index_id:
            mark_used(place)
            return stored.columns
    raise FileNotFoundError(f"{path}: the index of the data was replaced while it was in use")


def _old_path(path: Path, index_id: str) -> Path:
    return path.with_suffix(f".{index_id}.old")


def mark_used(path: Path) -> None:
    """Put off the day on which the file counts as forgotten."""
    with contextlib.suppress(OSError):
        os.utime(path)


def cache_path(data_dir: str, *settings: str) -> Path | None:
    """The file for a data folder (its real path) read with some settings; None where none can be written."""
    folder = cache_folder()
    return None if folder is None else folder / f"{'-'.join((folder_key(data_dir), *settings))}.index"


def open_stored(path: Path) -> Stored | None:
    """The index in a file; None if there is none, or a damaged one."""
    try:
        with path.open("rb") as file:
            magic, length, checksum = _HEAD.unpack(file.read(_HEAD.size))
            text = file.read(length)
            if magic != _MAGIC or len(text) != length or zlib.crc32(text) != checksum:
                return None
            header = json.loads(text)
            if header["version"] != _VERSION or os.fstat(file.fileno()).st_size != header["size"]:
                return None
            raw = np.asarray(np.memmap(file, dtype=np.uint8, mode="r"))
        arrays = {
            name: raw[at : at + num_bytes].view(dtype).reshape(shape)
            for name, (dtype, shape, at, num_bytes) in header["arrays"].items()
        }
    except (OSError, struct.error, ValueError, KeyError):
        return None
    return Stored(path, header, arrays)


def is_settled(listings: tuple[Listing, Listing], started_ns: int) -> bool:
    """Whether all files were left alone for longer than the steps of their clock before they were listed.

    Of others a later change may show neither in their size nor in their time.
    """
    recent = [
        (times > started_ns - _COARSE_NS) & (times < time.time_ns() + _AHEAD_NS)
        for listing in listings
        for stamps in (listing.stamps, listing.folder_stamps)
        for times in (stamps[:, MODIFIED_NS], stamps[:, CHANGED_NS])
    ]
    return not any(one.any() for one in recent)


def store(path: Path, data_dir: str, listings: tuple[Listing, Listing], columns: Columns, meta: Any) -> Stored | None:
    """Write an index in the place of an older one, and open it; None if that fails."""
    header = {"version": _VERSION, "machine": machine(), "data_dir": data_dir, "meta": meta}
    arrays = {name: getattr(columns, name) for name in ARRAYS}
    for kind, listing in zip(("images", "labels"), listings, strict=True):
        arrays |= {f"{kind}/{name}": array for name, array in listing.arrays().items()}
    try:
        _put_aside(path)
        with atomic_write(path) as file:
            for block in _blocks(arrays, header):
                file.write(block)
        return open_stored(path)
    except OSError:
        return None


def _blocks(arrays: dict[str, NDArray], header: dict[str, Any]) -> Iterator[bytes | memoryview]:
    blocks: list[bytes | memoryview] = []
    places: dict[str, list[Any]] = {}
    at = checksum = 0
    for name, array in arrays.items():
        block = np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
        padding = bytes(-block.nbytes % _ALIGN)
        places[name] = [array.dtype.str, array.shape, at, block.nbytes]
        checksum = zlib.crc32(padding, zlib.crc32(block, checksum))
        blocks += [block, padding]
        at += block.nbytes + len(padding)
    header |= {"id": uuid.uuid4().hex, "checksum": checksum, "start": 0, "size": 0, "arrays": places}
    room = len(json.dumps(header)) + 24 * (len(places) + 2)  # the places grow by what stands before them
    start = -(-(_HEAD.size + room) // _ALIGN) * _ALIGN
    header |= {"start": start, "size": start + at}
    header["arrays"] = {name: [*place[:2], place[2] + start, place[3]] for name, place in places.items()}
    text = json.dumps(header).encode().ljust(start - _HEAD.size)
    yield _HEAD.pack(_MAGIC, len(text), zlib.crc32(text))
    yield text
    yield from blocks


def _put_aside(path: Path) -> None:
    """Make room: the older index is kept for a day, for the workers of a run that still reads it."""
    old = open_stored(path)
    if old is not None:
        aside = path.replace(_old_path(path, old.header["id"]))
        mark_used(aside)
    for side in path.parent.glob(f"{path.stem}.*.npy"):
        side.unlink(missing_ok=True)
    for one in path.parent.glob("*"):
        # By their names: the user may have named a folder that holds other things too.
        with contextlib.suppress(OSError):
            if _OUR_FILE.fullmatch(one.name) and _is_forgotten(one):
                one.unlink()


def _is_forgotten(path: Path) -> bool:
    """An old index after a day, any after a month, and one whose folder is no more on this machine."""
    unused_s = time.time() - path.lstat().st_mtime
    if unused_s > (_KEEP_OLD_S if path.suffix == ".old" else _KEEP_UNUSED_S):
        return True
    stored = open_stored(path) if path.suffix == ".index" else None
    if stored is None or stored.header["machine"] != machine():
        return False
    return not os.path.isdir(stored.header["data_dir"])  # noqa: PTH112 (text)


def remembered(columns: Columns, name: str, make: Callable[[], NDArray]) -> NDArray:
    """What was made from some columns: from beside their file, if it was made before; else made now, and left there.

    Args:
        columns: of any kind; what is not on disk has nothing beside it.
        name: of the thing, with all that it depends on.
        make: makes it.
    """
    if columns.reopen is None:
        return make()
    path, index_id = Path(columns.reopen[1][0]), columns.reopen[1][1]
    side = path.with_suffix(f".{hashlib.sha256(f'{index_id} {name}'.encode()).hexdigest()[:24]}.npy")
    with locked(path, f"what is made from {path.name}"):
        with contextlib.suppress(OSError, ValueError, EOFError):
            result: NDArray = np.load(side, mmap_mode="r")
            return result
        made = make()
        with contextlib.suppress(OSError):
            others = sorted(path.parent.glob(f"{path.stem}.*.npy"), key=lambda one: one.stat().st_mtime)
            for one in others[: max(0, len(others) - _MAX_SIDE_FILES + 1)]:
                one.unlink(missing_ok=True)
            with atomic_write(side) as file:
                np.save(file, made)
    return made


def run_token() -> str | None:
    """What the processes have in common that torchrun started together on this machine; None for a process alone.

    It is the process that started them, with its own start (a number of a process is used again) and how often it has
    started them. On systems without /proc each process checks the folder for itself.
    """
    if "TORCHELASTIC_RUN_ID" not in os.environ or os.environ.get("LOCAL_WORLD_SIZE", "1") == "1":
        return None
    parent = os.getppid()
    try:
        start = (
            Path(f"/proc/{parent}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[19]
        )
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except (OSError, IndexError):
        return None
    count = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    return f"{boot} {parent} {start} {count} {os.environ['TORCHELASTIC_RUN_ID']}"


def was_checked_by(run: str | None, stored: Stored) -> bool:
    """Whether another process of this run has found the index to be current."""
    if run is None:
        return False
    try:
        return bool(json.loads(stored.path.with_suffix(".run").read_bytes()) == [run, stored.header["id"]])
    except (OSError, ValueError):
        return False


def mark_checked(run: str | None, stored: Stored) -> None:
    """Let the others know of this run."""
    if run is not None:
        with contextlib.suppress(OSError), atomic_write(stored.path.with_suffix(".run")) as file:
            file.write(json.dumps([run, stored.header["id"]]).encode())
