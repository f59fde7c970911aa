"""Patches by the Gaussian of their position in normal images (PaDiM, Defard et al., ICPR 2020)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anomdet.anomaly.left_out import Regularised, left_out
from anomdet.anomaly.patches import farthest_tenth

Floats = NDArray[np.float32]
MAX_CHANNELS = 64  # drawn at random, as in the paper
_RIDGE = 0.01  # of the covariance; the paper's


@dataclass(frozen=True, eq=False)
class Padim:
    """A Gaussian for each position; only for parts that lie before the camera always alike.

    Args:
        channels: ``(C,)`` of a patch, those that are used.
        scale: ``(C,)`` of each.
        means: ``(P, C)`` of each position.
        roots: ``(P, C, C)`` of the inverse covariances.
    """

    channels: NDArray[np.int64]
    scale: Floats
    means: Floats
    roots: Floats

    def judge(self, patches: Floats) -> tuple[Floats, float]:
        """The Mahalanobis distance of each patch ``(P, D)`` of an image, and of the image: its farthest tenth's."""
        centred = patches[:, self.channels] / self.scale - self.means
        distances = np.linalg.norm(np.einsum("pc,pcd->pd", centred, self.roots), axis=1).astype(np.float32)
        return distances, farthest_tenth(distances)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What :meth:`from_arrays` takes."""
        roots = self.roots.astype(np.float16)
        return {"channels": self.channels, "scale": self.scale, "means": self.means, "roots": roots}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Padim:
        """As :meth:`arrays` gave them."""
        roots = arrays["roots"].astype(np.float32)
        return cls(arrays["channels"].astype(np.int64), arrays["scale"], arrays["means"], roots)


def fit_padim(images: NDArray[np.float16], *, seed: int) -> Padim:
    """From the patches of normal images.

    Args:
        images: ``(N, P, D)`` patches at P positions.
        seed: of the choice of channels.
    """
    chosen, scale, used = _scaled(images, seed)
    num, positions, dims = used.shape
    means = used.mean(axis=0)
    roots = np.empty((positions, dims, dims), dtype=np.float32)
    for at in range(positions):
        centred = (used[:, at] - means[at]).astype(np.float64)
        values, vectors = np.linalg.eigh(centred.T @ centred / max(num - 1, 1) + _RIDGE * np.eye(dims))
        roots[at] = vectors / np.sqrt(values)
    return Padim(chosen, scale, means, roots.astype(np.float16).astype(np.float32))


def distances_left_out(images: NDArray[np.float16], groups: NDArray[np.int64], *, seed: int) -> Floats:
    """The distances ``(N, P)`` of each image's patches from the Gaussians of the images of other groups.

    Channels and their scales are those of :func:`fit_padim` for all images.

    Args:
        images: ``(N, P, D)``.
        groups: ``(N,)``, at least two.
        seed: as of :func:`fit_padim`.
    """
    _, _, used = _scaled(images, seed)
    found = np.empty(used.shape[:2], dtype=np.float32)
    for at in range(used.shape[1]):
        rows = used[:, at].astype(np.float64)
        for some in left_out(rows - rows.mean(axis=0), groups, Regularised(1.0, _RIDGE, 1)):
            found[some.members, at] = some.from_mean()
    return found


def _scaled(images: NDArray[np.float16], seed: int) -> tuple[NDArray[np.int64], Floats, Floats]:
    """The channels that are used, their scales, and the patches ``(N, P, C)`` in units of them."""
    chosen = np.sort(np.random.default_rng(seed).permutation(images.shape[-1])[:MAX_CHANNELS])
    used = images[:, :, chosen].astype(np.float32)
    scale = np.maximum(used.reshape(-1, len(chosen)).std(axis=0), 1e-6).astype(np.float32)
    used /= scale
    return chosen.astype(np.int64), scale, used
