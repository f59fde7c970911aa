"""Hashes kept between runs, in the user's cache folder: an image is read again only when its file has changed."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anomdet.data.index.cache_folder import cache_folder, folder_key
from anomdet.data.index.listing import times_ns as times_of
from anomdet.data.near_duplicates.hashes import Hashes, no_hashes
from anomdet.outputs import atomic_write

_VERSION = 4  # raised when hashes, pairs or likeness mean something else


@dataclass(frozen=True)
class Stamps:
    """What shows that image files are the same as before.

    Args:
        names: relative to images/.
        sizes: ``(N,)`` bytes.
        times_ns: ``(N, 2)`` of the last change of the content, and of any kind, as in :data:`listing.Stamps`.
    """

    names: tuple[str, ...]
    sizes: NDArray[np.int64]
    times_ns: NDArray[np.int64]

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Stamps)
            and self.names == other.names
            and np.array_equal(self.sizes, other.sizes)
            and np.array_equal(self.times_ns, other.times_ns)
        )

    def rows_as_in(self, kept: Stamps) -> NDArray[np.int64]:
        """``(N,)`` row of the same unchanged file in ``kept``; -1: there is none."""
        if self == kept:
            return np.arange(len(self.names))
        row_of = {name: row for row, name in enumerate(kept.names)}
        rows = np.fromiter((row_of.get(name, -1) for name in self.names), np.int64, len(self.names))
        if not len(kept.names):
            return rows
        same = (kept.sizes[rows] == self.sizes) & (kept.times_ns[rows] == self.times_ns).all(axis=1)
        return np.where((rows >= 0) & same, rows, -1)


def stamp_files(folder: Path, names: Sequence[str]) -> Stamps:
    """The stamps of image files; a file that is gone has -1 throughout."""
    sizes, times_ns = np.full(len(names), -1, np.int64), np.full((len(names), 2), -1, np.int64)
    for row, name in enumerate(names):
        with suppress(OSError):
            stat = os.stat(f"{folder}/{name}")  # noqa: PTH116 (a Path costs more than the call)
            sizes[row], times_ns[row] = stat.st_size, times_of(stat)
    return Stamps(tuple(names), sizes, times_ns)


@dataclass(frozen=True)
class Kept:
    """What an earlier audit found.

    Args:
        stamps: of ``N`` files.
        hashes: of these.
        pairs: ``(P, 2)`` rows of all pairs that were compared, near-duplicates or not; the smaller row first.
        distances: ``(P,)`` bits.
        likeness: ``(P,)``.
        complete: whether these are all pairs.
        num_alike: images that look like many others.
        is_compared: False: there are hashes alone.
    """

    stamps: Stamps
    hashes: Hashes
    pairs: NDArray[np.int64]
    distances: NDArray[np.int64]
    likeness: NDArray[np.float32]
    complete: bool = True
    num_alike: int = 0
    is_compared: bool = True


def nothing_kept() -> Kept:
    none: NDArray[np.int64] = np.zeros(0, np.int64)
    no_stamps = Stamps((), none, none.reshape(0, 2))
    return Kept(no_stamps, no_hashes(0), none.reshape(0, 2), none, none.astype(np.float32))


def cache_file(data_dir: Path) -> Path | None:
    """Where the hashes of a data folder are kept; None where none can be written."""
    folder = cache_folder()
    return None if folder is None else folder / f"{folder_key(data_dir)}.leaks.npz"


def load(path: Path | None) -> Kept:
    """What is kept; nothing if there is no such file, or it is damaged or of another version."""
    if path is None:
        return nothing_kept()
    try:
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:  # it leaves a damaged one open
            if int(file["version"]) != _VERSION:
                return nothing_kept()
            names = tuple(file["names"].tobytes().decode("utf-8", "surrogateescape").split("\0"))
            kept = Kept(
                Stamps(names, file["sizes"], file["times_ns"]),
                Hashes(file["bits"], file["states"], file["cells"]),
                file["pairs"],
                file["distances"],
                file["likeness"],
                bool(file["complete"]),
                int(file["num_alike"]),
                bool(file["is_compared"]),
            )
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return nothing_kept()
    return kept if len(names) == len(kept.stamps.sizes) == len(kept.hashes.bits) else nothing_kept()


def save(path: Path | None, kept: Kept) -> None:
    """Write what is kept, atomically; where that is not possible, it is not kept."""
    if path is None:
        return
    names = np.frombuffer("\0".join(kept.stamps.names).encode("utf-8", "surrogateescape"), np.uint8)
    with suppress(OSError), atomic_write(path) as file:
        np.savez(
            file,
            version=_VERSION,
            names=names,
            sizes=kept.stamps.sizes,
            times_ns=kept.stamps.times_ns,
            bits=kept.hashes.bits,
            states=kept.hashes.states,
            cells=kept.hashes.cells,
            pairs=kept.pairs,
            distances=kept.distances,
            likeness=kept.likeness,
            complete=kept.complete,
            num_alike=kept.num_alike,
            is_compared=kept.is_compared,
        )
