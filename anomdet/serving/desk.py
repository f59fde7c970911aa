"""Where requests meet detectors: bytes of an image in, its result out, within a time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from anomdet.errors import UserError, machine_limit
from anomdet.inference.result import Result
from anomdet.inference.stream import NUM_READERS
from anomdet.serving.meters import Meters
from anomdet.serving.models import Given, Live, Models
from anomdet.serving.refusal import Refusal
from anomdet.serving.settings import MAX_IMAGES, ServeSettings

_T = TypeVar("_T")
log = logging.getLogger("anomdet")


class Desk:
    """Judges images for all protocols.

    Args:
        models: by name.
        settings: limits.
        meters: counts.
    """

    def __init__(self, models: Models, settings: ServeSettings, meters: Meters) -> None:
        self.models, self.settings, self.meters = models, settings, meters
        self.is_draining = False
        self.reported: set[str] = set()  # models of which the log has said what a project lacks
        self._held, self._held_bytes = 0, 0
        self._readers = ThreadPoolExecutor(NUM_READERS, thread_name_prefix="read")
        self._loader = ThreadPoolExecutor(1, thread_name_prefix="load")

    async def judge(
        self, model: str | None, given: Given, *, name: str | None = None, min_score: float | None = None
    ) -> Result:
        """The result of one image.

        Args:
            model: its name; None: the first.
            given: an image's file.
            name: for the result only; nothing is read by it.
            min_score: as of :meth:`Detector.run`.

        Raises:
            Refusal: no such model, no image, too large, too late, or the network failed.
        """
        with self.models.use(model) as live:
            work = self._judge(live, given, name, min_score)
            try:
                result = await asyncio.wait_for(work, self.settings.timeout_s)
            except asyncio.TimeoutError:
                self.meters.refused.labels("timeout").inc()
                raise Refusal(504, f"no result within {self.settings.timeout_s:g} s", retry_after_s=1) from None
        self.meters.judged(live.name, result)
        return result

    async def _judge(self, live: Live, given: Given, name: str | None, min_score: float | None) -> Result:
        try:
            async with live.places:
                ready = await asyncio.get_running_loop().run_in_executor(self._readers, live.prepare, given)
                found = await asyncio.wrap_future(live.batcher.submit(ready.prepared, min_score))
        except UserError as error:
            log.warning("%s: %s", live.name, error)
            raise Refusal(400, "this network does not take an image of this shape") from None
        except (RuntimeError, MemoryError) as error:
            if not machine_limit(error):
                raise
            log.warning("%s: %s", live.name, machine_limit(error))
            raise Refusal(503, "the memory is full", retry_after_s=5) from None
        return ready.finish(found, name)

    async def judge_all(
        self, model: str | None, images: Sequence[Given], *, min_score: float | None = None
    ) -> list[Result]:
        """The results of the images of one request, in their order; one that fails fails the request.

        Raises:
            Refusal: as :meth:`judge`, or too many images (413).
        """
        if len(images) > MAX_IMAGES:
            raise Refusal(413, f"expected at most {MAX_IMAGES} images in a request, got {len(images):,}")
        return await _together([self.judge(model, given, min_score=min_score) for given in images])

    async def judge_each(self, model: str | None, images: Sequence[Given]) -> list[Result | Refusal]:
        """The result of each image, or why it has none (400, 413); ``MAX_IMAGES`` of them at once, each in its time.

        Raises:
            Refusal: as :meth:`judge`, of what is no fault of an image.
        """
        found: list[Result | Refusal] = []
        for start in range(0, len(images), MAX_IMAGES):
            some = images[start : start + MAX_IMAGES]
            found += await _together([self._judged_or_not(model, given) for given in some])
        return found

    async def _judged_or_not(self, model: str | None, given: Given) -> Result | Refusal:
        try:
            return await self.judge(model, given)
        except Refusal as refusal:
            if refusal.status not in (400, 413):
                raise
            return refusal

    async def reload(self, model: str) -> Live:
        """Open a model again, in a thread of its own.

        Raises:
            Refusal: no such model (404), or it cannot be opened (500); the log says why, the old one stays.
        """
        self.models.find(model)
        try:
            live = await asyncio.get_running_loop().run_in_executor(self._loader, self.models.reload, model)
        except Exception as error:  # the old one serves on, whatever is wrong with the new one
            self.meters.reloads.labels(model, "failed").inc()
            log.warning("%s was not reloaded, the model of before serves on: %s", model, error)
            raise Refusal(500, f"{model} could not be opened, the model of before serves on; see the log") from error
        self.meters.reloads.labels(model, "done").inc()
        log.info("reloaded %s, now %s", model, live.version)
        return live

    def take_place(self, num_bytes: int) -> None:
        """A request with a body comes in; it must be given up by :meth:`give_place`.

        Raises:
            Refusal: 503.
        """
        settings = self.settings
        if self._held >= settings.queue_size or (self._held and self._held_bytes + num_bytes > settings.held_bytes):
            self.meters.refused.labels("queue").inc()
            raise Refusal(503, f"{self._held} requests are waiting; try again later", retry_after_s=1)
        self._hold(1, num_bytes)

    def give_place(self, num_bytes: int) -> None:
        """The request is answered."""
        self._hold(-1, -num_bytes)

    def close(self) -> None:
        """After the last answer."""
        self.models.close()
        self._readers.shutdown(wait=False, cancel_futures=True)
        self._loader.shutdown(wait=False, cancel_futures=True)

    def _hold(self, requests: int, num_bytes: int) -> None:
        self._held, self._held_bytes = self._held + requests, self._held_bytes + num_bytes
        self.meters.held.set(self._held)
        self.meters.held_bytes.set(self._held_bytes)


async def _together(works: Sequence[Coroutine[Any, Any, _T]]) -> list[_T]:
    """What they return, in their order; if one fails, the others are cancelled."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()
