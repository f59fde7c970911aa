"""Features in units of what normal parts vary by: a mean, and the root of an inverse covariance that is shrunk."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

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
    assert len(rows) >= 2, "a spread needs two rows"
    data: NDArray[np.float64] = np.asarray(rows, dtype=np.float64)
    mean = data.mean(axis=0)
    scale = np.maximum(data.std(axis=0), _FLAT)
    centred = (data - mean) / scale
    covariance = centred.T @ centred / len(centred)
    shrinkage, level = _ledoit_wolf(centred, covariance)
    shrunk = (1 - shrinkage) * covariance
    shrunk.flat[:: len(shrunk) + 1] += max(shrinkage * level, _FLAT)
    values, vectors = np.linalg.eigh(shrunk)
    root = vectors / np.sqrt(np.maximum(values, _FLAT)) / scale[:, None]
    return Whitening(mean.astype(np.float32), root.astype(np.float32))


def _ledoit_wolf(centred: NDArray[np.float64], covariance: NDArray[np.float64]) -> tuple[float, float]:
    """How much of a multiple of the identity to mix in, 0 to 1, and that multiple."""
    num, dims = centred.shape
    level = float(np.trace(covariance)) / dims
    distance = float((covariance**2).sum()) / dims - level**2
    squares = centred**2
    noise = (float((squares.T @ squares).sum()) / num - float((covariance**2).sum())) / dims / num
    return (1.0 if distance <= 0 else min(max(noise / distance, 0.0), 1.0)), level
