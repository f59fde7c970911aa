"""The network runs what has arrived meanwhile together; nobody waits for company, and nobody pays for another."""

from __future__ import annotations

import threading
from concurrent.futures import CancelledError, Future
from typing import Any

import numpy as np
import pytest

from anomdet.serving.batching import Batcher
from tests.unit.inference.fake_detector import FakeDetector

IMAGE = np.full((16, 16, 3), (200, 0, 0), np.uint8)


class Held(FakeDetector):
    """Waits before its first batch until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.go, self.begun, self.least_scores = threading.Event(), threading.Event(), []

    def run(self, prepared: Any, *, min_score: float | None = None, most: int | None = None) -> Any:
        self.begun.set()
        assert self.go.wait(10)
        self.least_scores.append(min_score)
        if any(image.shape[0] == 1 for image in prepared):
            raise ValueError("one row")
        return super().run(prepared, min_score=min_score)


def held(batch_size: int = 8) -> tuple[Held, Batcher, Future]:
    """A batcher whose network is busy with a first image."""
    detector = Held()
    batcher = Batcher(detector, batch_size)
    first = batcher.submit(IMAGE)
    assert detector.begun.wait(10)
    return detector, batcher, first


def test_what_arrives_while_it_is_busy_goes_together_in_powers_of_two() -> None:
    detector, batcher, first = held()
    others = [batcher.submit(IMAGE) for _ in range(13)]
    detector.go.set()
    assert all(future.result(10).verdict == "reject" for future in [first, *others])
    assert detector.batches == [1, 8, 4, 1]


def test_a_lonely_image_does_not_wait() -> None:
    detector, sizes = FakeDetector(), []
    batcher = Batcher(detector, 8, lambda images, seconds: sizes.append(images))
    assert batcher.submit(IMAGE).result(10)
    batcher.close()
    assert batcher.join(10)
    assert sizes == [1]


def test_an_image_that_fails_does_not_fail_the_others() -> None:
    detector, batcher, _ = held()
    good, bad, last = batcher.submit(IMAGE), batcher.submit(IMAGE[:1]), batcher.submit(IMAGE)
    detector.go.set()
    assert good.result(10).verdict == last.result(10).verdict == "reject"
    with pytest.raises(ValueError, match="one row"):
        bad.result(10)


def test_what_was_cancelled_is_not_computed() -> None:
    detector, batcher, _ = held()
    cancelled, other = batcher.submit(IMAGE), batcher.submit(IMAGE)
    assert cancelled.cancel()
    detector.go.set()
    other.result(10)
    with pytest.raises(CancelledError):
        cancelled.result(10)
    assert sum(detector.batches) == 2


def test_images_of_another_least_score_are_another_batch_in_their_order() -> None:
    detector, batcher, _ = held()
    futures = [batcher.submit(IMAGE, score) for score in (None, None, 0.1, 0.1, None)]
    detector.go.set()
    assert [future.result(10) for future in futures]
    assert detector.least_scores == [None, None, 0.1, None]


def test_close_finishes_what_is_queued_and_ends_the_thread() -> None:
    detector, batcher, first = held()
    others = [batcher.submit(IMAGE) for _ in range(5)]
    batcher.close()
    detector.go.set()
    assert batcher.join(10)
    assert all(future.done() and future.result().verdict == "reject" for future in [first, *others])
