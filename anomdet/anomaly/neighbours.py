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


def reweighted(row: Floats, position: int, distance: float, memory: Floats, *, neighbours: int = 9) -> float:
    """PatchCore's distance of an image's farthest patch: less where the memory is dense around its nearest patch.

    Roth et al. 2022, equation 7: ``(1 - exp(d) / sum(exp(d_i))) * d`` over the neighbours of the nearest patch.

    Args:
        row: ``(D,)`` the patch.
        position: of its nearest in the memory.
        distance: to it.
        memory: ``(M, D)``.
        neighbours: of the nearest patch, itself included.
    """
    count = min(neighbours, len(memory))
    if count < 2:
        return distance
    around = np.linalg.norm(memory - memory[position], axis=1)
    around[position] = -1.0  # of equal rows this one is among the nearest
    near = np.argpartition(around, count - 1)[:count]
    distances = np.linalg.norm(memory[near] - row, axis=1).astype(np.float64)
    return float((1 - np.exp(distance - np.logaddexp.reduce(distances))) * distance)
