"""Features in units of what normal parts vary by: a mean, and the root of an inverse covariance that is shrunk."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anomdet.anomaly.left_out import Regularised, left_out

Floats = NDArray[np.float32]
_FLAT = 1e-6


@dataclass(frozen=True, eq=False)
class Whitening:
    """``(x - mean) @ root``: Euclidean distances after it are Mahalanobis distances before it.

    Args:
        mean: ``(D,)`` float32.
        root: ``(D, D)`` float32.
    """

    mean: Floats
    root: Floats

    def __call__(self, rows: Floats) -> Floats:
        """Rows ``(N, D)``, whitened."""
        return np.asarray((rows.astype(np.float32) - self.mean) @ self.root, dtype=np.float32)


def fit_whitening(rows: Floats) -> Whitening:
    """From normal rows ``(N, D)``; each column is scaled to one before the covariance is shrunk.

    The shrinkage is that of Ledoit and Wolf, "A well-conditioned estimator for large-dimensional covariance matrices"
    (2004), so that fewer rows than columns are enough.

    >>> rows = np.random.default_rng(0).normal(3, 2, (500, 4)).astype(np.float32)
    >>> bool(np.allclose(np.cov(fit_whitening(rows)(rows).T), np.eye(4), atol=0.1))
    True
    """
    mean, scale, centred, how = _shrunk(rows)
    covariance = how.share * (centred.T @ centred) / len(centred)
    covariance.flat[:: len(covariance) + 1] += how.level
    values, vectors = np.linalg.eigh(covariance)
    root = vectors / np.sqrt(np.maximum(values, _FLAT)) / scale[:, None]
    return Whitening(mean.astype(np.float32), root.astype(np.float32))


def nearest_left_out(
    rows: Floats, memory: NDArray[np.int64], groups: NDArray[np.int64], wanted: NDArray[np.int64]
) -> NDArray[np.float64]:
    """How far each wanted row is from the nearest of other groups, whitened by the rows of other groups.

    The scale of the columns and how much is shrunk are those of all rows.

    Args:
        rows: ``(N, D)``.
        memory: positions of the rows that may be the nearest.
        groups: ``(N,)``, at least two.
        wanted: positions of the rows to answer for.
    """
    _, _, centred, how = _shrunk(rows)
    found = np.empty(len(rows))
    for some in left_out(centred, groups, how):
        numbers = groups[some.members[:, 0]]
        for at in np.flatnonzero(np.isin(numbers, groups[wanted])).tolist():
            others = memory[groups[memory] != numbers[at]]
            found[some.members[at]] = some.to_others(at, others).min(axis=1)
    return found[wanted]


def _shrunk(rows: Floats) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], Regularised]:
    """Mean and scale of the columns, the rows in units of both, and how their covariance is shrunk."""
    assert len(rows) >= 2, "a spread needs two rows"
    data: NDArray[np.float64] = np.asarray(rows, dtype=np.float64)
    mean = data.mean(axis=0)
    scale = np.maximum(data.std(axis=0), _FLAT)
    centred = (data - mean) / scale
    shrinkage, level = _ledoit_wolf(centred, centred.T @ centred / len(centred))
    return mean, scale, centred, Regularised(1 - shrinkage, max(shrinkage * level, _FLAT), 0)


def _ledoit_wolf(centred: NDArray[np.float64], covariance: NDArray[np.float64]) -> tuple[float, float]:
    """How much of a multiple of the identity to mix in, 0 to 1, and that multiple."""
    num, dims = centred.shape
    level = float(np.trace(covariance)) / dims
    distance = float((covariance**2).sum()) / dims - level**2
    squares = centred**2
    noise = (float((squares.T @ squares).sum()) / num - float((covariance**2).sum())) / dims / num
    return (1.0 if distance <= 0 else min(max(noise / distance, 0.0), 1.0)), level
