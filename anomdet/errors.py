"""What a user sees when something is wrong: what was expected, what was found, where, and what to do."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterable
from dataclasses import dataclass

from anomdet.terminal import one_line

NO_SHARED_MEMORY = 113
"""Exit code of a process that loads images and has no room to hand them over."""
_MORE_SHARED_MEMORY = "set data.num_workers=0, or start the container with --shm-size=1g"
_LESS_MEMORY = "lower training.batch_size or data.image_size, or choose a smaller model"
_REINSTALL_CV2 = "pip install --force-reinstall --no-deps opencv-python-headless"
_REINSTALL = "pip install -r requirements.txt"


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with what the user gave.

    Args:
        where: ``file:line`` or ``file`` or the name of an argument; with the key, as ``run.yaml:12: training.epochs``.
        expected: what would have been right, e.g. ``an integer >= 1``.
        got: what was found, as the user wrote it.
        hint: what to do, e.g. ``did you mean 'epochs'?``; empty if the rest says it.
    """

    where: str
    expected: str
    got: str
    hint: str = ""

    def __str__(self) -> str:
        text = f"{self.where}: expected {self.expected}, got {self.got}"
        return one_line(f"{text}; {self.hint}" if self.hint else text)


class UserError(Exception):
    """Bad input. The command line prints it without a traceback and exits with code 2.

    Args:
        problems: everything that is wrong, all at once: a :class:`Problem` each, or a plain sentence.
        title: one line above the problems; left out, a single problem stands alone and several are counted.
    """

    exit_code = 2

    def __init__(self, problems: Problem | str | Iterable[Problem | str], title: str = "") -> None:
        self.problems = [problems] if isinstance(problems, (Problem, str)) else list(problems)
        assert self.problems, "a UserError needs at least one problem"
        self.title = title
        super().__init__(str(self))

    def __str__(self) -> str:
        lines = [str(problem) for problem in self.problems]
        title = self.title or (f"{len(lines)} problems:" if len(lines) > 1 else "")
        return "\n".join([title, *(f"  {line}" for line in lines)]) if title else lines[0]


class Terminated(KeyboardInterrupt):
    """SIGTERM: a batch system wants the machine back."""


def interruption(error: BaseException | None) -> KeyboardInterrupt | None:
    """The Ctrl-C or SIGTERM behind an error: some libraries catch it and raise an error of their own instead."""
    seen = set()
    while error is not None and not isinstance(error, KeyboardInterrupt):
        if id(error) in seen:  # raised again while it was handled: the chain is a circle
            return None
        seen.add(id(error))
        error = error.__cause__ or error.__context__
    return error


def _loader_limit(error: RuntimeError) -> str:
    """Of a process that loads images: what ended it, in PyTorch's words, and what to do."""
    causes = " ".join(map(str, (error, error.__cause__, error.__context__)))
    by_signal = re.search(r"killed by signal: ([^.]+)\.", causes)
    if f"exit code {NO_SHARED_MEMORY}." in causes or (by_signal and by_signal[1] == "Bus error"):
        return f"shared memory (/dev/shm) is full; {_MORE_SHARED_MEMORY}"
    if by_signal:
        out_of_memory = by_signal[1] == "Killed"
        why = "as the system does where the memory is full: dmesg names the process" if out_of_memory else ""
        what = f"a process that loads images was ended by a signal ({by_signal[1]}{', ' if why else ''}{why})"
        return f"{what}; lower data.num_workers, {_LESS_MEMORY}" if out_of_memory else f"{what}; run the command again"
    if "timed out" in str(error):
        return "a process that loads images gave none for minutes; look at the disk, or set data.num_workers=0"
    if "DataLoader worker" in str(error):
        return "a process that loads images ended without a word; set data.num_workers=0 to see why"
    return ""


def machine_limit(error: BaseException) -> str:
    """What to do about an error that comes from too little memory; empty for any other error."""
    text = str(error)
    if isinstance(error, RuntimeError) and "DataLoader" in text and (limit := _loader_limit(error)):
        return limit
    if type(error).__name__ == "OutOfMemoryError":
        return f"the GPU's memory is full; {_LESS_MEMORY}"
    if isinstance(error, MemoryError) or "DefaultCPUAllocator" in text:
        return f"the memory is full; {_LESS_MEMORY}"
    return ""


def missing_library(error: ImportError) -> str:
    """What to install, for a library that cannot be imported."""
    text = str(error)
    if "libGL" in text or "libgthread" in text:
        return f"OpenCV finds no screen library ({text}); run: {_REINSTALL_CV2}"
    if error.name and error.name.split(".")[0] == "cv2":
        return f"OpenCV cannot be imported ({text}); run: {_REINSTALL_CV2}"
    return f"a library cannot be imported ({text}); run: {_REINSTALL}"


def bad_file(error: OSError) -> Problem:
    """Of what the system refuses: the file, and the system's reason."""
    where = str(error.filename or "disk")
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return Problem(where, "room to write", "a full disk", "free some space and run the command again")
    return Problem(where, "a file that can be read or written", str(error.strerror))
