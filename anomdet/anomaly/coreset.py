"""The few patches that stand for all: greedy k-center on random projections, in bounded memory.

Roth et al., "Towards Total Recall in Industrial Anomaly Detection", CVPR 2022, section 3.2. Random projections keep
distances (Johnson and Lindenstrauss); :class:`Reservoir` bounds what the greedy choice looks at.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
PROJECTED_DIMS = 32


class Reservoir:
    """An even random sample of rows that come in blocks, each row with a number that goes with it.

    Algorithm R of Vitter (1985), a block at a time: memory for ``size`` rows whatever comes.
    """

    def __init__(self, size: int, seed: int) -> None:
        self.size = size
        self.seen = 0
        self._rng = np.random.default_rng(seed)
        self._rows: Floats | None = None
        self._numbers: NDArray[np.int64] = np.empty(size, dtype=np.int64)

    def add(self, rows: Floats, number: int) -> None:
        """Offer rows ``(N, D)``, all with one number, as that of their image."""
        if self._rows is None:
            self._rows = np.empty((self.size, rows.shape[1]), dtype=np.float32)
        order = self.seen + np.arange(len(rows))
        places = np.where(order < self.size, order, self._rng.integers(0, order + 1))
        kept = places < self.size
        self._rows[places[kept]] = rows[kept]
        self._numbers[places[kept]] = number
        self.seen += len(rows)

    @property
    def rows(self) -> Floats:
        """``(min(seen, size), D)``."""
        assert self._rows is not None, "nothing was added"
        return self._rows[: self.seen]

    @property
    def numbers(self) -> NDArray[np.int64]:
        """The number of each of :attr:`rows`."""
        return self._numbers[: self.seen]


def k_center(rows: Floats, count: int, *, seed: int) -> NDArray[np.int64]:
    """Positions of ``count`` rows such that no row is far from all of them; all rows where there are not more.

    Greedy: each is the row farthest from those chosen before, at most twice as far as the best choice would leave.

    Args:
        rows: ``(N, D)``.
        count: how many.
        seed: of the projection and the first row.

    >>> k_center(np.float32([[0, 0], [0, 1], [9, 9]]), 2, seed=0).tolist()
    [0, 2]
    """
    if count >= len(rows):
        return np.arange(len(rows))
    rng = np.random.default_rng(seed)
    projected = _project(rows, rng)
    squares = np.einsum("nd,nd->n", projected, projected)
    chosen = np.empty(count, dtype=np.int64)
    chosen[0] = int(rng.integers(len(rows)))
    nearest = np.full(len(rows), np.inf, dtype=np.float32)
    for at in range(1, count):
        last = chosen[at - 1]
        np.minimum(nearest, squares - 2 * (projected @ projected[last]) + squares[last], out=nearest)
        nearest[last] = -1.0
        chosen[at] = int(nearest.argmax())
    return np.sort(chosen)


def _project(rows: Floats, rng: np.random.Generator) -> Floats:
    """To fewer columns by a random matrix, lengths kept on average; as they are where they have so few."""
    if rows.shape[1] <= PROJECTED_DIMS:
        return np.ascontiguousarray(rows, dtype=np.float32)
    matrix = rng.normal(0, PROJECTED_DIMS**-0.5, (rows.shape[1], PROJECTED_DIMS)).astype(np.float32)
    result: Floats = rows @ matrix
    return result
