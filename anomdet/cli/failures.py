"""What an exception means to the user: one message, an exit code, and no traceback."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from types import FrameType
from typing import Any

import typer

from anomdet.addresses import without_secrets
from anomdet.engine.distributed.last_words import leave, own_words
from anomdet.errors import Terminated, UserError, bad_file, interruption, machine_limit, missing_library
from anomdet.terminal import give_up, say

_THEIR_1_IS_A_FINDING = ("check", "predict")


def run_command(work: Callable[[], Any], arguments: Sequence[str], *, debug: bool) -> int:
    """Do the work of a command and turn what it raises into a message on stderr.

    Returns:
        The exit code: 0 done, 2 bad input, 130 interrupted, 143 terminated, 1 the machine's limits or the unforeseen;
        2 for these too where 1 is what a command finds out.
    """
    from anomdet.data.index.scan_once import one_look

    try:
        with _sigterm_raises(), _threads_end_briefly(debug=debug), one_look():
            result = work()
        sys.stdout.flush()
        return leave(result if isinstance(result, int) else 0)
    except SystemExit as error:
        return leave(error.code if isinstance(error.code, int) else 1)
    except BrokenPipeError as error:
        give_up(sys.stdout, error)
        return _broken(arguments)
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the one place where every error ends
        if debug:
            traceback.print_exc()
        message, code = explain(error, arguments)
        if words := own_words(error, without_secrets(message), code):  # of many processes one says it
            say(words, err=True)
        return leave(code)


def explain(error: BaseException, arguments: Sequence[str] = ()) -> tuple[str, int]:
    """The message of an exception, and the exit code.

    Args:
        error: what a command raised.
        arguments: of the command line, to show what was got.
    """
    interrupted = interruption(error)
    if interrupted is not None:
        return str(interrupted) or "interrupted", 143 if isinstance(interrupted, Terminated) else 130
    if isinstance(error, UserError):
        return f"error: {_own_words(str(error))}", error.exit_code
    if isinstance(error, typer.BadParameter.__mro__[1]):  # the base of all usage errors, under a private name
        from anomdet.config.usage_errors import usage_problem

        return f"error: {usage_problem(error, arguments)}", 2
    if limit := machine_limit(error):
        return f"error: {limit}", _broken(arguments)
    if isinstance(error, ImportError):
        return f"error: {missing_library(error)}", 2
    if isinstance(error, OSError) and error.strerror:
        return f"error: {bad_file(error)}", 2
    first_line = f"{type(error).__name__}: {error}".strip().splitlines()[0]
    return f"unforeseen error: {first_line}\nrun again with --debug for the traceback", _broken(arguments)


def _broken(arguments: Sequence[str]) -> int:
    """The exit code of a command that could not do its work, though nothing was wrong with its input."""
    return 2 if arguments and arguments[0] in _THEIR_1_IS_A_FINDING else 1


def _own_words(text: str) -> str:
    """A data loader's worker wraps an error in its traceback; the user needs the last part."""
    return text.rsplit("UserError: ", 1)[-1].rstrip() if "Original Traceback" in text else text


@contextlib.contextmanager
def _threads_end_briefly(*, debug: bool) -> Iterator[None]:
    """Within, a library's thread that fails, as TensorBoard's does on a full disk, shows no traceback."""

    def tell(failed: threading.ExceptHookArgs) -> None:
        said = next(iter(str(failed.exc_value or "").splitlines()), "")
        name = failed.thread.name if failed.thread else "a thread"
        say(f"warning: {name} ended: {failed.exc_type.__name__}: {said}", err=True)

    before = threading.excepthook
    threading.excepthook = before if debug else tell
    try:
        yield
    finally:
        threading.excepthook = before


@contextlib.contextmanager
def _sigterm_raises() -> Iterator[None]:
    """Within, SIGTERM raises :class:`Terminated` in the main thread, as Ctrl-C raises KeyboardInterrupt."""

    own = os.getpid()

    def terminate(number: int, _frame: FrameType | None) -> None:
        if os.getpid() != own:  # forked by a library, whose pool ends its processes so, and waits for them
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        raise Terminated

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
