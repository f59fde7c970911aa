"""The detectors of a service by name; each can be replaced while requests run."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np

from anomdet.errors import UserError
from anomdet.images.decode import decode_to_judge
from anomdet.images.headers import BadImageError
from anomdet.images.limits import TooLargeImageError
from anomdet.inference.detector import Detector
from anomdet.inference.result import Result
from anomdet.inference.stream import NUM_READERS, images_at_once
from anomdet.serving.batching import Batcher
from anomdet.serving.meters import Meters
from anomdet.serving.refusal import Refusal

Given: TypeAlias = "bytes | Callable[[], bytes]"
"""An image's file, or what reads it when its turn comes."""
_REMEDY = "; whoever runs the service can raise --megapixels"


@dataclass(frozen=True, eq=False)
class ReadyImage:
    """An image that waits for the network.

    Args:
        prepared: as the detector wants it.
        warnings: for its result.
        times: seconds of ``read`` and ``prepare``.
    """

    prepared: Any
    warnings: tuple[str, ...]
    times: dict[str, float]

    def finish(self, result: Result, name: str | None) -> Result:
        """The network's result, with what is known of the image."""
        times = {**result.times, **self.times}
        return replace(result, image=name, warnings=(*self.warnings, *result.warnings), times=times)


class Live:
    """A detector at work: it ends when it was replaced and its last request is answered.

    Args:
        name: of the model.
        detector: ready to run.
        batch_size: see :class:`Batcher`.
        megapixels: largest image; the detector's own limit counts too.
        meters: see :class:`Meters`.
    """

    def __init__(self, name: str, detector: Detector, batch_size: int, megapixels: float, meters: Meters) -> None:
        self.name, self.detector = name, detector
        own = detector.reading.max_megapixels
        self._megapixels = megapixels if own is None else min(megapixels, own)
        self.batcher = Batcher(
            detector, batch_size, lambda images, _s: meters.batch_images.labels(name).observe(images)
        )
        at_once = images_at_once(batch_size, detector.info.get("tiles") is not None)
        self.places = asyncio.Semaphore(3 * at_once + NUM_READERS)
        """Of images in memory as pixels: in a batch, in the next two, and those that are being read."""
        self._lock, self._num_users, self._is_replaced = threading.Lock(), 0, False

    @property
    def version(self) -> str:
        """The first digits of the model's hash."""
        return self.detector.sha256[:12]

    def prepare(self, given: Given) -> ReadyImage:
        """Decode a file's bytes and resize them; runs in several threads.

        Raises:
            Refusal: no image (400), or too large a one (413), found by its header before any pixel is decoded.
        """
        start = time.perf_counter()
        data = given if isinstance(given, bytes) else given()
        try:
            pixels, note = decode_to_judge(
                np.frombuffer(data, np.uint8),
                max_megapixels=self._megapixels,
                bit_depth=self.detector.reading.bit_depth,
            )
        except TooLargeImageError as error:
            raise Refusal(413, str(error).partition(";")[0] + _REMEDY) from None
        except BadImageError as error:
            raise Refusal(400, f"expected a readable image, got {error}") from None
        read = time.perf_counter()
        try:
            prepared = self.detector.prepare(pixels, channels="bgr")
        except UserError as error:  # more tiles than any training allows
            raise Refusal(413, str(error)) from None
        times = {"read": read - start, "prepare": time.perf_counter() - read}
        return ReadyImage(prepared, (note,) if note else (), times)

    def warm_up(self) -> None:
        """Run once, so that the first request does not pay for what a runtime allocates and compiles."""
        height, width = self.detector.artifact.preprocessing.size_hw
        self.detector.run([self.detector.prepare(np.zeros((height, width, 3), np.uint8))])

    def enter(self) -> bool:
        """Whether it may be used; it must be left then."""
        with self._lock:
            self._num_users += not self._is_replaced
            return not self._is_replaced

    def leave(self) -> None:
        """One user less."""
        with self._lock:
            self._num_users -= 1
            is_last = self._is_replaced and not self._num_users
        if is_last:
            self.batcher.close()

    def retire(self) -> None:
        """Take no new user; end with the last one."""
        with self._lock:
            if self._is_replaced:
                return
            self._is_replaced = True
            is_last = not self._num_users
        if is_last:
            self.batcher.close()


class Models:
    """Detectors by name; the first is the one of requests that name none.

    Args:
        openers: name to what opens it from where the service was started with.
        make: a detector at work, of a name and a detector.

    Raises:
        UserError: one cannot be opened.
    """

    def __init__(self, openers: Mapping[str, Callable[[], Detector]], make: Callable[[str, Detector], Live]) -> None:
        self._openers, self._make = openers, make
        self._loading = threading.Lock()
        self._live = {name: self._open(name) for name in openers}

    def __iter__(self) -> Iterator[Live]:
        return iter(self._live.values())

    def find(self, name: str | None) -> Live:
        """The detector of a name; of None: the first.

        Raises:
            Refusal: 404.
        """
        found = next(iter(self._live.values())) if name is None else self._live.get(name)
        if found is None:
            raise Refusal(404, f"expected a model of {', '.join(self._live)}, got {name!r:.100}")
        return found

    @contextlib.contextmanager
    def use(self, name: str | None) -> Iterator[Live]:
        """As :meth:`find`, and it stays until the end of the block, even if it is replaced meanwhile."""
        live = self.find(name)
        while not live.enter():  # replaced just now
            live = self.find(name)
        try:
            yield live
        finally:
            live.leave()

    def reload(self, name: str) -> Live:
        """Open a model again; requests meanwhile, and those that have begun, get the old one's result.

        Raises:
            UserError: it cannot be opened; the old one stays.
        """
        with self._loading:
            new = self._open(name)
            old, self._live[name] = self._live[name], new
        old.retire()
        return new

    def close(self) -> None:
        """End all threads after what is queued."""
        for live in self:
            live.retire()

    def _open(self, name: str) -> Live:
        live = self._make(name, self._openers[name]())
        live.warm_up()
        return live
