"""A detector without a network: the red pixel of an image says what it finds."""

from __future__ import annotations

import copy
import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np

from anomdet.inference.item import Reading
from anomdet.inference.result import Result, Threshold

CLASSES = {-3: "scratch", 7: "dent"}


@dataclass
class FakeDetector:
    """One box in each image: its score is the mean of the blue channel over 255, its class follows from green.

    Args:
        thresholds: as a detector's.
        delay_s: that an image takes.
        largest_batch: more images at once fill its memory.
    """

    thresholds: Threshold = 0.5
    delay_s: float = 0.0
    largest_batch: int = 10**6
    classes: dict[int, str] = field(default_factory=lambda: dict(CLASSES))
    batches: list[int] = field(default_factory=list)
    reading: Reading = field(default_factory=lambda: Reading(max_megapixels=1.0))
    sha256: str = hashlib.sha256(b"fake").hexdigest()

    @property
    def info(self) -> dict[str, Any]:
        """As a detector's."""
        return {"file": "fake.pth", "sha256": self.sha256, "device": "cpu"}

    def with_threshold(self, threshold: Threshold) -> FakeDetector:
        """As a detector's."""
        other = copy.copy(self)
        other.thresholds = threshold
        return other

    def prepare(self, image: Any, *, channels: str = "rgb") -> np.ndarray:
        """As a detector's."""
        return np.asarray(image)[..., :: 1 if channels == "bgr" else -1]

    def run(
        self, prepared: Sequence[np.ndarray], *, min_score: float | None = None, most: int | None = None
    ) -> list[Result]:
        """As a detector's."""
        if len(prepared) > self.largest_batch:
            raise MemoryError
        self.batches.append(len(prepared))
        time.sleep(self.delay_s * len(prepared))
        return [self._result(image) for image in prepared]

    def _result(self, image: np.ndarray) -> Result:
        height, width = image.shape[:2]
        class_num = -3 if image[0, 0, 1] < 128 else 7
        score = np.array([image[..., 0].mean() / 255], np.float32)
        plain = Result(
            image=None,
            size_hw=(height, width),
            bboxes_xyxy=np.array([[1, 2, 5, 6]], np.float32),
            scores=score,
            class_nums=np.array([class_num]),
            class_names=(self.classes[class_num],),
            part_score=float(score[0]),
            verdict="reject",
            threshold=self.thresholds,
            times={"network": 0.0, "finish": 0.0},
            model_sha256=self.sha256,
        )
        return plain.with_threshold(self.thresholds)


def image_bytes(score: float, suffix: str = ".png", size: int = 16) -> bytes:
    """An image file on which the fake finds a scratch of about this score."""
    return cv2.imencode(suffix, np.full((size, size, 3), (round(255 * score), 0, 0), np.uint8))[1].tobytes()
