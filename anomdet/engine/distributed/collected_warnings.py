"""Warnings of all processes in one log: each reported once, with its rank where only one process has it."""

from __future__ import annotations

import logging
from collections import deque

from anomdet.engine.distributed.store import Board

# Where there are fewer batches to evaluate than processes, those without one have nothing to say. The first has one:
# its own such warning is of a metric that keeps nothing.
_NOBODYS = "got empty `self.results`"
_KEPT = 1000  # of the newest texts and of those that wait to be sent


class Warned(logging.Handler):
    """Collects the warnings of a process's log: those of rank 0 to know them, those of others to send them there.

    Errors are not collected: every process shows its own.
    """

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._own: deque[tuple[int, str]] = deque(maxlen=_KEPT)
        self._told: deque[str] = deque(maxlen=_KEPT)
        self._arrived: list[tuple[int, int, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        """By whatever thread: a deque is safe."""
        if record.levelno >= logging.ERROR or getattr(record, "from_rank", False):
            return
        if _NOBODYS not in (text := record.getMessage()):
            self._own.append((record.levelno, text))

    def send(self, board: Board) -> None:
        """Those since the last call, to rank 0; the same text once."""
        while self._own:
            level, text = self._own.popleft()
            if text not in self._told:
                self._told.append(text)
                board.warn(level, text)

    def tell(self, board: Board, logger: logging.Logger) -> None:
        """At rank 0: those of the other processes that it has not had itself.

        One that has come is reported at the next call only, so that a warning that all have is rank 0's own by then.
        """
        own = [text for _, text in self._own]
        texts: dict[tuple[int, str], list[int]] = {}
        for rank, level, text in self._arrived:
            texts.setdefault((level, text), []).append(rank)
        for (level, text), ranks in texts.items():
            if text not in own and text not in self._told:
                self._told.append(text)
                who = f"rank {ranks[0]}" if len(ranks) == 1 else f"ranks {', '.join(map(str, sorted(ranks)))}"
                logger.log(level, f"{who}: {text}", extra={"from_rank": True})
        self._arrived = board.new_warnings()


def collect_warnings(warned: Warned, logger: logging.Logger, rank: int) -> None:
    """From a Runner's logger, and from Python's root logger, which plug-ins use.

    Other ranks than 0 show what comes to the root logger no more: rank 0 does.
    """
    root = logging.getLogger()
    if rank == 0:
        logging.basicConfig()
    elif all(isinstance(handler, logging.StreamHandler) for handler in root.handlers):
        root.handlers.clear()
    for one in (logger, root):
        if warned not in one.handlers:
            one.handlers.append(warned)
