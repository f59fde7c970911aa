"""The thread of each process that never waits for anybody: it speaks when another process keeps this one waiting.

Backends end a hung job too, but each process for itself and without naming another: gloo raises in the main thread
after its timeout. nccl's own watchdog thread tears the process down after the same timeout (an abort, with the default
TORCH_NCCL_ASYNC_ERROR_HANDLING=3; TORCH_NCCL_BLOCKING_WAIT=1 makes it an exception), and should that thread hang
itself, its monitor does after TORCH_NCCL_HEARTBEAT_TIMEOUT_SEC. The guard speaks before them and asks neither: it goes
by the hook points that the processes passed and by their stacks.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from anomdet.engine.distributed.processes import states
from anomdet.engine.distributed.store import STORE_ERRORS
from anomdet.engine.distributed.verdict import Culprit, Report, culprits, verdict

_ANSWER_S = 15.0  # the store's, at most
_ENDS_AFTER_S = 3.0  # after another one's end: torchrun is to see that one first
_SAME_SIGNAL_S = 2.0  # one Ctrl-C comes from the terminal and from torchrun
_STUCK_S = 5.0  # in one place, after a signal on which there is no agreement
_HEEDED = (signal.SIGINT, signal.SIGTERM)


def limit(timeout_s: float) -> float:
    """Seconds in one place before the guard looks around: early enough to speak before the backend's timeout ends."""
    return max(timeout_s / 2, min(timeout_s * 0.9, timeout_s - 5))


class Watched(Protocol):
    """What the guard asks of the watch of its process."""

    rank: int
    interval_s: float
    board: Any
    stop: Any
    armed: bool
    is_closing: bool
    has_ended: bool
    signal: int
    wake: Any
    checkpoint: Path | None

    @property
    def stands(self) -> tuple: ...

    def read(self, timeout_s: float) -> dict[int, Report]: ...

    def finish(self, code: int) -> None: ...

    def others_ended(self) -> bool: ...

    def was_interrupted(self) -> bool: ...


