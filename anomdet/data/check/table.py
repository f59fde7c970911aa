"""All boxes of a data set in one table, so that whatever looks at all of them is quick."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anomdet.data.check.lines import Row

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


class BoxCollector:
    """Rows in, a :class:`Boxes` out; a box takes 64 bytes meanwhile."""

    def __init__(self) -> None:
        self._files: list[str] = []
        self._integers = array("q")
        self._numbers = array("d")

    def add(self, file: str, rows: Iterable[Row], size_wh: tuple[float, float]) -> None:
        """The objects of one label file; ``size_wh`` of its image, nan where it is not known."""
        at = len(self._files)
        self._files.append(file)
        for line, class_num, values in rows:
            self._integers.extend((at, line, class_num))
            self._numbers.extend(values + size_wh)

    def boxes(self) -> Boxes:
        """Everything added so far."""
        integers = np.array(self._integers, dtype=np.int64).reshape(-1, 3)
        numbers = np.array(self._numbers, dtype=np.float64).reshape(-1, 6)
        file_at, line_nums, class_nums = integers.T
        return Boxes(self._files, file_at, line_nums, class_nums, numbers[:, :4], numbers[:, 4:])
