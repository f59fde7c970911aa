"""Many images through a detector: reading and decoding overlap the network, memory is bounded, order is kept."""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from numbers import Integral
from typing import Any, Protocol

from anomdet.errors import Problem, UserError, machine_limit
from anomdet.images.strips import Strips
from anomdet.inference.item import Item, Noted, NotYetError, Reading, UnreadableImageError, reason
from anomdet.inference.outcome import FailedImage, Outcome
from anomdet.inference.result import Result
from anomdet.inference.tiles_in_strips import TilesInStrips

NUM_READERS = 2  # more wait for each other: decoding is faster than any network on the same machine
_POLL_S = 0.1
_LEAST_TILES = 4  # of an image that is cut: two each way
_MOST_TILED_IMAGES = 8
log = logging.getLogger("anomdet")


class Judge(Protocol):
    """What is needed of a detector."""

    @property
    def info(self) -> dict[str, Any]:
        """Its ``device``, and its ``tiles`` if it has any, are looked at."""

    def prepare(self, image: Any, *, channels: str = "rgb") -> Any:
        """One image, ready for the network; runs in several threads at once."""

    def prepare_strips(self, strips: Strips) -> Any:
        """One large file, opened."""

    def run(self, prepared: Sequence[Any], *, min_score: float | None = None, most: int | None = None) -> list[Result]:
        """A result each; the network sees ``most`` images or tiles at once."""


@dataclass(frozen=True)
class Judged:
    """What became of an item.

    Args:
        item: as it came.
        outcome: a result, or why there is none.
        pixels: as read, if they were asked for.
        not_yet: the file is still being written; it is no failure.
    """

    item: Item
    outcome: Outcome
    pixels: Any = None
    not_yet: bool = False


@dataclass(frozen=True)
class _Loaded:
    item: Item
    prepared: Any
    times: dict[str, float]
    pixels: Any
    error: str = ""
    not_yet: bool = False
    warnings: tuple[str, ...] = ()

    @property
    def in_strips(self) -> bool:
        """Whether its pixels are read while the network runs."""
        return isinstance(self.prepared, TilesInStrips)


def judge_all(
    detector: Judge,
    items: Iterable[Item],
    *,
    batch_size: int | None,
    live: bool = False,
    keep_pixels: bool = False,
    min_score: float | None = None,
    reading: Reading | None = None,
) -> Generator[list[Judged], None, None]:
    """Batches of outcomes, in the order of the items. At most three batches of images are in memory.

    Args:
        detector: prepares in threads, runs in this one.
        items: may be endless.
        batch_size: images or tiles that the network sees at once; halved, with a warning, where the memory is too
            small. None: what suits the device.
        live: a batch is what has arrived; else it is always full, so that results do not depend on timing.
        keep_pixels: hand the images on, for what is drawn or cut out of them.
        min_score: the least score of a detection in the results; None: the threshold.
        reading: of image files: larger images fail, and by how many bits those of 16 bit are scaled.
    """
    if keep_pixels and reading is not None:
        reading = reading._replace(in_strips=False)
    tiled = detector.info.get("tiles") is not None
    batch_size = batch_size or auto_batch_size(detector.info["device"])
    load = partial(_load, detector, keep_pixels, reading)
    loaded = _Reader(load, items, 2 * images_at_once(batch_size, tiled))
    try:
        while batch := loaded.batch(images_at_once(batch_size, tiled), wait_for_all=not live):
            ready = [one for one in batch if not one.error]
            found, batch_size = _run(detector, ready, batch_size, tiled, min_score)
            found_of = dict(zip(map(id, ready), found, strict=True))
            yield [_judged(one, found_of.get(id(one), one.error)) for one in batch]
    finally:
        loaded.close()


def check_batch_size(batch_size: Any) -> None:
    """Refuse what is no number of images.

    Raises:
        UserError: it is not: below 1 no image would be judged.
    """
    if batch_size is not None and not (isinstance(batch_size, Integral) and int(batch_size) >= 1):
        raise UserError(Problem("batch_size", "an integer >= 1, or None", repr(batch_size)))


def auto_batch_size(device: str) -> int:
    """Images at once where nobody says. At 96 px on one core, 8 take 0.4 of the time of single ones, 16 0.3."""
    return 8 if device == "cpu" else 32