class Guard:
    """Of one process of many.

    Args:
        watch: of the process.
        timeout_s: of the process group.
    """

    def __init__(self, watch: Watched, timeout_s: float) -> None:
        self.watch = watch
        self.limit_s = limit(timeout_s)
        self._read_end, self._write_end = os.pipe()
        self._seen: tuple = ()
        self._since = time.monotonic()
        self._ended_at = self._signalled_at = self._leaves_at = 0.0
        self._signalled = 0

    def hear_signals(self) -> None:
        """Have each signal written to a pipe too: Python runs a handler only once the main thread comes back to it."""
        for end in (self._read_end, self._write_end):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(self._write_end, warn_on_full_buffer=False)
        os.register_at_fork(after_in_child=_deafen)  # what comes to a process that loads images is its own

    def close(self) -> None:
        """Leave the signals alone, and the work done: end :meth:`run`."""
        with contextlib.suppress(ValueError):  # not the main thread
            signal.set_wakeup_fd(-1)
        with contextlib.suppress(OSError):
            os.write(self._write_end, b"\0")

    def run(self) -> None:
        """Until the work is done."""
        while not self.watch.is_closing:
            if select.select([self._read_end], [], [], self.watch.interval_s)[0]:
                self._heed(os.read(self._read_end, 1024))
            self._look(time.monotonic())

    def _heed(self, numbers: bytes) -> None:
        now = time.monotonic()
        for number in numbers:
            if number in _HEEDED:
                if self._signalled and now - self._signalled_at > _SAME_SIGNAL_S:
                    self._leaves_at = now + _ENDS_AFTER_S  # should the main thread not come back to hear it
                elif not self._signalled:
                    self._signalled_at = now
                self._signalled = number
                self.watch.signal = self.watch.signal or (number if self.watch.armed else 0)
                self.watch.wake.set()

    def _look(self, now: float) -> None:
        watch = self.watch
        if watch.stands != self._seen:
            self._seen, self._since = watch.stands, now
        if self._leaves_at and now > self._leaves_at:
            self._leave(128 + self._signalled)
        if watch.has_ended:
            self._ended_at = self._ended_at or now
            if self._signalled or now - self._ended_at > _ENDS_AFTER_S:
                self._leave(128 + self._signalled if self._signalled else 1)
        stood_s = now - self._since
        if stood_s > self.limit_s or (watch.stop.has_failed and stood_s > _STUCK_S):
            self._judge(stood_s)

    def _judge(self, stood_s: float) -> None:
        first = self.watch.read(_ANSWER_S)
        time.sleep(3 * self.watch.interval_s)
        second = self.watch.read(_ANSWER_S)
        if self.watch.is_closing or self.watch.stands != self._seen:
            return
        if not first or not second:
            self._lost_the_store(stood_s)
            return
        found = culprits(first, second, states(second, second[self.watch.rank]))
        if not found or any(one.report.rank == self.watch.rank for one in found):
            self._since += 10 * self.watch.interval_s  # nobody else, or this one: another tells; look again later
            return
        try:
            if self._is_first("told"):
                say(f"error: {self._words(found, stood_s)}")
                _wake_up(found)
            with contextlib.suppress(*STORE_ERRORS):
                self.watch.board.mark("ended")
        finally:
            self._leave(1)

    def _is_first(self, name: str) -> bool:
        """Also when the store is gone: reported twice is better than by nobody."""
        try:
            return bool(self.watch.board.is_first(name))
        except STORE_ERRORS:
            return True

    def _leave(self, code: int) -> None:
        """At once: the main thread may never come back from where it stands."""
        self.watch.finish(code)
        _leave(code)

    def _words(self, found: list[Culprit], waited_s: float | None) -> str:
        return f"{verdict(found, waited_s)}\nthe processes that waited for it end too{self.resume_hint}"

    @property
    def resume_hint(self) -> str:
        """How the run continues, if it can; to be put behind a message."""
        path = self.watch.checkpoint
        return f"; the same command with --resume continues from {path}" if path and path.is_file() else ""

    @property
    def _speaks_of_the_store(self) -> bool:
        """Nobody can be asked any more, nor agreed with: one process of each machine reports it."""
        return os.environ.get("LOCAL_RANK", "0") == "0" or self.watch.rank == 1

    def _lost_the_store(self, stood_s: float) -> None:
        if self._speaks_of_the_store:
            say(
                f"error: nothing has moved for {stood_s:.0f} s, and the store of all processes, "
                f"{self.watch.board.address} on the machine of rank 0, does not answer: that machine, its first "
                "process or the network stopped"
            )
        self._leave(1)

    def explain_loss(self, patience_s: float) -> str | None:
        """Who broke off, after this process's own call to the others failed; called by the main thread.

        Args:
            patience_s: how long to look for one that is gone; 0: only what is to be seen at once.

        Returns:
            What to report; empty: another process has reported it, or will; None: all of them answer.
        """
        watch, end = self.watch, time.monotonic() + patience_s
        first = watch.read(_ANSWER_S)
        found = self._unwell(first, first)
        while first and not found and time.monotonic() < end:
            time.sleep(0.1)
            if watch.others_ended():
                return ""
            if watch.was_interrupted():
                return None
            found = self._unwell(first, first)
        second = first
        if first and (found or patience_s):
            second = watch.read(_ANSWER_S)  # one that is gone may have said good-bye just before
            found = self._unwell(second if found else first, second)
        if watch.others_ended():
            return ""
        if not second and not watch.was_interrupted():
            return self._lost_store()
        if not found:
            return None
        if not self._is_first("told"):
            return ""
        with contextlib.suppress(*STORE_ERRORS):
            watch.board.mark("ended")
        return self._words(found, None)

    def _lost_store(self) -> str:
        if not self._speaks_of_the_store:
            return ""
        where = f"{self.watch.board.address} on the machine of rank 0"
        return f"the store of all processes, {where}, is gone: its process or its machine ended{self.resume_hint}"

    def _unwell(self, first: dict[int, Report], second: dict[int, Report]) -> list[Culprit]:
        """Without this process, which waited in vain."""
        own = second.get(self.watch.rank)
        if own is None:
            return []
        waiting = replace(own, depth=9, waits=True)
        seen = {**second, self.watch.rank: waiting}
        if first is second:  # nothing to compare yet: only what can be seen at once
            return [Culprit(seen[rank], state) for rank, state in states(second, own).items() if rank != own.rank]
        return culprits(first, {**seen, own.rank: replace(waiting, beat=own.beat + 1)}, states(second, own))


def say(text: str) -> None:
    """Past the buffers and locks of a main thread that may stand anywhere."""
    shown = "\x1b[?25h\n" if sys.stderr.isatty() else ""  # a progress bar hides the cursor
    with contextlib.suppress(OSError):
        os.write(2, f"{shown}{text}\n".encode())


def _wake_up(found: list[Culprit]) -> None:
    """Of this machine those that are stopped: until torchrun kills them it would wait for 30 s."""
    for culprit in found:
        if culprit.state == "stopped":
            with contextlib.suppress(OSError):
                os.kill(culprit.report.pid, signal.SIGCONT)


def _deafen() -> None:
    with contextlib.suppress(ValueError):
        signal.set_wakeup_fd(-1)


def _leave(code: int) -> None:
    os._exit(code)
