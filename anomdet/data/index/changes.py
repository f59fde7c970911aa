"""Which files of a split have changed since a run began: by size and time, without reading one."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anomdet.data.index.columns import Columns, name_bytes
from anomdet.data.index.listing import MODIFIED_NS, SIZE, open_folder, read_stamps
from anomdet.layout import IMAGES_DIR, LABELS_DIR

_BATCH = 1024


class FileStamps:
    """Sizes and times of the images and label files of a split; 32 bytes and about 8 us an image.

    Args:
        data_dir: holds images/ and labels/.
        columns: of the data set.
        positions: in ``columns``, of the images.
    """

    def __init__(self, data_dir: str | Path, columns: Columns, positions: Sequence[int] | NDArray[np.integer]) -> None:
        self._folders = [os.path.join(data_dir, name) for name in (IMAGES_DIR, LABELS_DIR)]  # noqa: PTH118
        self._columns, self._positions = columns, np.asarray(positions)
        self._known = np.zeros((2, len(self._positions), 2), dtype=np.int64)
        self._next = 0
        self.changed(None)

    def changed(self, budget_s: float | None) -> list[str]:
        """The files, as ``labels/a.txt``, that have another size or time than at the last look, or are gone.

        Args:
            budget_s: after so much time the rest is left for the next call, which begins there; None: look at all.
        """
        found: list[str] = []
        until = None if budget_s is None else time.monotonic() + budget_s
        with ExitStack() as stack:
            try:
                places = [stack.enter_context(open_folder(folder)) for folder in self._folders]
            except OSError:
                return [f"{Path(folder).name}/" for folder in self._folders if not Path(folder).is_dir()]
            for _ in range(0, len(self._positions), _BATCH):
                found += self._look(places)
                if until is not None and time.monotonic() > until:
                    break
        return found

    def _look(self, places: Sequence[int | str]) -> list[str]:
        """At the next batch."""
        start, stop = self._next, min(self._next + _BATCH, len(self._positions))
        self._next = stop % len(self._positions)
        images = [name_bytes(self._columns, at) for at in self._positions[start:stop].tolist()]
        labels = [name.rpartition(b".")[0] + b".txt" for name in images]
        found = []
        for kind, (folder, place, names) in enumerate(zip(self._folders, places, (images, labels), strict=True)):
            now = read_stamps(place, names)[:, [SIZE, MODIFIED_NS]]
            at = np.flatnonzero((now != self._known[kind, start:stop]).any(axis=1))
            found += [f"{Path(folder).name}/{os.fsdecode(names[i])}" for i in at.tolist()]
            self._known[kind, start:stop] = now
        return found
