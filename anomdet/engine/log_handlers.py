"""The lines of a run's log: one ``training.log``, the console's lines and the file's the same."""

from __future__ import annotations

import logging
import sys
from logging.handlers import MemoryHandler
from pathlib import Path

import mmdet
import mmengine

from anomdet.terminal import give_up, lines, one_line, say

_LIBRARIES = tuple(str(Path(module.__file__ or "").parent) for module in (mmengine, mmdet))
_NOBODYS = "base_module.py"  # a paragraph for each parameter
# Nothing is lost: InspectionTrainLoop counts the batches of a step anew in each epoch.
_UNTRUE = "Resumed iteration number is not divisible by"


class _Format(logging.Formatter):
    """Names of files and classes may hold what a terminal obeys; line breaks are those of the libraries alone."""

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        return lines(text) if record.pathname.startswith(_LIBRARIES) else one_line(text)


FORMAT = _Format("%(asctime)s %(levelname)-7s %(message)s", datefmt="%Y-%m-%d %H:%M:%S")


class OwnLines(logging.Filter):
    """What the libraries log at INFO is detail to our users: it is shown from DEBUG on."""

    def __init__(self, level: int) -> None:
        super().__init__()
        self.level = level

    def filter(self, record: logging.LogRecord) -> bool:
        from_library = record.pathname.startswith(_LIBRARIES)
        if record.pathname.endswith(_NOBODYS) or (from_library and str(record.msg).startswith(_UNTRUE)):
            return False
        return record.levelno > logging.INFO or not from_library or self.level <= logging.DEBUG


class Console(logging.StreamHandler):
    """Writes to today's ``sys.stdout``, so that a live progress bar may stand below the lines."""

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stdout
        if self.stream is not None:  # closed, where Python code has not opened it
            super().emit(record)

    def format(self, record: logging.LogRecord) -> str:
        """With a form for what the terminal's encoding lacks."""
        encoding = getattr(self.stream, "encoding", None) or "utf-8"
        return super().format(record).encode(encoding, "backslashreplace").decode(encoding)

    def handleError(self, record: logging.LogRecord) -> None:
        """A terminal that was closed, or a pipe that nobody reads, ends no training."""
        error = sys.exc_info()[1]
        if isinstance(error, OSError):
            give_up(self.stream, error)
        else:
            super().handleError(record)


class Waiting(MemoryHandler):
    """Keeps the lines until there is a file for them."""

    stream = sys.stdout  # MMEngine's MLflow backend looks for one in every handler


class LogFile(logging.StreamHandler):
    """Not a FileHandler: MMEngine would write a page on each parameter's initialisation into it."""

    def handleError(self, record: logging.LogRecord) -> None:
        """A full disk ends no training either; the checkpoints speak for themselves. Said once, on the console."""
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            super().handleError(record)
            return
        self.addFilter(lambda _: False)
        say(f"warning: {self.stream.name} cannot be written any more: {error.strerror}; the run continues", err=True)
