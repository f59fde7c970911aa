"""Files that arrive in a folder: each is handed on once it is complete, and once only.

The folder is looked through at each poll, with one stat a file: that works on network drives, where nobody reports
changes, and costs what benchmarks/watch.py measures. Move judged files away where a folder grows without end: polls
become rarer, so that looking takes a tenth of a core at most.
"""

from __future__ import annotations

import logging
import os
import stat
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from anomdet.errors import Problem, UserError
from anomdet.images.headers import BadImageError
from anomdet.images.read_header import header_of
from anomdet.inference.folders import files_below, is_image
from anomdet.inference.item import Item, NotYetError, Reading, UnreadableImageError, failed_item, read_file

Stamp = tuple[int, int]
"""Size in bytes, time of change in nanoseconds."""
_MOST_LOOKS = 9  # looking at a large folder takes a tenth of a core at most: polls become rarer
log = logging.getLogger("anomdet")


@dataclass(frozen=True)
class Patience:
    """How long to wait, in seconds.

    Args:
        poll_s: between two looks at the folder.
        settle_s: a file must not change for so long before it is read.
        give_up_s: a file that is no whole image and has not changed for so long is one that failed.
        idle_s: end when nothing has arrived for so long; None: never.
    """

    poll_s: float = 0.5
    settle_s: float = 1.0
    give_up_s: float = 60.0
    idle_s: float | None = None


@dataclass
class _File:
    """What is known of a file: its stamp, since when it has had it, and whether it was handed on or judged."""

    stamp: Stamp
    since: float
    handed_on: bool = False


