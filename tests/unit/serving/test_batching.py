"""The network runs what has arrived meanwhile together; nobody waits for company, and nobody pays for another."""

from __future__ import annotations

import threading
import time
from concurrent.futures import CancelledError, Future
from itertools import groupby
from typing import Any

import numpy as np
import pytest

from anomdet.serving.batching import Batcher, size_of_next
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


@pytest.mark.parametrize(
    ("waiting", "size"), [(0, 0), (1, 1), (2, 1), (3, 1), (4, 2), (7, 2), (8, 4), (15, 4), (16, 8), (100, 8)]
)
def test_without_a_gain_half_of_what_waits_goes_first(waiting: int, size: int) -> None:
    assert size_of_next(waiting, 8, {1: 0.01, 2: 0.02, 4: 0.04, 8: 0.075}) == size


@pytest.mark.parametrize("seconds", [{}, {8: 0.08}, {1: 0.01, 2: 0.014, 4: 0.02, 8: 0.028}])
@pytest.mark.parametrize(("waiting", "size"), [(0, 0), (1, 1), (3, 2), (7, 4), (8, 8), (100, 8)])
def test_with_a_gain_or_before_it_is_known_all_go(seconds: dict[int, float], waiting: int, size: int) -> None:
    assert size_of_next(waiting, 8, seconds) == size


class Slow(Held):
    """Takes its time for each image."""

    def run(self, prepared: Any, *, min_score: float | None = None, most: int | None = None) -> Any:
        time.sleep(0.02 * len(prepared))
        return super().run(prepared, min_score=min_score)


def test_the_gain_is_measured() -> None:
    detector = Slow()
    detector.go.set()
    batcher = Batcher(detector, 4)
    for _ in range(2):  # the second time it is known what a batch costs
        detector.go.clear()
        detector.begun.clear()
        futures = [batcher.submit(IMAGE)]
        assert detector.begun.wait(10)
        futures += [batcher.submit(IMAGE) for _ in range(7)]
        detector.go.set()
        assert [future.result(10) for future in futures]
    assert detector.batches[:4] == [1, 4, 2, 1]
    assert max(detector.batches[4:]) == 2


def test_a_lonely_image_does_not_wait() -> None:
    detector, sizes = FakeDetector(), []
    batcher = Batcher(detector, 8, lambda images, seconds: sizes.append(images))
    assert batcher.submit(IMAGE).result(10).verdict
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
    assert [score for score, _ in groupby(detector.least_scores)] == [None, 0.1, None]


def test_close_finishes_what_is_queued_and_ends_the_thread() -> None:
    detector, batcher, first = held()
    others = [batcher.submit(IMAGE) for _ in range(5)]
    batcher.close()
    detector.go.set()
    assert batcher.join(10)
    assert all(future.done() and future.result().verdict == "reject" for future in [first, *others])
