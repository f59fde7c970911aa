"""Ctrl-C and SIGTERM during an epoch: the step under way is finished before the training leaves."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from types import FrameType
from typing import Any

_PATIENCE = b"\nfinishing the step under way and saving; a second signal leaves at once\n"
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Signals:
    """Between :meth:`watch` and :meth:`release` a first signal is only noted; a second one acts as before.

    Attributes:
        noted: the signal.
        is_silent: say nothing of it: the watch of many processes does.
        pause_s: a second one so soon is the first one again: from the terminal and from torchrun, for one Ctrl-C.
    """

    def __init__(self) -> None:
        self.noted: int | None = None
        self.is_silent = False
        self.pause_s = 0.0
        self._noted_at = 0.0
        self._before: dict[int, Any] = {}
        self._owner = os.getpid()

    def watch(self) -> None:
        """Begin to note signals; only the main thread can. One that was to be ignored (by nohup) stays ignored."""
        if not self._before and threading.current_thread() is threading.main_thread():
            heeded = [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
            self._before = {number: signal.signal(number, self._note) for number in heeded}

    def release(self) -> None:
        """Put the earlier handlers back."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}

    def act(self) -> None:
        """Let the noted signal do what it would have done at once.

        Raises:
            KeyboardInterrupt: or whatever the earlier handler raises.
        """
        self.release()
        number, self.noted = self.noted, None
        handler = signal.getsignal(number) if number else None
        if number and callable(handler):
            handler(number, None)
        raise KeyboardInterrupt

    def _note(self, number: int, _frame: FrameType | None) -> None:
        if os.getpid() != self._owner:  # a process that loads images: the main one tells it when to leave
            return
        if self.noted is not None:
            if time.monotonic() - self._noted_at >= self.pause_s:
                self.act()
            return
        self.noted, self._noted_at = number, time.monotonic()
        if self.is_silent:
            return
        with contextlib.suppress(OSError):
            os.write(2, _PATIENCE)  # a print may be under way: sys.stderr is not safe in here
