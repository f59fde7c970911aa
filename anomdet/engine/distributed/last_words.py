"""What one process of many says of an error, and whether it says anything: one message for all of them."""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
import sys
import time
from typing import Any

from anomdet.ranks import is_main_process, num_processes, says_first

_BACKENDS = ("gloo", "NCCL", "nccl", "ProcessGroup", "Connection closed by peer", "Connection reset by peer")
_ALIKE_S = 0.5  # processes that fail alike do so within this time
_DEATH_S = 3.0


def watch() -> Any:
    """The watch of this process, if it is one of many and has come so far; else None. Imports nothing."""
    module = sys.modules.get("anomdet.engine.distributed.watch")
    return module.running() if module is not None else None


def lost_another(error: BaseException | None) -> bool:
    """Whether an error is of the kind that a process sees when another one has gone or keeps it waiting."""
    while error is not None:
        of_torch = type(error).__module__.startswith("torch") and type(error).__name__.startswith("Dist")
        if of_torch or (isinstance(error, RuntimeError) and any(word in str(error) for word in _BACKENDS)):
            return num_processes() > 1
        error = error.__cause__
    return False


def own_words(error: BaseException, message: str, code: int) -> str:
    """What this process is to say.

    Args:
        error: what its command raised.
        message: its explanation.
        code: the exit code, 128 and more for signals.

    Returns:
        The message, as it is or with the name of the process that it is about; empty: another process reports it.
    """
    here = watch()
    if here is None:
        return message if (is_main_process() if code >= 128 else says_first(message)) else ""
    with contextlib.suppress(ValueError):  # torchrun ends the others as soon as it sees one go
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        if code >= 128:
            return _interrupted(here, message)
        if lost_another(error):
            return _lost(here, message)
        return _failed(here, message)
    except (RuntimeError, OSError):  # the store is gone
        return message


def _interrupted(here: Any, message: str) -> str:
    """By a signal to all, or because torchrun ends the others when one has ended."""
    if here.stop.last is None:
        if here.others_ended():
            return ""
        told = here.guard.explain_loss(0.0)
        if told is not None:
            return f"error: {told}" if told else ""
    return message if is_main_process() else ""


def _lost(here: Any, message: str) -> str:
    told = here.guard.explain_loss(_DEATH_S)
    if told is not None:
        return f"error: {told}" if told else ""
    if here.was_interrupted():  # and this one waited for it
        return f"interrupted: a signal ended another process{here.guard.resume_hint}" if is_main_process() else ""
    here.board.mark("ended")
    return f"error: the processes lost each other, though each of them lives; {message.removeprefix('error: ')}"


def _failed(here: Any, message: str) -> str:
    """This process's own error: with its name, unless all fail alike."""
    is_consequence = here.others_ended()
    here.board.mark("ended")
    if not here.has_begun:
        return message if says_first(message) else ""
    key = f"failed/{hashlib.sha256(message.encode()).hexdigest()}"
    is_first = here.board.count(key, 1) == 1
    if is_consequence or not is_first:
        return ""
    end = time.monotonic() + _ALIKE_S
    while (alike := here.board.count(key)) < num_processes() and time.monotonic() < end:
        time.sleep(0.05)
    return message if alike == num_processes() else f"{here.name}: {message}"


def leave(code: int) -> int:
    """End the watch; after a failure end the process too, which might wait for the others for ever in torch's tidying.

    The others learn of a signal before: a process that is gone without a word has been killed.

    Returns:
        The code.
    """
    here = watch()
    if here is None:
        return code
    here.close(code)
    if code:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        os._exit(code)
    return code
