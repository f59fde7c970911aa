"""Patches by the Gaussian of their position in normal images (PaDiM, Defard et al., ICPR 2020)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
    num, positions, dims = images.shape
    chosen = np.sort(np.random.default_rng(seed).permutation(dims)[:MAX_CHANNELS])
    used = images[:, :, chosen].astype(np.float32)
    scale = np.maximum(used.reshape(-1, len(chosen)).std(axis=0), 1e-6).astype(np.float32)
    used /= scale
    means = used.mean(axis=0)
    roots = np.empty((positions, len(chosen), len(chosen)), dtype=np.float32)
    for at in range(positions):
        centred = (used[:, at] - means[at]).astype(np.float64)
        covariance = centred.T @ centred / max(num - 1, 1) + _RIDGE * np.eye(len(chosen))
        values, vectors = np.linalg.eigh(covariance)
        roots[at] = vectors / np.sqrt(values)
    return Padim(chosen.astype(np.int64), scale, means, roots.astype(np.float16).astype(np.float32))
