"""One process at a time at a file of the cache; the others wait, say so, and do not wait for the dead.

The system lets go of the lock of a process that ends. One that is stopped, or whose machine is lost to a shared disk,
may hold it for ever; and some file systems refuse every lock. So whoever holds one for longer gives signs of life: it
writes who it is beside the lock, again and again. Without them nobody waits for long: a lock only saves work that would
be done twice, and files appear whole or not at all.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from anomdet.data.index.cache_folder import machine

if TYPE_CHECKING:
    from filelock import FileLock

_POLL_S = 0.02
_SAY_AFTER_S = 5.0
_SAY_AGAIN_S = 60.0
_SIGN_AFTER_S, _SIGN_EVERY_S = 2.0, 10.0
_NO_SIGN_S = 60.0  # after which nobody is thought to be at work
_MAX_WAIT_S = 6 * 3600.0  # hashing a million images takes an hour
_given_up: set[Path] = set()


@contextlib.contextmanager
def locked(path: Path | None, what: str) -> Iterator[None]:
    """One process at a time; where there is no file, or the file system knows no locks, each for itself.

    Whoever has waited for 5 seconds says so on stderr, and again each minute. It continues without the lock when the
    holder gives no sign of life for a minute, or after 6 hours.

    Args:
        path: what is read or made under the lock; None: no lock.
        what: it is, for the message.
    """
    from filelock import FileLock

    lock = None if path is None else FileLock(path.with_suffix(".lock"))
    if lock is None or path is None or not _acquire(lock, path, what):
        yield
        return
    try:
        with _signs(path.with_suffix(".holder")):
            yield
    finally:
        lock.release()


def _acquire(lock: FileLock, path: Path, what: str) -> bool:
    """Whether this process has the lock now."""
    from filelock import Timeout

    wait = _Wait(path, what)
    while True:
        try:
            lock.acquire(timeout=0 if path in _given_up else min(1.0, _SAY_AFTER_S), poll_interval=_POLL_S)
        except Timeout:
            if path in _given_up:
                return False
            if wait.is_over():
                _given_up.add(path)
                return False
        except (OSError, NotImplementedError):
            return False
        else:
            _given_up.discard(path)
            return True


class _Wait:
    """What one who waits has seen, and has said.

    Signs are distinguished by their time, which is never compared with this machine's clock.
    """

    def __init__(self, path: Path, what: str) -> None:
        self._path, self._what = path, what
        self._start = self._last_sign = time.monotonic()
        self._say_at = self._start + _SAY_AFTER_S
        self._seen_ns = self._sign_ns()

    def _sign_ns(self) -> int:
        try:
            with self._path.with_suffix(".holder").open("rb") as file:  # NFS asks anew only for what is opened
                return os.fstat(file.fileno()).st_mtime_ns
        except OSError:
            return 0

    def is_over(self) -> bool:
        """Whether to wait no longer; says what there is to say."""
        now, sign_ns = time.monotonic(), self._sign_ns()
        if sign_ns != self._seen_ns:
            self._seen_ns, self._last_sign = sign_ns, now
        if now - self._last_sign >= _NO_SIGN_S or now - self._start >= _MAX_WAIT_S:
            self._say(f"{self._what}: waited {now - self._start:.0f} s for {self._holder()}; continuing without it")
            return True
        if now >= self._say_at:
            self._say_at = now + _SAY_AGAIN_S
            self._say(
                f"waiting for {self._holder()}, which is at work on {self._what} and holds "
                f"{self._path.with_suffix('.lock')}; it continues by itself. Not to wait, run the command again with "
                "ANOMDET_CACHE_DIR=another/folder"
            )
        return False

    def _holder(self) -> str:
        try:
            return self._path.with_suffix(".holder").read_text(encoding="utf-8", errors="replace") or "another process"
        except OSError:
            return "another process"

    def _say(self, text: str) -> None:
        if os.environ.get("LOCAL_RANK", "0") == "0":  # of the processes that torchrun started one speaks
            with contextlib.suppress(OSError, ValueError):
                sys.stderr.write(f"{text}\n")
                sys.stderr.flush()


@contextlib.contextmanager
def _signs(path: Path) -> Iterator[None]:
    done = threading.Event()
    thread = threading.Thread(target=_give_signs, args=(path, done), daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _give_signs(path: Path, done: threading.Event) -> None:
    """Until it is done: most is done before the first sign."""
    if done.wait(_SIGN_AFTER_S):
        return
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)
        path.write_text(f"process {os.getpid()} on {machine()}", encoding="utf-8", errors="replace")
    while not done.wait(_SIGN_EVERY_S):
        with contextlib.suppress(OSError):
            os.utime(path)
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)
