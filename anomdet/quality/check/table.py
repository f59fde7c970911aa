"""All boxes of a data set in one table, so that whatever looks at all of them is quick."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anomdet.quality.check.lines import Row

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Boxes:
    """N boxes in the order of files and lines.

    Args:
        files: the label files, relative to the data folder.
        file_at: ``(N,)`` positions in ``files``.
        line_nums: ``(N,)``, from 1.
        class_nums: ``(N,)``.
        values: ``(N, 4)`` as written.
        size_wh: ``(N, 2)`` of the upright image, pixels; nan where it is not known.
    """

    files: Sequence[str]
    file_at: Ints
    line_nums: Ints
    class_nums: Ints
    values: Floats
    size_wh: Floats

    def __len__(self) -> int:
        return len(self.file_at)

    def place(self, at: int) -> tuple[str, int]:
        """File and line of a box, for a finding."""
        return self.files[self.file_at[at]], int(self.line_nums[at])


@dataclass(frozen=True)
class Rows:
    """M objects of n label files, in their order.

    Args:
        counts: int64 ``(n,)``, objects of each file.
        line_nums: int64 ``(M,)``, from 1.
        class_nums: int64 ``(M,)``.
        values: float64 ``(M, 4)`` as written.
    """

    counts: Ints
    line_nums: Ints
    class_nums: Ints
    values: Floats

    def with_others(self, others: Mapping[int, Sequence[Row]]) -> Rows:
        """With the objects of files that have none so far, by the position of the file."""
        if not others:
            return self
        counts = self.counts.copy()
        for at, rows in others.items():
            counts[at] = len(rows)
        added = [row for rows in others.values() for row in rows]
        file_at = np.repeat(np.arange(len(counts)), self.counts)
        added_at = np.repeat(np.array(list(others), dtype=np.int64), [len(rows) for rows in others.values()])
        order = np.argsort(np.concatenate([file_at, added_at]), kind="stable")
        integers = np.array([row[:2] for row in added], dtype=np.int64).reshape(-1, 2)
        values = np.array([row.values for row in added], dtype=np.float64).reshape(-1, 4)
        return Rows(
            counts,
            np.concatenate([self.line_nums, integers[:, 0]])[order],
            np.concatenate([self.class_nums, integers[:, 1]])[order],
            np.concatenate([self.values, values])[order],
        )


def concatenate_rows(parts: Sequence[Rows]) -> Rows:
    """Those of some files, then those of the next."""
    if len(parts) == 1:
        return parts[0]
    nothing = np.zeros(0, dtype=np.int64)
    return Rows(
        np.concatenate([nothing, *(part.counts for part in parts)]),
        np.concatenate([nothing, *(part.line_nums for part in parts)]),
        np.concatenate([nothing, *(part.class_nums for part in parts)]),
        np.concatenate([np.zeros((0, 4)), *(part.values for part in parts)]),
    )


def make_boxes(files: Sequence[str], rows: Rows, size_wh: Floats) -> Boxes:
    """The table of all boxes.

    Args:
        files: the label files, relative to the data folder.
        rows: theirs.
        size_wh: ``(files, 2)`` of their images, nan where it is not known.
    """
    file_at = np.repeat(np.arange(len(files)), rows.counts)
    return Boxes(files, file_at, rows.line_nums, rows.class_nums, rows.values, size_wh[file_at])
