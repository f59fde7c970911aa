"""Work shared with fresh Python processes.

Not forks: those would take over the locks of other threads (torch's, CUDA's) as they happen to be. Not
``multiprocessing``'s spawn: it would run the user's main module again, with torch in it.
"""

from __future__ import annotations

import importlib
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

# The paths first: with -c Python looks for modules in the working folder before all others, where the user may have a
# random.py of another kind. -P, which forbids that, is not known to Python 3.10.
_CODE = "import sys; sys.path[:] = {paths!a}; from anomdet.data.index.parallel import serve; serve()"


def num_cores() -> int:
    """That this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def share_out(num_items: int, min_share: int, max_processes: int) -> list[tuple[int, int]]:
    """Start and stop of the share of each process; fewer items than ``min_share`` are not worth one."""
    num_processes = max(1, min(max_processes, num_items // min_share))
    return list(pairwise(num_items * at // num_processes for at in range(num_processes + 1)))


def in_parallel(jobs: Sequence[tuple[Callable, tuple]]) -> list[Any]:
    """Results of ``function(*arguments)`` of each job: the first here, each other in a process of its own.

    The functions stand in modules; arguments and results can be pickled. A job whose process fails is done here, so
    that an error is that of the function.
    """
    children: list[subprocess.Popen] = []
    try:
        children.extend(_start() for _ in jobs[1:])
    except OSError:  # no process is to be had; those that started get no work
        _end(children)
        children = []
    if not children:
        return [function(*arguments) for function, arguments in jobs]
    try:
        with ThreadPoolExecutor(len(children)) as pool:
            answers = [pool.submit(_ask, child, *job) for child, job in zip(children, jobs[1:], strict=True)]
            try:
                function, arguments = jobs[0]
                results = [function(*arguments)]
            except BaseException:
                _end(children)  # or the pool would wait for them
                raise
        for (function, arguments), answer in zip(jobs[1:], answers, strict=True):
            is_done, result = answer.result()
            results.append(result if is_done else function(*arguments))
        return results
    finally:
        _end(children)


def _start() -> subprocess.Popen:
    paths = [path or os.getcwd() for path in sys.path]  # noqa: PTH109 (text)
    options = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]  # -I, -E and the like
    pipe = subprocess.PIPE
    return subprocess.Popen(
        [sys.executable, *options, "-c", _CODE.format(paths=paths)], stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL
    )


def _end(children: Sequence[subprocess.Popen]) -> None:
    for child in children:
        if child.poll() is None:
            child.kill()
        for pipe in (child.stdin, child.stdout):
            if pipe is not None:
                pipe.close()
        child.wait()


def _ask(child: subprocess.Popen, function: Callable, arguments: tuple) -> tuple[bool, Any]:
    """Whether it went well, and the result."""
    job = (function.__module__, function.__qualname__, arguments)
    try:
        answer, _ = child.communicate(pickle.dumps(job, protocol=5))
    except (OSError, ValueError):  # the process is gone, or was ended
        return False, None
    return (True, pickle.loads(answer)) if child.returncode == 0 else (False, None)  # noqa: S301 (our own process)


def serve() -> None:
    """Do the one job that stands in the standard input; the result goes to the standard output."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears it too, and ends this process
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints is no answer
    module, name, arguments = pickle.load(sys.stdin.buffer)  # noqa: S301 (from our own parent)
    result = getattr(importlib.import_module(module), name)(*arguments)
    pickle.dump(result, answers, protocol=5)
    answers.close()