def images_at_once(batch_size: int, tiled: bool) -> int:
    """Images that are read for a batch; of those that are cut, a few fill it, and each is large."""
    return min(max(1, batch_size // _LEAST_TILES), _MOST_TILED_IMAGES) if tiled else batch_size


def _judged(one: _Loaded, found: Result | str) -> Judged:
    """Of an item, by its result, or by why there is none."""
    item = one.item
    if isinstance(found, str):
        return Judged(item, FailedImage(item.name, found, item.frame, item.time_s), None, one.not_yet)
    outcome = replace(
        found,
        image=item.name,
        frame=item.frame,
        time_s=item.time_s,
        times={**found.times, **one.times},
        warnings=(*found.warnings, *item.warnings, *one.warnings),
    )
    return Judged(item, outcome, one.pixels)


def _run(
    detector: Judge, ready: list[_Loaded], batch_size: int, tiled: bool, min_score: float | None
) -> tuple[list[Result | str], int]:
    """The results, or why there is none, and the batch size that fits the memory."""
    results: list[Result | str] = []
    while len(results) < len(ready):
        some = ready[len(results) :][: images_at_once(batch_size, tiled)]
        alone = next((at for at, one in enumerate(some) if one.in_strips), len(some))
        some = some[: max(alone, 1)]
        try:
            results += detector.run([one.prepared for one in some], min_score=min_score, most=batch_size)
        except UserError as error:  # a file whose pixels are read only now
            if not some[0].in_strips:
                raise  # of what was asked for, not of a file
            results.append(reason(error))
        except (RuntimeError, MemoryError) as error:
            tried = batch_size if tiled else len(some)
            if not machine_limit(error) or tried == 1:
                raise
            batch_size = max(1, tried // 2)
            log.warning(
                f"the memory is too small for {tried} {'tiles' if tiled else 'images'} at once; "
                f"continuing with {batch_size}"
            )
    return results, batch_size


def _load(detector: Judge, keep_pixels: bool, reading: Reading | None, item: Item) -> _Loaded:
    times = {"read": 0.0, "prepare": 0.0}
    try:
        start = time.perf_counter()
        pixels, note = item.read(reading), ""
        if isinstance(pixels, Noted):
            pixels, note = pixels
        times["read"] = time.perf_counter() - start
        if isinstance(pixels, Strips):
            return _Loaded(item, detector.prepare_strips(pixels), {}, None)
        prepared = detector.prepare(pixels, channels=item.channels)
        times["prepare"] = time.perf_counter() - start - times["read"]
    except UnreadableImageError as error:
        return _Loaded(item, None, times, None, str(error), isinstance(error, NotYetError))
    except UserError as error:  # an array that is no image
        return _Loaded(item, None, times, None, str(error))
    return _Loaded(item, prepared, times, pixels if keep_pixels else None, warnings=(note,) if note else ())


class _Reader:
    """Items, read and prepared ahead by threads, in order; never more than ``ahead`` of them."""

    def __init__(self, load: Callable[[Item], _Loaded], items: Iterable[Item], ahead: int) -> None:
        self._load, self._items = load, items
        self._waiting: queue.Queue[Future[_Loaded] | BaseException | None] = queue.Queue(ahead)
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(NUM_READERS, thread_name_prefix="read")
        # It may wait for a line of stdin for ever: it must not keep the process alive.
        self._feeder = threading.Thread(target=self._feed, name="feed", daemon=True)
        self._feeder.start()
        self._ended = False

    def batch(self, size: int, *, wait_for_all: bool) -> list[_Loaded]:
        """Up to ``size`` items, at least one; none at the end."""
        found: list[_Loaded] = []
        while len(found) < size and not self._ended:
            try:
                waiting = self._waiting.get(block=wait_for_all or not found)
            except queue.Empty:
                break
            if isinstance(waiting, BaseException):
                raise waiting
            self._ended = waiting is None
            if waiting is not None:
                found.append(waiting.result())
        return found

    def close(self) -> None:
        """End the threads; what they are reading is read to its end."""
        self._stop.set()
        with contextlib.suppress(queue.Empty):
            while True:
                self._waiting.get_nowait()
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._feeder.join(2 * _POLL_S)

    def _feed(self) -> None:
        last: BaseException | None = None
        iterator = iter(self._items)
        try:
            for item in iterator:
                if self._stop.is_set() or not self._put(self._pool.submit(self._load, item)):
                    break
        except BaseException as error:  # noqa: BLE001 - it is raised again by the thread that asks
            last = error
        finally:
            if isinstance(iterator, Generator):
                iterator.close()  # in its own thread: a camera is let go of
        self._put(last)

    def _put(self, waiting: Future[_Loaded] | BaseException | None) -> bool:
        while not self._stop.is_set():
            with contextlib.suppress(queue.Full):
                self._waiting.put(waiting, timeout=_POLL_S)
                return True
        return False
