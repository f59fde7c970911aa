"""Distances of rows from the model of the others, exactly, without fitting it anew for each.

The covariance without a group differs from that of all by a matrix of low rank, so that its inverse follows from one
decomposition (Sherman and Morrison 1950; Woodbury 1950).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]
_LEAST_SHARE = 1e-9  # of a covariance that is all identity: nothing is left to correct


@dataclass(frozen=True)
class Regularised:
    """How a covariance is made of the scatter of n centred rows: ``share * scatter / (n - lost) + level * identity``.

    Args:
        share: of the scatter.
        level: of the identity, above 0.
        lost: degrees of freedom, 0 or 1.
    """

    share: float
    level: float
    lost: int


@dataclass(frozen=True, eq=False)
class Groups:
    """K groups of g rows each, beside the mean and the covariance of all rows but their own.

    Coordinates are those in which lengths are Mahalanobis distances, but for a correction of low rank.

    Args:
        members: ``(K, g)`` positions of the rows.
        rows: ``(N, D)`` all rows.
        offsets: ``(K, g, D)`` of the members from the mean of the others.
        inner: ``(K, g + 1, g + 1)`` and
        span: ``(K, g + 1, D)``, the correction.
    """

    members: NDArray[np.int64]
    rows: Doubles
    offsets: Doubles
    inner: Doubles
    span: Doubles

    def from_mean(self) -> Doubles:
        """``(K, g)`` the distance of each member from the mean of the others."""
        return _lengths(self.offsets, self.span, self.inner)

    def to_others(self, at: int, others: NDArray[np.int64]) -> Doubles:
        """``(g, M)`` the distances of the members of one group from M rows."""
        rows = self.rows[others]
        members = self.rows[self.members[at]]
        # One after another: the steps of all members together are a matrix for each.
        return np.stack([_lengths(member - rows, self.span[at], self.inner[at]) for member in members])


def _lengths(steps: Doubles, span: Doubles, inner: Doubles) -> Doubles:
    along = steps @ np.swapaxes(span, -1, -2)
    squares = np.einsum("...d,...d->...", steps, steps) + np.einsum("...a,...a->...", along @ inner, along)
    lengths: Doubles = np.sqrt(np.maximum(squares, 0.0))
    return lengths


def left_out(centred: Doubles, groups: NDArray[np.int64], how: Regularised) -> Iterator[Groups]:
    """Every group once, those of one size together.

    Args:
        centred: ``(N, D)`` rows, whose mean is 0.
        groups: ``(N,)`` a number for each row; at least two groups.
        how: the covariance comes about.
    """
    values, vectors = np.linalg.eigh(centred.T @ centred)
    turned = centred @ vectors
    order = np.argsort(groups, kind="stable")
    starts = np.flatnonzero(np.diff(groups[order], prepend=-1))
    sizes = np.diff(starts, append=len(order))
    for size in np.unique(sizes).tolist():
        members = order[starts[sizes == size][:, None] + np.arange(size)]
        left = len(centred) - size
        weight = max(how.share, _LEAST_SHARE) / max(left - how.lost, 1)
        rows = turned / np.sqrt(weight * np.maximum(values, 0.0) + how.level)
        own = rows[members]
        total = own.sum(axis=1, keepdims=True)
        # What a group adds to the scatter: its own rows, and the shift of the mean.
        span = np.concatenate([own, total / np.sqrt(left)], axis=1)
        inner = np.linalg.inv(np.eye(size + 1) / weight - span @ np.swapaxes(span, 1, 2))
        yield Groups(members, rows, own + total / left, inner, span)
