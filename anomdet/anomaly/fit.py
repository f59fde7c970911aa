"""From the maps of normal images, one after another, to a model of them and the scores that calibrate it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from anomdet.anomaly.calibration import Threshold, share_interval
from anomdet.anomaly.coreset import Reservoir
from anomdet.anomaly.normal_model import Mixture, NormalModel, mixture_of
from anomdet.anomaly.padim import Padim, distances_left_out, fit_padim
from anomdet.anomaly.patchcore import PatchCore, fit_patchcore
from anomdet.anomaly.patches import description, farthest_tenth, patches
from anomdet.anomaly.series import Series, find_series
from anomdet.anomaly.whitening import fit_whitening, nearest_left_out

Floats = NDArray[np.float32]
MAX_DESCRIPTIONS = 4000
MAX_CALIBRATION_BYTES = 300e6
CANDIDATES_A_PATCH = 10  # that the greedy choice looks at, for each patch that it keeps
NUM_FOLDS = 10


@dataclass(frozen=True, eq=False)
class Calibration:
    """The distances of normal images, each from a model of others.

    Args:
        whole, part: ``(N,)`` of an image's description and of its patches.
        cell: ``(N,)`` of its farthest cell.
        mixture: of both into a score.
        scores: ``(N,)``.
        groups: ``(N,)`` a number for each part, which several images may show.
        series: of the parts, in the order of their numbers; None: by their names they are independent.
        scores_apart: ``(N,)`` without the neighbours in the series, either; None without one.
    """

    whole: NDArray[np.float64]
    part: NDArray[np.float64]
    cell: NDArray[np.float64]
    mixture: Mixture
    scores: NDArray[np.float64]
    groups: NDArray[np.int64]
    series: Series | None = None
    scores_apart: NDArray[np.float64] | None = None

    @property
    def part_scores(self) -> NDArray[np.float64]:
        """The highest score of each part: a part is rejected if one of its images is."""
        return highest(self.scores, self.groups)

    @property
    def num_effective(self) -> int:
        """Independent parts that the scores are worth."""
        scores = self.part_scores
        return len(scores) if self.series is None else self.series.num_effective(scores)

    def series_sentence(self, threshold: Threshold) -> str:
        """For a person, of normal parts in series: how the threshold does on parts of a series that it has not seen."""
        assert self.series is not None and self.part_scores_apart is not None
        apart = self.part_scores_apart
        share = float((apart >= threshold.value).mean())
        low, high = (100 * end for end in share_interval(share, self.series.num_effective(apart)))
        return (
            f"the normal images come in series: neighbours are alike, by {self.series.by}. Of good parts of a new "
            f"series the normal-only score rejects about {100 * share:.2g} % ({low:.2g} to {high:.2g} %, 95 % "
            "confidence; measured without the neighbours). If a series shows one part, name it by data.group_by: "
            "the threshold is then made for new parts"
        )

    @property
    def part_scores_apart(self) -> NDArray[np.float64] | None:
        """As if each part were the first of a new series."""
        return None if self.scores_apart is None else highest(self.scores_apart, self.groups)


def highest(values: NDArray[np.float64], groups: NDArray[np.int64]) -> NDArray[np.float64]:
    """The highest value of each group, in the order of their numbers.

    >>> highest(np.array([1.0, 3.0, 2.0]), np.array([5, 5, 7]))
    array([3., 2.])
    """
    numbers, place = np.unique(groups, return_inverse=True)
    found = np.full(len(numbers), -np.inf)
    np.maximum.at(found, place, values)
    return found


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
    _names: dict[int, str] = field(default_factory=dict)
    _kept: list[NDArray[np.float16]] = field(default_factory=list)
    _kept_at: list[int] = field(default_factory=list)
    _reservoir: Reservoir | None = None

    def __len__(self) -> int:
        return len(self._descriptions)

    def add(self, maps_hwc: Sequence[Floats], group: int, name: str = "") -> None:
        """A normal image, by its maps ``(h, w, C)`` of each layer, the finest first.

        Args:
            maps_hwc: all images' of one size.
            group: of images that show the same part; they calibrate together.
            name: of the file; series are looked for in the order of the names, or without names in that of coming.
        """
        at, rows = len(self), patches(maps_hwc)
        if self._reservoir is None:
            self._reservoir = Reservoir(CANDIDATES_A_PATCH * self.memory, self.seed)
        self._reservoir.add(rows, at)
        self._descriptions.append(description(maps_hwc[-1]))
        self._groups.append(group)
        self._names.setdefault(group, name)
        room = max(int(MAX_CALIBRATION_BYTES / rows.size / 2), NUM_FOLDS)
        place = at if at < room else int(np.random.default_rng((self.seed, at)).integers(at + 1))
        if place < len(self._kept):
            self._kept[place], self._kept_at[place] = rows.astype(np.float16), at
        elif place < room:
            self._kept.append(rows.astype(np.float16))
            self._kept_at.append(at)

    def fit(self) -> tuple[NormalModel, Calibration]:
        """The model of all of them, and the calibration by cross-fitting."""
        return self._model(), self._calibrate()

    def _model(self) -> NormalModel:
        everything = np.ones(len(self), dtype=bool)
        rows = np.stack(self._descriptions)
        whitening = fit_whitening(rows)
        memory = whitening(rows[self._remembered(len(rows))]).astype(np.float16).astype(np.float32)
        return NormalModel(whitening, memory, self._part_model(everything))

    def _remembered(self, num: int) -> NDArray[np.int64]:
        """Positions of the descriptions that a model holds: all, or so many drawn evenly."""
        if num <= MAX_DESCRIPTIONS:
            return np.arange(num)
        return np.sort(np.random.default_rng(self.seed).permutation(num)[:MAX_DESCRIPTIONS])

    def _part_model(self, chosen: NDArray[np.bool_]) -> PatchCore | Padim:
        if self.method == "padim":
            images = [rows for rows, at in zip(self._kept, self._kept_at, strict=True) if chosen[at]]
            return fit_padim(np.stack(images), seed=self.seed)
        assert self._reservoir is not None
        candidates = self._reservoir.rows[chosen[self._reservoir.numbers]]
        return fit_patchcore(candidates, self.memory, seed=self.seed)

    def _calibrate(self) -> Calibration:
        """Each image that was kept, by a model of the images of other groups."""
        groups, kept = np.array(self._groups), np.array(self._kept_at)
        whole, part, cell = self._left_out(groups)
        mixture = mixture_of(whole, part)
        numbers, firsts, place = np.unique(groups, return_index=True, return_inverse=True)
        names = [self._names[number] for number in numbers.tolist()]
        series = find_series(names, np.stack(self._descriptions)[firsts])
        scores = _scores(mixture, whole, part)
        if series is None:
            return Calibration(whole, part, cell, mixture, scores, groups[kept])
        first, second = (_scores(mixture, *self._left_out(blocks[place])[:2]) for blocks in series.blocks())
        apart = np.where(series.inside()[place[kept]], first, second)
        of_kept = series.among(np.unique(place[kept]))
        return Calibration(whole, part, cell, mixture, scores, groups[kept], of_kept, apart)

    def _left_out(
        self, groups: NDArray[np.int64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Of each image that was kept, from images of other groups: whole, patches and farthest cell."""
        kept = np.array(self._kept_at)
        whole = nearest_left_out(np.stack(self._descriptions), self._remembered(len(self)), groups, kept)
        if self.method == "padim":
            distances = distances_left_out(np.stack(self._kept), groups[kept], seed=self.seed)
            part = np.array([farthest_tenth(row) for row in distances], dtype=np.float64)
            return whole, part, distances.max(axis=1).astype(np.float64)
        return whole, *self._parts_in_folds(_folds(groups, self.seed))

    def _parts_in_folds(self, of_all: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Of each image that was kept, from a memory of the other folds: its farthest tenth and its farthest cell."""
        folds = of_all[np.array(self._kept_at)]
        part, cell = np.empty(len(folds)), np.empty(len(folds))
        for fold in np.unique(folds):
            model = self._part_model(of_all != fold)
            for at in np.flatnonzero(folds == fold):
                distances, part[at] = model.judge(self._kept[at].astype(np.float32))
                cell[at] = distances.max()
        return part, cell


def _scores(mixture: Mixture, whole: NDArray[np.float64], part: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.array([mixture.score(*pair) for pair in zip(whole, part, strict=True)])


def _folds(groups: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """The fold of each image: groups are shared out at random, and stay whole."""
    names, inverse = np.unique(groups, return_inverse=True)
    order = np.random.default_rng(seed).permutation(len(names))
    fold: NDArray[np.int64] = (order % min(NUM_FOLDS, len(names)))[inverse].astype(np.int64)
    return fold
