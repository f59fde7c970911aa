"""The second opinion of a detector: a normal-only score beside the boxes, and one verdict of both."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from anomdet.anomalies import Anomaly
from anomdet.inference.result import REJECT, Result


class Normality(Protocol):
    """How unlike the normal images of the training an image is."""

    def prepare(self, image_bgr: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """An image ``(H, W, 3)`` as it is judged, ``(S, S, 3)``; may be called from several threads."""

    def judge(self, images_bgr: NDArray[np.uint8], sizes_hw: Sequence[tuple[int, int]]) -> list[Anomaly]:
        """Of prepared images ``(N, S, S, 3)`` that had these sizes."""


def judged(
    results: Sequence[Result], squares: Sequence[NDArray[np.uint8]], normality: Normality, *, alone: bool = False
) -> list[Result]:
    """Results with their anomaly: a part is rejected for a known defect, for being unlike the normal ones, or for both.

    Args:
        results: of the boxes alone.
        squares: of each image, as ``normality`` prepared it.
        normality: the score.
        alone: there is no network for boxes: the part score is the normal-only score's.
    """
    if not results:
        return []
    start = time.perf_counter()
    anomalies = normality.judge(np.stack(squares), [result.size_hw for result in results])
    seconds = (time.perf_counter() - start) / len(results)
    pairs = zip(results, anomalies, strict=True)
    return [
        _joined(result, anomaly, seconds, anomaly.part_score if alone else result.part_score)
        for result, anomaly in pairs
    ]


def _joined(result: Result, anomaly: Anomaly, seconds: float, part_score: float) -> Result:
    verdict = REJECT if anomaly.is_unknown else result.verdict
    times = {**result.times, "network": result.times["network"] + seconds}
    return replace(result, anomaly=anomaly, verdict=verdict, times=times, part_score=part_score)
