"""From the maps of normal images, one after another, to a model of them and the scores that calibrate it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from anomdet.anomaly.coreset import Reservoir
from anomdet.anomaly.neighbours import nearest
from anomdet.anomaly.normal_model import Mixture, NormalModel, mixture_of
from anomdet.anomaly.padim import Padim, fit_padim
from anomdet.anomaly.patchcore import PatchCore, fit_patchcore
from anomdet.anomaly.patches import description, patches
from anomdet.anomaly.whitening import fit_whitening

Floats = NDArray[np.float32]
MAX_DESCRIPTIONS = 4000
MAX_CALIBRATION_BYTES = 300e6
CANDIDATES_A_PATCH = 10  # that the greedy choice looks at, for each patch that it keeps
NUM_FOLDS = 10


@dataclass(frozen=True, eq=False)
class Calibration:
    """The distances of normal images, each from a model of the other folds.

    Args:
        whole, part: ``(N,)`` of an image's description and of its patches.
        cell: ``(N,)`` of its farthest cell.
        mixture: of both into a score.
        scores: ``(N,)``.
    """

    whole: NDArray[np.float64]
    part: NDArray[np.float64]
    cell: NDArray[np.float64]
    mixture: Mixture
    scores: NDArray[np.float64]


@dataclass(eq=False)
class Collected:
    """What is kept of the normal images that have come, in memory that does not grow with the number of their patches.

    Args:
        memory: patches of the model.
        method: ``patchcore`` or ``padim``.
        seed: of what is drawn.
    """

    memory: int = 2000
    method: str = "patchcore"
    seed: int = 0
    _descriptions: list[Floats] = field(default_factory=list)
    _groups: list[int] = field(default_factory=list)
    _kept: list[NDArray[np.float16]] = field(default_factory=list)
    _kept_at: list[int] = field(default_factory=list)
    _reservoir: Reservoir | None = None

    def __len__(self) -> int:
        return len(self._descriptions)

    def add(self, maps_hwc: Sequence[Floats], group: int) -> None:
        """A normal image, by its maps ``(h, w, C)`` of each layer, the finest first.

        Args:
            maps_hwc: all images' of one size.
            group: of images that show the same part; they calibrate together.
        """
        at, rows = len(self), patches(maps_hwc)
        if self._reservoir is None:
            self._reservoir = Reservoir(CANDIDATES_A_PATCH * self.memory, self.seed)
        self._reservoir.add(rows, at)
        self._descriptions.append(description(maps_hwc[-1]))
        self._groups.append(group)
        room = max(int(MAX_CALIBRATION_BYTES / rows.size / 2), NUM_FOLDS)
        place = at if at < room else int(np.random.default_rng((self.seed, at)).integers(at + 1))
        if place < len(self._kept):
            self._kept[place], self._kept_at[place] = rows.astype(np.float16), at
        elif place < room:
            self._kept.append(rows.astype(np.float16))
            self._kept_at.append(at)

    def fit(self) -> tuple[NormalModel, Calibration]:
        """The model of all of them, and the calibration by cross-fitting."""
        everything = np.ones(len(self), dtype=bool)
        return self._model(everything), self._calibrate()

    def _model(self, chosen: NDArray[np.bool_]) -> NormalModel:
        rows = np.stack(self._descriptions)[chosen]
        whitening = fit_whitening(rows)
        if len(rows) > MAX_DESCRIPTIONS:
            rows = rows[np.sort(np.random.default_rng(self.seed).permutation(len(rows))[:MAX_DESCRIPTIONS])]
        memory = whitening(rows).astype(np.float16).astype(np.float32)
        return NormalModel(whitening, memory, self._part_model(chosen))

    def _part_model(self, chosen: NDArray[np.bool_]) -> PatchCore | Padim:
        if self.method == "padim":
            images = [rows for rows, at in zip(self._kept, self._kept_at, strict=True) if chosen[at]]
            return fit_padim(np.stack(images), seed=self.seed)
        assert self._reservoir is not None
        candidates = self._reservoir.rows[chosen[self._reservoir.numbers]]
        return fit_patchcore(candidates, self.memory, seed=self.seed)

    def _calibrate(self) -> Calibration:
        """Each image that was kept, by the model of the other folds."""
        folds = _folds(np.array(self._groups), self.seed)
        found = []
        for fold in np.unique(folds):
            model = self._model(folds != fold)
            found += list(self._distances(model, [i for i, at in enumerate(self._kept_at) if folds[at] == fold]))
        whole, part, cell = np.array(found, dtype=np.float64).T
        mixture = mixture_of(whole, part)
        scores = np.array([mixture.score(*pair) for pair in zip(whole, part, strict=True)])
        return Calibration(whole, part, cell, mixture, scores)

    def _distances(self, model: NormalModel, kept: list[int]) -> Iterator[tuple[float, float, float]]:
        for i in kept:
            row = model.whitening(self._descriptions[self._kept_at[i]][None])
            distances, part = model.part_model.judge(self._kept[i].astype(np.float32))
            yield float(nearest(row, model.descriptions)[0][0]), part, float(distances.max())


def _folds(groups: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """The fold of each image: groups are shared out at random, and stay whole."""
    names, inverse = np.unique(groups, return_inverse=True)
    order = np.random.default_rng(seed).permutation(len(names))
    fold: NDArray[np.int64] = (order % min(NUM_FOLDS, len(names)))[inverse].astype(np.int64)
    return fold
