"""Near-duplicates among the images of a data set: hashed once, kept, and compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anomdet.data.cache_lock import locked
from anomdet.data.leaks.cache import Kept, Stamps, cache_file, load, save, stamp_files
from anomdet.data.leaks.hashes import BLANK, HASHED, UNREADABLE, Hashes, hash_files
from anomdet.data.leaks.likeness import MIN_LIKENESS, likeness_of_pairs
from anomdet.data.leaks.pairs import near_pairs

MAX_DISTANCE = 56
"""Of 256 bits; chosen on DeepPCB's twins and on photographs drawn twice, see benchmarks/leaks.py."""
AFFORDABLE_BYTES = 1 << 30
"""Of images without a hash yet, that are read without being asked for: some ten seconds' work."""
_MIN_PAIRS, _PAIRS_PER_IMAGE = 2_000, 4


@dataclass(frozen=True)
class Audit:
    """The near-duplicates of a data set.

    Args:
        names: of the images.
        pairs: ``(P, 2)`` rows of ``names``, the smaller first, ascending.
        distances: ``(P,)`` bits of 256 in which their hashes differ.
        likeness: ``(P,)`` of their fine detail, from 0.8 to 1.
        num_blank: images of nearly one grey, which have nothing to compare.
        num_unreadable: images that could not be read.
        complete: False where so many images are alike that only the nearest pairs were compared.
    """

    names: tuple[str, ...]
    pairs: NDArray[np.int64]
    distances: NDArray[np.int64]
    likeness: NDArray[np.float32]
    num_blank: int
    num_unreadable: int
    complete: bool

    def across(self, split_of: NDArray[np.int64]) -> NDArray[np.int64]:
        """Rows of ``pairs`` whose images are in two splits.

        Args:
            split_of: ``(N,)`` number of the split of each image; -1: in none.
        """
        first, second = split_of[self.pairs].reshape(-1, 2).T
        return np.flatnonzero((first != second) & (first >= 0) & (second >= 0))


@dataclass(frozen=True)
class Postponed:
    """Not looked at, because it would take too long to do unasked.

    Args:
        num_images: without a hash yet.
        num_bytes: of these.
    """

    num_images: int
    num_bytes: int

    def __str__(self) -> str:
        return f"{self.num_images:,} images ({self.num_bytes / 1e9:.1f} GB) that were not compared before"


_last: list[tuple[Stamps, Path | None, Audit]] = []


def audit_images(data_dir: Path, names: Sequence[str], *, max_bytes: int | None = None) -> Audit | Postponed:
    """Find the near-duplicates; what did not change since the last time is taken from the cache.

    Args:
        data_dir: holds images/.
        names: of the images, relative to it.
        max_bytes: of images without a hash, that may be read; None: all.
    """
    folder, path = data_dir / "images", cache_file(data_dir)
    stamps = stamp_files(folder, names)
    if _last and _last[0][:2] == (stamps, path):
        return _last[0][2]
    with locked(path, f"the near-duplicates of {data_dir}"):
        kept = load(path)
        rows = stamps.rows_as_in(kept.stamps)
        new = np.flatnonzero(rows < 0)
        num_bytes = int(np.maximum(stamps.sizes[new], 0).sum())
        if max_bytes is not None and num_bytes > max_bytes:
            return Postponed(len(new), num_bytes)
        if len(new) or kept.stamps != stamps:
            kept = _compare(folder, stamps, _with_new(folder, stamps, kept, rows))
            save(path, kept)
    states = np.bincount(kept.hashes.states, minlength=3)
    found = Audit(
        stamps.names,
        kept.pairs,
        kept.distances,
        kept.likeness,
        int(states[BLANK]),
        int(states[UNREADABLE]),
        kept.complete,
    )
    _last[:] = [(stamps, path, found)]
    return found


def _with_new(folder: Path, stamps: Stamps, kept: Kept, rows: NDArray[np.int64]) -> Hashes:
    """The hashes of all images: those kept, and those of files that are new or have changed."""
    new = np.flatnonzero(rows < 0)
    fresh = hash_files(folder, [stamps.names[row] for row in new])
    if len(new) == len(rows):
        return fresh
    bits, states = kept.hashes.bits[rows], kept.hashes.states[rows]
    bits[new], states[new] = fresh.bits, fresh.states
    return Hashes(bits, states)


def _compare(folder: Path, stamps: Stamps, hashes: Hashes) -> Kept:
    rows = np.flatnonzero(hashes.states == HASHED)
    near = near_pairs(hashes.bits[rows], MAX_DISTANCE)
    pairs, distances, complete = rows[near.pairs], near.distances, near.complete
    most = max(_MIN_PAIRS, _PAIRS_PER_IMAGE * len(rows))
    if len(pairs) > most:
        nearest = np.sort(np.argsort(distances, kind="stable")[:most])
        pairs, distances, complete = pairs[nearest], distances[nearest], False
    likeness = likeness_of_pairs(folder, stamps.names, pairs)
    same = likeness >= MIN_LIKENESS
    return Kept(stamps, hashes, pairs[same], distances[same], likeness[same], complete)