class Arrivals:
    """The complete images of a folder, as they arrive; a file that changes afterwards is a new one.

    While the folder cannot be read, as where a network drive is lost, what was judged is not forgotten.

    Args:
        folder: looked through with all folders below it; hidden files (``.x.png.part``) are left alone.
        done: key to stamp of what was judged before.
        patience: see there.
    """

    def __init__(self, folder: str, done: dict[str, Stamp], patience: Patience) -> None:
        self.folder, self._patience = folder.rstrip(os.sep) or folder, patience
        self._done = done
        self._files: dict[str, _File] = {}
        self._in_flight: set[tuple[str, Stamp | None]] = set()
        self._place: tuple[int, int] | None = None  # device and number of the folder in which files were found
        self._lost = ""  # why the folder cannot be read
        self._away = False  # whether it is gone, or another one is in its place
        self._unread: frozenset[str] = frozenset()  # folders in it that could not be read at the last look
        self._reported: frozenset[str] = frozenset()  # of them
        self._lock = threading.Lock()
        self._stop = threading.Event()

    def stop(self) -> None:
        """End at the next poll."""
        self._stop.set()

    def settled(self, item: Item, *, not_yet: bool) -> None:
        """The item was judged, or its file was not complete yet: then it is looked at again at the next poll."""
        with self._lock:
            self._in_flight.discard((item.key, item.stamp))
            file = self._files.get(item.key)
            if not_yet and file is not None and file.stamp == item.stamp:
                file.handed_on = False

    def __iter__(self) -> Iterator[Item]:
        last = time.monotonic()
        while not self._stop.is_set():
            start = time.thread_time()
            yield from self._complete()
            look_s = time.thread_time() - start
            with self._lock:
                waits = not self._away and any(not file.handed_on for file in self._files.values())
                is_busy = bool(self._in_flight) or waits
            last = time.monotonic() if is_busy else last
            if self._patience.idle_s is not None and time.monotonic() - last >= self._patience.idle_s:
                if self._lost:
                    hint = "connect its drive again: the same command continues"
                    raise UserError(Problem(f"SOURCE {self.folder}", "a folder that can be read", self._lost, hint))
                return
            self._stop.wait(max(self._patience.poll_s, _MOST_LOOKS * look_s))

    def _complete(self) -> Iterator[Item]:
        """One look at all files."""
        now, present, unread = time.monotonic(), set(), set()
        start = len(self.folder) + (not self.folder.endswith(os.sep))
        for path, error in files_below(self.folder):
            if error is not None and path != self.folder:
                unread.add(path[start:].replace(os.sep, "/") + "/")
            if error is not None or not is_image(path):
                continue
            try:
                look = os.stat(path)  # noqa: PTH116 (speed)
            except OSError:  # moved away in between, or a link to nothing
                continue
            key, stamp = path[start:].replace(os.sep, "/"), (look.st_size, look.st_mtime_ns)
            present.add(key)
            item = self._look(path, key, stamp, now, is_regular=stat.S_ISREG(look.st_mode))
            if item is not None:
                yield item
        self._look_after_folders(bool(present), frozenset(unread))
        if self._away:
            return  # what was there before is not gone
        with self._lock:  # else the memory of a line that runs for a year would grow
            for gone in self._files.keys() - present:
                if not gone.startswith(tuple(unread)) and not self._files.pop(gone).handed_on:
                    log.warning(f"{gone} was gone before it was complete; it is not judged")
        if present:
            self._done.clear()  # all that is still there stands among the files now

    def _look_after_folders(self, has_files: bool, unread: frozenset[str]) -> None:
        """A network drive that is lost leaves a folder that cannot be read, or the empty one that it was mounted on."""
        was_away, place = self._away, None
        try:
            look = os.stat(self.folder)  # noqa: PTH116
            with os.scandir(self.folder):
                place, self._lost = (look.st_dev, look.st_ino), ""
        except OSError as error:
            self._lost = error.strerror or str(error)
        if has_files:
            self._place = place
        self._away = not has_files and (place is None or self._place not in (None, place))
        if self._away and not was_away:
            emptied = "another folder, without images, is in its place"
            why = f"it cannot be read ({self._lost})" if self._lost else emptied
            log.warning(f"{self.folder}: {why}; waiting for its files")
        elif was_away and not self._away:
            log.warning(f"{self.folder}: it is back")
        for name in sorted(unread & self._unread - self._reported):  # twice: not one that is being removed
            log.warning(f"{self.folder}/{name} cannot be read: nothing in it is judged")
        self._reported |= unread & self._unread
        self._unread = unread

    def _look(self, path: str, key: str, stamp: Stamp, now: float, *, is_regular: bool) -> Item | None:
        """The item of a file that is complete, or that never will be; None: not now, or not again.

        What is no regular file is not opened: a pipe would keep all others waiting. It fails when it is read.
        """
        file = self._files.get(key)
        if file is None or file.stamp != stamp:
            with self._lock:
                self._files[key] = _File(stamp, now, handed_on=self._done.get(key) == stamp)
            return None
        unchanged_s = now - file.since
        if file.handed_on or unchanged_s < self._patience.settle_s:
            return None
        last_chance = unchanged_s >= self._patience.give_up_s
        try:
            if is_regular:
                header_of(path)
            read: Callable[[Reading | None], Any] = partial(_read_complete, path, stamp, last_chance)
        except BadImageError as error:
            if not last_chance:
                return None
            read = failed_item(path, key, f"{error}, and it has not changed for {unchanged_s:.0f} s").read
        with self._lock:
            file.handed_on = True
            self._in_flight.add((key, stamp))
        return Item(path, key, read, stamp=stamp)


def _read_complete(path: str, stamp: Stamp, last_chance: bool, reading: Reading | None) -> Any:
    """The pixels of a file that is the same before and after.

    Raises:
        NotYetError: it was changed in between, or cannot be decoded yet.
        UnreadableImageError: it never could be.
    """
    try:
        pixels = read_file(path, (reading or Reading())._replace(in_strips=False))  # at once, to see it unchanged
    except UnreadableImageError as error:
        if last_chance:
            raise
        raise NotYetError(str(error)) from None
    try:
        look = os.stat(path)  # noqa: PTH116
    except OSError:  # moved away after it was read as a whole
        return pixels
    if (look.st_size, look.st_mtime_ns) != stamp:
        raise NotYetError("it was changed while it was read")
    return pixels
