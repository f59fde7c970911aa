"""One run at a time in a folder of outputs: two would mix their results.

The lock is the system's, so that it ends with its process, however that ends; where a file system knows no such locks,
a file with the holder's pid takes its place, and that of a dead process counts for nothing. Processes that a run starts
(loaders) do not hold it; of the ranks of one job the first holds it for all.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import socket
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from anomdet.errors import Problem, UserError
from anomdet.layout import HOLDER, LOCK
from anomdet.ranks import is_main_process
from anomdet.strict_files import read_regular

_ADDRESS = re.compile(r"(\w+://)\S*")  # may hold a password or a token
_HOLDER_WAIT_S = 1.0
_MAX_BYTES = 2**20


@contextlib.contextmanager
def one_run_in(folders: Mapping[str, Path]) -> Iterator[None]:
    """Within, no other run writes into these folders.

    Args:
        folders: option for the message, as ``logging.log_dir``, to folder; it exists and can be written. Two names of
            one folder count once.

    Raises:
        UserError: another run is at work in one of them; names its host, process and command.
    """
    with contextlib.ExitStack() as stack:
        seen = set()
        for option, folder in folders.items() if is_main_process() else ():
            stat = folder.stat()
            if (stat.st_dev, stat.st_ino) not in seen:
                stack.enter_context(_locked(folder, option))
            seen.add((stat.st_dev, stat.st_ino))
        yield


@contextlib.contextmanager
def _locked(folder: Path, option: str) -> Iterator[None]:
    from filelock import FileLock, Timeout

    if (folder / LOCK).is_symlink():
        got = f"{folder / LOCK}, which is a link"
        raise UserError(Problem(option, "a folder whose lock is a file of its own", got, "delete the link"))
    lock = FileLock(folder / LOCK, timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        hint = "wait for it, stop it, or name another folder"
        raise UserError(Problem(option, "a folder that no other run writes into", _busy(folder), hint)) from error
    holder = folder / HOLDER
    try:
        holder.unlink(missing_ok=True)  # of a run that was killed; or a link, through which a foreign file would change
        with holder.open("x", encoding="utf-8") as file:
            file.write(json.dumps(_own()))
        yield
    finally:
        for path in (holder, folder / LOCK):  # in this order; whoever waits at the gone lock file opens a new one
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
        lock.release()


def _own() -> dict[str, str | int]:
    command = _ADDRESS.sub(r"\1...", shlex.join(sys.argv))
    started = time.strftime("%Y-%m-%d %H:%M:%S")
    return {"host": socket.gethostname(), "pid": os.getpid(), "command": command, "started": started}


def _busy(folder: Path) -> str:
    """``logs, where process 17 on host a (started ...: anomdet train -c run.yaml) is at work``."""
    until = time.monotonic() + _HOLDER_WAIT_S
    while True:  # whoever has just taken the lock has not yet said who it is
        try:
            held = json.loads(read_regular(folder / HOLDER, _MAX_BYTES))
            who = f"process {held['pid']} on {held['host']} (since {held['started']}: {held['command']})"
            return f"{folder}, where {who} is at work"
        except (OSError, ValueError, LookupError, TypeError):
            if time.monotonic() >= until:
                return f"{folder}, where another process is at work"
            time.sleep(0.02)
