"""Patches by their nearest neighbour among the patches of normal images (PatchCore, Roth et al., CVPR 2022)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anomdet.anomaly.coreset import k_center
from anomdet.anomaly.neighbours import nearest
from anomdet.anomaly.patches import farthest_tenth
from anomdet.anomaly.whitening import Whitening, fit_whitening

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class PatchCore:
    """A memory of patches.

    Args:
        whitening: of a patch.
        memory: ``(M, D)`` whitened patches of normal images.
    """

    whitening: Whitening
    memory: Floats

    def judge(self, patches: Floats) -> tuple[Floats, float]:
        """The distance of each patch ``(P, D)`` of an image, and of the image: its farthest tenth's."""
        distances, _ = nearest(self.whitening(patches), self.memory)
        return distances, farthest_tenth(distances)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What :meth:`from_arrays` takes."""
        return {"mean": self.whitening.mean, "root": self.whitening.root, "memory": self.memory.astype(np.float16)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> PatchCore:
        """As :meth:`arrays` gave them."""
        return cls(Whitening(arrays["mean"], arrays["root"]), arrays["memory"].astype(np.float32))


def fit_patchcore(candidates: Floats, size: int, *, seed: int) -> PatchCore:
    """A memory of ``size`` of the patches ``(N, D)``, chosen so that none of the others is far from it."""
    whitening = fit_whitening(candidates)
    rows = whitening(candidates)
    memory = rows[k_center(rows, size, seed=seed)]
    # As the file will hold them, so that what is calibrated is what runs.
    return PatchCore(whitening, memory.astype(np.float16).astype(np.float32))
