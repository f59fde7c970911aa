"""What is known of normal images, and how far another lies from them; numpy alone, whatever gave the features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anomdet.anomaly.neighbours import nearest
from anomdet.anomaly.padim import Padim
from anomdet.anomaly.patchcore import PatchCore
from anomdet.anomaly.patches import description, patches
from anomdet.anomaly.whitening import Whitening

Floats = NDArray[np.float32]
_LEAST = 1e-6


@dataclass(frozen=True, eq=False)
class Judged:
    """An image beside the normal ones.

    Args:
        distances: ``(h, w)`` of its cells.
        whole: distance of its description to the nearest normal image's.
        part: distance of its patches, the farthest tenth.
    """

    distances: Floats
    whole: float
    part: float


@dataclass(frozen=True, eq=False)
class Mixture:
    """One score of two distances: their geometric mean, weighted so that both vary alike among normal images.

    Args:
        centres: mean logarithms of both, among normal images.
        weights: of both; they sum to 1.
    """

    centres: tuple[float, float]
    weights: tuple[float, float]

    def score(self, whole: float, part: float) -> float:
        """1 for an ordinary normal image; rises with either distance.

        >>> Mixture((0.0, 0.0), (0.5, 0.5)).score(2.0, 8.0)
        4.0
        """
        logs = np.log(np.maximum([whole, part], _LEAST)) - self.centres
        return float(np.exp(logs @ np.asarray(self.weights)))


def mixture_of(whole: NDArray[np.float64], part: NDArray[np.float64]) -> Mixture:
    """From the distances of normal images that the memory did not hold, ``(N,)`` each."""
    logs = np.log(np.maximum(np.stack([whole, part]), _LEAST))
    weights = 1 / np.maximum(logs.std(axis=1), 1e-3)
    weights /= weights.sum()
    centres = logs.mean(axis=1)
    return Mixture((float(centres[0]), float(centres[1])), (float(weights[0]), float(weights[1])))


@dataclass(frozen=True, eq=False)
class NormalModel:
    """Distances from the normal images.

    Args:
        whitening: of descriptions.
        descriptions: ``(M, D)`` whitened, of normal images.
        part_model: of patches.
    """

    whitening: Whitening
    descriptions: Floats
    part_model: PatchCore | Padim

    def judge(self, maps_hwc: Sequence[Floats]) -> Judged:
        """An image's distances, from its maps ``(h, w, C)`` of each layer, the finest first."""
        row = self.whitening(description(maps_hwc[-1])[None])
        whole = float(nearest(row, self.descriptions)[0][0])
        distances, part = self.part_model.judge(patches(maps_hwc))
        return Judged(distances.reshape(maps_hwc[0].shape[:2]), whole, part)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What :meth:`from_arrays` takes; half precision where nothing depends on more."""
        return {
            "whole.mean": self.whitening.mean,
            "whole.root": self.whitening.root,
            "whole.memory": self.descriptions.astype(np.float16),
            **{f"part.{name}": value for name, value in self.part_model.arrays().items()},
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], method: str) -> NormalModel:
        """As :meth:`arrays` gave them.

        Args:
            arrays: of a file; a ``KeyError`` names what is missing.
            method: ``patchcore`` or ``padim``.
        """
        part = {name.removeprefix("part."): value for name, value in arrays.items() if name.startswith("part.")}
        part_model = PatchCore.from_arrays(part) if method == "patchcore" else Padim.from_arrays(part)
        whitening = Whitening(arrays["whole.mean"], arrays["whole.root"])
        return cls(whitening, arrays["whole.memory"].astype(np.float32), part_model)
