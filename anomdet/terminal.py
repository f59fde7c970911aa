"""Lines for a person: they end no run, whatever becomes of the terminal, and show what it would obey as an escape."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import sys
import time
from typing import TextIO

_OBEYED = "\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff"
_IN_TEXT = re.compile(f"[{_OBEYED}]")
_IN_LINE = re.compile(f"[\n{_OBEYED}]")
_lost: list[tuple[TextIO, OSError]] = []
_READER_GONE = (errno.EPIPE, errno.EIO)  # a pipe that nobody reads any more, a terminal that was closed


def one_line(text: str) -> str:
    r"""A text without line breaks, control characters, changes of direction and bytes that are no UTF-8.

    >>> one_line("a\x1b[2J\nb.png")
    'a\\x1b[2J\\nb.png'
    """
    return text if text.isprintable() else _IN_LINE.sub(_escape, text)


def lines(text: str) -> str:
    """As :func:`one_line`, but for the line breaks of a text of several lines."""
    return text if text.isprintable() else _IN_TEXT.sub(_escape, text)


def _escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    if 0xDC80 <= code <= 0xDCFF:  # a byte of a file name that is no UTF-8
        return f"\\x{code - 0xDC00:02x}"
    return found[0].encode("unicode_escape").decode("ascii")


def prepare() -> None:
    """Make the standard streams ready: a closed one becomes the null device, and every character has a form.

    A file that is opened next would else take the place of a closed stream, and get what is written to that.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDONLY if number == 0 else os.O_WRONLY)
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, "r" if number == 0 else "w", encoding="utf-8", closefd=False))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # not where a test or a notebook has put its own
            stream.reconfigure(errors="backslashreplace")


def say(text: str = "", *, err: bool = False, end: str = "\n") -> None:
    """A message; where nobody takes it, the work continues in silence."""
    stream = sys.stderr if err else sys.stdout
    try:
        _write(stream, f"{lines(text)}{end}")
    except (OSError, ValueError) as error:
        give_up(stream, error)


def say_it_starts(text: str) -> float:
    """A line before seconds of silence, for a person who watches: only where stderr is a terminal.

    Returns:
        The time, by the monotonic clock.
    """
    if sys.stderr.isatty():
        say(f"{text} ...", err=True)
    return time.monotonic()


def give(text: str) -> None:
    """What a command was asked for.

    Raises:
        OSError: nobody takes it.
    """
    for stream, error in _lost:
        if stream is sys.stdout:
            raise error
    _write(sys.stdout, f"{lines(text)}\n")


def _write(stream: TextIO, text: str) -> None:
    stream.write(text)
    stream.flush()


def give_up(stream: TextIO, error: BaseException) -> None:
    """Send a stream that cannot be written to the null device; a cause that somebody may not know is said once."""
    with contextlib.suppress(OSError, ValueError):
        handle = os.open(os.devnull, os.O_WRONLY)
        os.dup2(handle, stream.fileno())
        os.close(handle)
    if isinstance(error, OSError):
        _lost[:] = [(stream, error)]
    if stream is not sys.stderr and isinstance(error, OSError) and error.errno not in _READER_GONE:
        say(f"stdout cannot be written any more: {error.strerror}; the work continues", err=True)
