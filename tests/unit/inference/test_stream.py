"""Many images: in order, overlapped, in bounded memory, with failures among them."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest

from anomdet.errors import UserError
from anomdet.inference.item import Item, failed_item
from anomdet.inference.outcome import FailedImage
from anomdet.inference.result import Result
from anomdet.inference.stream import judge_all
from tests.unit.inference.fake_detector import FakeDetector


def array_item(number: int, read_s: float = 0.0) -> Item:
    def read(_reading: object) -> np.ndarray:
        time.sleep(read_s)
        return np.full((8, 8, 3), number % 256, np.uint8)

    return Item(f"{number}", f"{number}", read, warnings=(f"w{number}",) if number == 3 else ())


def test_results_are_in_input_order_whatever_reading_takes() -> None:
    """The first images take longest to read."""
    items = [array_item(number, read_s=0.02 if number < 5 else 0.0) for number in range(23)]
    detector = FakeDetector()
    batches = list(judge_all(detector, items, batch_size=4))
    judged = [one for batch in batches for one in batch]
    assert [one.item.key for one in judged] == [str(number) for number in range(23)]
    assert [one.outcome.image for one in judged] == [str(number) for number in range(23)]
    assert detector.batches == [4, 4, 4, 4, 4, 3]  # always full, so that results do not depend on timing
    assert judged[3].outcome.warnings == ("w3",)
    assert judged[0].pixels is None
    assert judged[0].outcome.times["read"] >= 0.02


def test_a_failure_keeps_its_place() -> None:
    items = [array_item(0), failed_item("bad.png", "bad.png", "a truncated png file"), array_item(2)]
    (batch,) = judge_all(FakeDetector(), items, batch_size=3, keep_pixels=True)
    assert isinstance(batch[0].outcome, Result) and isinstance(batch[2].outcome, Result)
    assert batch[1].outcome == FailedImage("bad.png", "a truncated png file")
    assert batch[2].outcome.image == "2"
    assert batch[2].pixels.max() == 2


def test_only_failures_never_reach_the_network() -> None:
    detector = FakeDetector()
    items = [failed_item("x", "x", "why")] * 3
    assert [len(batch) for batch in judge_all(detector, items, batch_size=2)] == [2, 1]
    assert detector.batches == []


def test_no_items() -> None:
    assert list(judge_all(FakeDetector(), [], batch_size=2)) == []


def test_no_more_is_read_ahead_than_said() -> None:
    asked = []

    def endless() -> Iterator[Item]:
        for number in range(10**9):
            asked.append(number)
            yield array_item(number)

    batches = judge_all(FakeDetector(), endless(), batch_size=4)
    next(batches)
    time.sleep(0.2)
    num_asked = len(asked)
    batches.close()
    assert num_asked <= 4 + 2 * 4 + 1  # judged, waiting, and one that waits for its place


def test_reading_overlaps_the_network() -> None:
    """While a batch is judged, the next ones are read: seen by the readers' progress, not by the clock."""
    read = []

    def watched(number: int) -> Item:
        def reading(_reading: object) -> np.ndarray:
            read.append(number)
            return np.zeros((8, 8, 3), np.uint8)

        return Item(None, str(number), reading)

    seen = threading.Event()

    class Slow(FakeDetector):
        def run(self, prepared, *, min_score=None, most=None):
            end = time.monotonic() + 5
            while len(read) <= 2 and time.monotonic() < end:
                time.sleep(0.005)
            if len(read) > 2:
                seen.set()
            return super().run(prepared, min_score=min_score)

    list(judge_all(Slow(), [watched(number) for number in range(6)], batch_size=2))
    assert seen.is_set()


def test_a_live_source_is_judged_as_it_comes() -> None:
    """With a batch of 8, the first image must not wait for seven others."""
    more = threading.Event()

    def live() -> Iterator[Item]:
        yield array_item(0)
        assert more.wait(5)
        yield array_item(1)

    batches = judge_all(FakeDetector(), live(), batch_size=8, live=True)
    assert len(next(batches)) == 1
    more.set()
    assert len(next(batches)) == 1
    assert next(batches, None) is None


def test_an_error_of_the_source_is_raised_where_it_is_asked_for() -> None:
    def broken() -> Iterator[Item]:
        yield array_item(0)
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        list(judge_all(FakeDetector(), broken(), batch_size=1))


def test_the_source_is_closed_when_nobody_asks_any_more() -> None:
    closed = threading.Event()

    def source() -> Iterator[Item]:
        try:
            for number in range(1000):
                yield array_item(number)
        finally:
            closed.set()

    batches = judge_all(FakeDetector(), source(), batch_size=1)
    next(batches)
    batches.close()
    assert closed.wait(5)


def test_too_large_a_batch_is_halved() -> None:
    detector = FakeDetector(largest_batch=3)
    judged = [one for batch in judge_all(detector, map(array_item, range(20)), batch_size=8) for one in batch]
    assert [one.item.key for one in judged] == [str(number) for number in range(20)]
    assert max(detector.batches) == 2
    with pytest.raises(MemoryError):
        list(judge_all(FakeDetector(largest_batch=0), [array_item(0)], batch_size=1))


def test_what_the_network_refuses_is_said_as_it_is() -> None:
    """As an image of another size than the one that it was exported for: no fault of a file."""

    class Refuses(FakeDetector):
        def run(self, prepared, *, min_score=None, most=None):
            raise UserError("images that fill 320 x 320 px")

    with pytest.raises(UserError, match="320 x 320"):
        list(judge_all(Refuses(), [array_item(0)], batch_size=1))


def test_files_are_read_by_the_bits_of_the_training(tmp_path):
    import cv2

    from anomdet.inference.item import Reading, file_item

    cv2.imwrite(str(tmp_path / "a.png"), np.full((8, 8), 4095, np.uint16))
    item = file_item(str(tmp_path / "a.png"), "a")
    assert item.read(Reading(bit_depth=12)).max() == 255
    assert item.read(None).pixels.max() == 16
