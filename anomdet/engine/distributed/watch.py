"""The thread of each process that shows signs of life to the others, and what the main thread reports to it.

Of the training thread it asks one assignment at each hook point and nothing else: 0.3 us.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch.distributed import DistNetworkError

from anomdet.engine.distributed.collected_warnings import Warned
from anomdet.engine.distributed.guard import Guard, say
from anomdet.engine.distributed.processes import pid_space
from anomdet.engine.distributed.stack_location import frames_of, point, stand
from anomdet.engine.distributed.stop import Stop
from anomdet.engine.distributed.store import STORE_ERRORS, Board
from anomdet.engine.distributed.verdict import Report

# Hook points that every process passes equally often. Not those of validations: one may have a batch more than another;
# nor those of checkpoints, which rank 0 writes.
_WHAT = ("run", "train", "train_epoch", "train_iter", "val", "val_epoch", "test", "test_epoch")
_ALIKE = frozenset(f"{when}_{what}" for when in ("before", "after") for what in _WHAT)
_FINISHES_S = 120.0
_BY_SIGNAL = 128
_GIVEN_UP = 3  # signs of life that the store did not take


class Watch:
    """Of one process of many, from its first Runner on.

    Args:
        rank, world_size, timeout_s: of the process group.

    Attributes:
        board: what all processes read and write.
        stop: the agreement on the last step, when a signal comes.
        armed: whether the main thread heeds signals at the end of a step, so that one is to be agreed on.
        warned: the warnings of this process's log.
        runner: the newest Runner that is whole.
        place: hook points passed that all processes pass alike; all hook points; the last one; its batch.
        signal: that came to this process while it was armed; 0: none.
        is_closing: the work is done.
        has_ended: another process has said why the run ends.
        checkpoint: from which the run can continue.
    """

    def __init__(self, rank: int, world_size: int, timeout_s: float) -> None:
        self.rank = rank
        self.interval_s = max(1.0, world_size / 256)  # the store answers some ten thousand questions a second
        self.board = Board(rank, world_size)
        self.stop = Stop()
        self.warned = Warned()
        self.armed = self.is_closing = self.has_ended = False
        self._is_interrupted = self._is_cut = False
        self._code = self._refused = 0
        self.runner: Any = None
        self.place: tuple[int, int, str, int] = (0, 0, "", 0)
        self.signal = 0
        self.checkpoint: Path | None = None
        self.wake = threading.Event()
        self._report = Report(rank, socket.gethostname(), os.getpid(), pid_space())
        self._moved = (0, time.monotonic())  # hook points passed, and since when
        self._main = threading.main_thread().ident or 0
        self._asked, self._answered = threading.Event(), threading.Event()
        self._readings: dict[int, Report] = {}
        self.guard = Guard(self, timeout_s)
        self._threads = [
            threading.Thread(target=self._beat, name="anomdet-beat", daemon=True),
            threading.Thread(target=self.guard.run, name="anomdet-guard", daemon=True),
        ]

    def start(self) -> None:
        """Begin to watch; only the main thread may."""
        self.guard.hear_signals()
        for thread in self._threads:
            thread.start()

    @property
    def has_begun(self) -> bool:
        """Whether a run or a test is under way."""
        return self.place[0] > 0

    @property
    def stands(self) -> tuple[int, int, bool, str]:
        """Changes when the main thread moves: hook points, and what its stack showed last.

        One that begins to wait has moved: the time before, in which it read an index or measured, is its own.
        """
        return self.place[1], self._report.depth, self._report.waits, self._report.where

    @property
    def name(self) -> str:
        """Rank, host and pid."""
        return self._report.name

    def at(self, hook: str, batch: int) -> None:
        """The main thread passes a hook point."""
        steps, moves, _, _ = self.place
        self.place = (steps + (hook in _ALIKE), moves + 1, hook, batch)

    def others_ended(self) -> bool:
        """Whether another process has said why the run ends; asks the store."""
        self.has_ended = self.has_ended or self._is_marked("ended")
        return self.has_ended

    def was_interrupted(self) -> bool:
        """Whether a signal has ended one of the processes; asks the store."""
        self._is_interrupted = self._is_interrupted or self._is_marked("interrupted")
        return self._is_interrupted

    def _is_marked(self, name: str) -> bool:
        with contextlib.suppress(*STORE_ERRORS):
            return not self._is_cut and self.board.is_marked(name)
        return False

    def read(self, patience_s: float) -> dict[int, Report]:
        """The reports of all, read by the beat, so that a store that does not answer holds up nobody else.

        Returns:
            Rank to report; empty: no answer.
        """
        self._answered.clear()
        self._asked.set()
        self.wake.set()
        return dict(self._readings) if self._answered.wait(patience_s) else {}

    def arm(self, begun: int, epoch_length: int, accumulated: int) -> None:
        """From now on the main thread heeds signals: see :class:`Stop`."""
        self.stop.begun, self.stop.epoch_length, self.stop.accumulated = begun, epoch_length, accumulated
        self.armed = True

    def wait_for_the_first(self) -> None:
        """Until rank 0 has written, closed its trackers and spoken: torchrun ends it as soon as another one leaves."""
        end = time.monotonic() + _FINISHES_S
        while self.rank and time.monotonic() < end and not (self._is_cut or self.others_ended()):
            if self._is_marked("finished"):
                return
            time.sleep(0.05)

    def close(self, code: int = 0) -> None:
        """No more signs of life: the work has come to its end; called by the main thread.

        Args:
            code: with which the process will exit, 128 and more for signals.
        """
        self.finish(code)
        self.guard.close()
        for thread in self._threads:
            thread.join(timeout=2 * self.interval_s)

    def finish(self, code: int) -> None:
        """The last sign of life, with the warnings that are left and the kind of the end."""
        self._code, self.is_closing = code, True
        self.wake.set()
        self._threads[0].join(timeout=2 * self.interval_s)
        if code and self.board.is_host:
            time.sleep(self.interval_s + 0.5)  # else the others lose the store before they have read it

    def _beat(self) -> None:
        while True:
            last = self.is_closing
            if not self._is_cut:
                self._try_to_talk()
            if self._is_cut or self._refused >= _GIVEN_UP:
                self._answer({})
            if last:
                with contextlib.suppress(*STORE_ERRORS):
                    self._part()
                return
            self.wake.wait(0.05 if self.stop.is_open else self.interval_s)
            self.wake.clear()

    def _try_to_talk(self) -> None:
        """A broken connection is not repaired, and torch prints a stack at each further word."""
        try:
            self._talk()
            self._refused = 0
        except DistNetworkError:
            self._is_cut = True
        except STORE_ERRORS:
            self._refused += 1

    def _part(self) -> None:
        """What the others are to know of the end; and at rank 0 the warnings that have come last."""
        if self._is_cut:
            return
        if self._code >= _BY_SIGNAL:
            self.board.mark("interrupted")
        if self.rank:
            return
        self.board.mark("finished")
        end = time.monotonic() + self.interval_s
        while not self._code and time.monotonic() < end and not all(self._others_done()):
            time.sleep(0.02)
        if self.runner is not None:
            for _ in range(2):  # those that come are told at the next call
                self.warned.tell(self.board, self.runner.logger)

    def _others_done(self) -> Iterator[bool]:
        return (report.is_done for rank, report in self.board.reports().items() if rank)

    def _answer(self, readings: dict[int, Report]) -> None:
        if self._asked.is_set():
            self._asked.clear()
            self._readings = readings
            self._answered.set()

    def _talk(self) -> None:
        self.board.post(self._sign_of_life())
        if self.rank:
            self.warned.send(self.board)
        elif self.runner is not None:
            self.warned.tell(self.board, self.runner.logger)
        self.others_ended()
        self.was_interrupted()
        self._agree()
        if self._asked.is_set():
            self._answer(self.board.reports())

    def _sign_of_life(self) -> Report:
        steps, moves, hook, batch = self.place
        if moves != self._moved[0]:
            self._moved = moves, time.monotonic()
        seen = stand(frames_of(sys._current_frames().get(self._main)))
        self._report = replace(
            self._report,
            beat=self._report.beat + 1,
            step=steps,
            depth=seen.depth,
            waits=seen.waits,
            since=point(hook, getattr(self.runner, "epoch", 0) + 1, batch + 1),
            stood_s=round(time.monotonic() - self._moved[1], 1),
            where=seen.words,
            is_done=self.is_closing and not 0 < self._code < _BY_SIGNAL,
        )
        return self._report

    def _agree(self) -> None:
        if not self.stop.is_holding:
            if self.signal and self.armed:
                self.board.request_stop(self.signal)
            if number := self.board.stop_requested():
                self.board.hold(self.stop.hold(number))
                if self.rank == 0 and not self.has_ended:
                    say("\nfinishing the step under way and saving; a second signal leaves at once")
        if self.stop.is_open:
            self.stop.agree(self.board.held())


_running: Watch | None = None


def running() -> Watch | None:
    """The watch of this process; None: it is one alone, or not that far yet."""
    return _running


def watch(rank: int, world_size: int, timeout_s: float) -> Watch:
    """Begin to watch this process, or continue for another Runner of it."""
    global _running
    if _running is None or _running.is_closing:
        _running = Watch(rank, world_size, timeout_s)
        _running.start()
    return _running
