"""Distances to the nearest of a memory of rows, exact, by one matrix product."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
_BLOCK = 2048


def nearest(rows: Floats, memory: Floats) -> tuple[Floats, NDArray[np.int64]]:
    """The distance of each row to the nearest of the memory, and which one that is.

    Args:
        rows: ``(N, D)``.
        memory: ``(M, D)``.

    Returns:
        ``(N,)`` distances and ``(N,)`` positions in the memory.

    >>> nearest(np.float32([[0, 3]]), np.float32([[9, 9], [4, 0]]))
    (array([5.], dtype=float32), array([1]))
    """
    distances, positions = np.empty(len(rows), dtype=np.float32), np.empty(len(rows), dtype=np.int64)
    squares = np.einsum("md,md->m", memory, memory)
    for start in range(0, len(rows), _BLOCK):
        block = rows[start : start + _BLOCK]
        squared = squares - 2 * (block @ memory.T)
        best = squared.argmin(axis=1)
        positions[start : start + _BLOCK] = best
        # From the rows themselves: the matrix product loses digits where two rows are close.
        distances[start : start + _BLOCK] = np.linalg.norm(block - memory[best], axis=1)
    return distances, positions
