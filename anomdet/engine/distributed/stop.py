"""After which step all processes stop, when a signal has come to one or all of them.

No process may stop a step before the others: they would wait for it for ever. And no step may cost anything for a
signal that hardly ever comes. So it is agreed on when it has come: each process's own thread holds its main thread back
from the next step and says which step that has begun; all stop after the furthest of these. A main thread that waits
in a step for one that is held is not asked for anything: its thread answers for it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

PATIENCE_S = 10.0


class Stop:
    """What the main thread and the watching thread of one process share; each name is written by one of them.

    Attributes:
        begun: the newest step that the main thread has begun, from 1 on; steps of earlier epochs count.
        last: the step after which all stop, once it is agreed on.
        number: the signal.
        has_failed: no agreement: a process did not answer.
    """

    def __init__(self) -> None:
        self.begun = 0
        self.last: int | None = None
        self.number = 0
        self.has_failed = False
        self.epoch_length = self.accumulated = 1
        self._holding = False
        self._held_since = 0.0

    @property
    def is_holding(self) -> bool:
        """Whether a signal has come somewhere."""
        return self._holding

    @property
    def is_open(self) -> bool:
        """Whether a signal has come and it is not yet settled where to stop."""
        return self._holding and self.last is None and not self.has_failed

    def begin(self, step: int) -> bool:
        """The main thread is about to begin a step; False: it must not, as all stop before.

        The order of the two lines and of those in :meth:`hold` makes it safe: either the watching thread sees the step
        as begun, or the main thread sees that it is held.
        """
        self.begun = step
        if not self._holding:
            return True
        while self.is_open:
            time.sleep(0.01)
        return self.last is not None and step <= self.last

    def is_due(self, step: int) -> bool:
        """Whether the step that the main thread has ended is the last."""
        return self.has_failed or (self.last is not None and step >= self.last)

    def is_over(self, step: int, is_urgent: Callable[[], bool]) -> bool:
        """At the end of an epoch, with its last step: as :meth:`is_due`, once it is settled where to stop.

        Args:
            step: the last one of the epoch.
            is_urgent: ends the waiting.
        """
        while self.is_open and not is_urgent():
            time.sleep(0.01)
        return self.is_due(step)

    def hold(self, number: int) -> int:
        """Begin no further step before :meth:`agree`; returns the one that has begun."""
        self.number = number
        self._holding = True
        self._held_since = time.monotonic()
        return self.begun

    def agree(self, begun: Iterable[int]) -> None:
        """The steps that all processes have begun are known, if there are any; give up when they keep one waiting."""
        steps = list(begun)
        if steps:
            self.last = round_up(max(steps), self.epoch_length, self.accumulated)
        elif time.monotonic() - self._held_since > PATIENCE_S:
            self.has_failed = True


def round_up(step: int, epoch_length: int, accumulated: int) -> int:
    """The first step from ``step`` on after which the optimizer has no gradients of its own left.

    Args:
        step: from 1 on; 0: none was begun.
        epoch_length: steps of an epoch, at the end of which nothing is left over.
        accumulated: steps whose gradients are added up.
    """
    if step == 0:
        return 0
    done = (step - 1) % epoch_length + 1
    return step - done + min(-(-done // accumulated) * accumulated, epoch_length)
