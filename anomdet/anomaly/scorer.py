"""Images to their anomaly: features, distances, p-value, regions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anomdet.anomalies import Anomaly, AnomalyInfo, Region
from anomdet.anomaly.calibration import p_value
from anomdet.anomaly.normal_model import Mixture, NormalModel
from anomdet.anomaly.patches import shrink
from anomdet.anomaly.regions import regions

Features = Callable[[NDArray[np.uint8]], Sequence[Sequence[NDArray[np.float32]]]]
"""Images ``(N, S, S, 3)`` to the maps ``(h, w, C)`` of each layer, for each of them."""
NORMAL_SCORES = "normal_scores"
BATCH = 8


@dataclass(frozen=True, eq=False)
class Scorer:
    """What judges images beside a detector.

    Args:
        info: what its document says.
        model: of the normal images.
        normal_scores: ``(N,)`` of normal images that the model did not hold.
        features: of images, from any backend.
    """

    info: AnomalyInfo
    model: NormalModel
    normal_scores: NDArray[np.float64]
    features: Features

    def prepare(self, image_bgr: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """An image ``(H, W, 3)`` as it is judged, ``(S, S, 3)``."""
        return shrink(image_bgr, self.info.image_size)

    def judge(self, images_bgr: NDArray[np.uint8], sizes_hw: Sequence[tuple[int, int]]) -> list[Anomaly]:
        """Of prepared images ``(N, S, S, 3)`` that had these sizes."""
        found: list[Sequence[NDArray[np.float32]]] = []
        for start in range(0, len(images_bgr), BATCH):
            found += self.features(images_bgr[start : start + BATCH])
        return [self.of_maps(maps, size_hw) for maps, size_hw in zip(found, sizes_hw, strict=True)]

    def cell_ratios(self, images_bgr: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        """Of prepared images ``(N, S, S, 3)``: ``(h, w)`` the distance of each cell, as a multiple of its threshold."""
        return [
            (self.model.judge(maps).distances / self.info.cell_threshold).astype(np.float32)
            for maps in self.features(images_bgr)
        ]

    def of_maps(self, maps_hwc: Sequence[NDArray[np.float32]], size_hw: tuple[int, int]) -> Anomaly:
        """Of an image of this size, from its maps."""
        info, seen = self.info, self.model.judge(maps_hwc)
        score = Mixture(info.centres, info.weights).score(seen.whole, seen.part)
        where: tuple[Region, ...] = ()
        if info.regions and score >= info.threshold:
            where = regions(seen.distances, info.cell_threshold, size_hw)
        return Anomaly(score, info.threshold, p_value(score, self.normal_scores), where)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All that :func:`scorer_of` needs beside the info and the features."""
        return {**self.model.arrays(), NORMAL_SCORES: self.normal_scores.astype(np.float32)}


def scorer_of(info: AnomalyInfo, arrays: Mapping[str, NDArray[Any]], features: Features) -> Scorer:
    """From a file.

    Raises:
        KeyError, ValueError, TypeError: the arrays are not those of a scorer.
    """
    model = NormalModel.from_arrays(arrays, info.method)
    for name, values in arrays.items():
        if not np.isfinite(values).all():
            raise ValueError(f"{name} holds values that are no numbers")
    return Scorer(info, model, arrays[NORMAL_SCORES].astype(np.float64), features)
