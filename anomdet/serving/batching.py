"""Dynamic batching: whatever arrives while the network is busy goes through it together, at once when it is free.

No image waits for others to arrive, so that a single request is as fast as without batches. Where a batch takes as long
as its images one by one, as on a processor's core, those in it would wait for each other for nothing: then half of what
waits goes first.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from anomdet.inference.result import Result
from anomdet.inference.stream import Judge

_NO_GAIN = 1.5


@dataclass(frozen=True, eq=False)
class _Job:
    prepared: Any
    min_score: float | None
    future: Future[Result] = field(default_factory=Future)


def size_of_next(waiting: int, most: int, seconds: Mapping[int, float]) -> int:
    """Images of the next batch: a power of two; 0 if none waits.

    All that wait, unless the batch is known to take at least 1.5 times as long as half of it: then they are answered
    sooner in two. With twice as many waiting, the larger batch is taken for its throughput.

    Args:
        waiting: images.
        most: in a batch.
        seconds: that batches took, by their size, as far as known.

    >>> size_of_next(9, 8, {}), size_of_next(9, 8, {4: 0.04, 8: 0.08}), size_of_next(16, 8, {4: 0.04, 8: 0.08})
    (8, 4, 8)
    """
    size = 1 << (min(waiting, most).bit_length() - 1) if waiting else 0
    known = size in seconds and size // 2 in seconds
    if known and waiting < 2 * size and seconds[size] >= _NO_GAIN * seconds[size // 2]:
        return size // 2
    return size


class Batcher:
    """One thread that runs one network.

    Args:
        detector: runs what it has prepared.
        batch_size: images, and tiles, at once, at most. Batches are powers of two: a runtime that compiles for each
            shape has few.
        on_batch: called with the number of images and the seconds of each batch, in that thread.
    """

    def __init__(
        self, detector: Judge, batch_size: int, on_batch: Callable[[int, float], None] = lambda _images, _seconds: None
    ) -> None:
        self._detector, self._batch_size, self._on_batch = detector, batch_size, on_batch
        self._waiting: deque[_Job] = deque()
        self._seconds: dict[int, float] = {}  # the least that a batch of a size took: the first one may compile
        self._changed = threading.Condition()
        self._is_closed = False
        self._thread = threading.Thread(target=self._work, name="network", daemon=True)
        self._thread.start()

    def submit(self, prepared: Any, min_score: float | None = None) -> Future[Result]:
        """Queue one image; cancelled before its turn, it is not computed."""
        job = _Job(prepared, min_score)
        with self._changed:
            assert not self._is_closed, "whoever closes it knows that nobody uses it"
            self._waiting.append(job)
            self._changed.notify()
        return job.future

    def close(self) -> None:
        """End the thread after what is queued; does not wait."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()

    def join(self, timeout_s: float | None = None) -> bool:
        """Whether the thread has ended within this time."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _work(self) -> None:
        while jobs := self._next():
            self._run([job for job in jobs if job.future.set_running_or_notify_cancel()])

    def _next(self) -> list[_Job]:
        """The next batch, all of one least score; empty: closed, and nothing is left."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._is_closed)
            size = size_of_next(len(self._waiting), self._batch_size, self._seconds)
            jobs: list[_Job] = []
            while len(jobs) < size and (not jobs or self._waiting[0].min_score == jobs[0].min_score):
                jobs.append(self._waiting.popleft())
            return jobs

    def _run(self, jobs: list[_Job]) -> None:
        if not jobs:
            return
        start = time.perf_counter()
        try:
            prepared = [job.prepared for job in jobs]
            results = self._detector.run(prepared, min_score=jobs[0].min_score, most=self._batch_size)
        except Exception as error:  # noqa: BLE001 - it goes to whoever asked
            if len(jobs) == 1:
                jobs[0].future.set_exception(error)
                return
            for job in jobs:  # one image must not fail the others
                self._run([job])
            return
        seconds = time.perf_counter() - start
        self._seconds[len(jobs)] = min(seconds, self._seconds.get(len(jobs), seconds))
        self._on_batch(len(jobs), seconds)
        for job, result in zip(jobs, results, strict=True):
            job.future.set_result(result)
