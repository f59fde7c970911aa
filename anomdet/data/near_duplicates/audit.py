"""Near-duplicates among the images of a data set: hashed once, kept, and compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anomdet.data.index.cache_lock import locked
from anomdet.data.near_duplicates.cache import Kept, Stamps, cache_file, load, nothing_kept, save, stamp_files
from anomdet.data.near_duplicates.hashes import BLANK, HASHED, UNREADABLE, Hashes, hash_files
from anomdet.data.near_duplicates.kinds import near_candidates
from anomdet.data.near_duplicates.likeness import MIN_LIKENESS, bytes_to_read, likeness_of_pairs
from anomdet.layout import IMAGES_DIR

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
        num_alike: images of kinds of 64 or more that all look alike, compared by what distinguishes them.
    """

    names: tuple[str, ...]
    pairs: NDArray[np.int64]
    distances: NDArray[np.int64]
    likeness: NDArray[np.float32]
    num_blank: int
    num_unreadable: int
    complete: bool
    num_alike: int = 0

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
        num_images: that were not compared before.
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
        max_bytes: of images without a hash or in pairs not compared before, that may be read; None: all.
    """
    folder, path = data_dir / IMAGES_DIR, cache_file(data_dir)
    stamps = stamp_files(folder, names)
    if _last and _last[0][:2] == (stamps, path):
        return _last[0][2]
    with locked(path, f"the near-duplicates of {data_dir}"):
        kept = _brought_up_to_date(folder, stamps, load(path), path, max_bytes)
    if isinstance(kept, Postponed):
        return kept
    states = np.bincount(kept.hashes.states, minlength=3)
    same = kept.likeness >= MIN_LIKENESS
    found = Audit(
        stamps.names,
        kept.pairs[same],
        kept.distances[same],
        kept.likeness[same],
        int(states[BLANK]),
        int(states[UNREADABLE]),
        kept.complete,
        kept.num_alike,
    )
    _last[:] = [(stamps, path, found)]
    return found


def find_pairs(folder: Path, names: Sequence[str]) -> NDArray[np.int64]:
    """``(P, 2)`` rows of near-duplicates among any images, the smaller first; nothing is kept on disk.

    Args:
        folder: that the names are relative to.
        names: of the files.
    """
    pairs = _candidates(hash_files(folder, names)).pairs
    found: NDArray[np.int64] = pairs[likeness_of_pairs(folder, names, pairs) >= MIN_LIKENESS]
    return found


def _brought_up_to_date(
    folder: Path, stamps: Stamps, kept: Kept, path: Path | None, max_bytes: int | None
) -> Kept | Postponed:
    """What is known of the files as they are now; what had to be found out is kept, whatever comes of the rest."""
    rows = stamps.rows_as_in(kept.stamps)
    if len(kept.stamps.names):  # a file that could not be read may be readable today
        rows = np.where((rows >= 0) & (kept.hashes.states[rows] != UNREADABLE), rows, -1)
    new = np.flatnonzero(rows < 0)
    num_bytes = int(np.maximum(stamps.sizes[new], 0).sum())
    if max_bytes is not None and num_bytes > max_bytes:
        return Postponed(len(new), num_bytes)
    if not len(new) and kept.stamps == stamps and kept.is_compared:
        return kept
    hashes = _with_new(folder, stamps, kept, rows)
    candidates = _candidates(hashes)
    known = _known_likeness(candidates.pairs, rows, kept)
    kept = replace(candidates, stamps=stamps, hashes=hashes, likeness=known)
    missing = np.isnan(known)
    num_bytes += bytes_to_read(candidates.pairs[missing], stamps.sizes)
    if max_bytes is not None and num_bytes > max_bytes:
        save(path, _part(kept, ~missing))
        return Postponed(len(np.unique(candidates.pairs[missing])), num_bytes)
    known[missing] = likeness_of_pairs(folder, stamps.names, candidates.pairs[missing])
    save(path, kept)
    return kept


def _part(kept: Kept, known: NDArray[np.bool_]) -> Kept:
    """With the pairs alone that were compared."""
    pairs, distances, likeness = kept.pairs[known], kept.distances[known], kept.likeness[known]
    return replace(kept, pairs=pairs, distances=distances, likeness=likeness, is_compared=False)


def _known_likeness(pairs: NDArray[np.int64], rows: NDArray[np.int64], kept: Kept) -> NDArray[np.float32]:
    """``(P,)`` of the pairs that were compared before, nan of the others.

    Args:
        pairs: ``(P, 2)`` of the images now.
        rows: ``(N,)`` of each image among the kept; -1: new, or changed.
        kept: of before.
    """
    known = np.full(len(pairs), np.nan, np.float32)
    if not len(kept.pairs):
        return known
    before = np.sort(rows[pairs], axis=1)
    count = len(kept.stamps.names)
    wanted, had = before[:, 0] * count + before[:, 1], np.sort(kept.pairs, axis=1) @ np.array([count, 1])
    order = np.argsort(had)
    at = order[np.minimum(np.searchsorted(had, wanted, sorter=order), len(had) - 1)]
    found = (before[:, 0] >= 0) & (had[at] == wanted)
    known[found] = kept.likeness[at[found]]
    return known


def _with_new(folder: Path, stamps: Stamps, kept: Kept, rows: NDArray[np.int64]) -> Hashes:
    """The hashes of all images: those kept, and those of files that are new or have changed."""
    new = np.flatnonzero(rows < 0)
    fresh = hash_files(folder, [stamps.names[row] for row in new])
    if len(new) == len(rows):
        return fresh
    hashes = kept.hashes.of_rows(rows)
    hashes.bits[new], hashes.states[new], hashes.cells[new] = fresh.bits, fresh.states, fresh.cells
    return hashes


def _candidates(hashes: Hashes) -> Kept:
    """The pairs that are worth a comparison of their detail, which is not there yet."""
    rows = np.flatnonzero(hashes.states == HASHED)
    most = max(_MIN_PAIRS, _PAIRS_PER_IMAGE * len(rows))
    near, num_alike = near_candidates(hashes.of_rows(rows))
    pairs, distances, complete = rows[near.pairs], near.distances, near.complete
    if len(pairs) > most:
        nearest = np.sort(np.argsort(distances, kind="stable")[:most])
        pairs, distances, complete = pairs[nearest], distances[nearest], False
    return replace(nothing_kept(), pairs=pairs, distances=distances, complete=complete, num_alike=num_alike)
