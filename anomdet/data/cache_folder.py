"""The user's folder for what can be made again, and one process at a time in it."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path


def cache_folder() -> Path | None:
    """``ANOMDET_CACHE_DIR``, ``anomdet`` in the user's cache folder, or one of the user's own for temporary files.

    Made if missing; None where nothing can be written.
    """
    named = os.environ.get("ANOMDET_CACHE_DIR")
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")  # noqa: PTH111 (never fails)
    user = os.getuid() if hasattr(os, "getuid") else "user"
    for folder in (Path(named or Path(base) / "anomdet"), Path(tempfile.gettempdir()) / f"anomdet-{user}"):
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            is_own = not hasattr(os, "getuid") or folder.stat().st_uid == user or named is not None
        except OSError:
            continue
        if is_own and os.access(folder, os.W_OK | os.X_OK):
            return folder
    return None


def folder_key(data_dir: str | Path) -> str:
    """A name for what is kept of a data folder: of its real path."""
    return hashlib.sha256(os.fsencode(os.path.realpath(data_dir))).hexdigest()[:24]


@contextlib.contextmanager
def locked(path: Path | None) -> Iterator[None]:
    """One process at a time; where there is no file, or the file system knows no locks, each for itself."""
    from filelock import FileLock

    lock = None if path is None else FileLock(path.with_suffix(".lock"), poll_interval=0.02)
    try:
        if lock is not None:
            lock.acquire()
    except (OSError, NotImplementedError):
        lock = None
    try:
        yield
    finally:
        if lock is not None:
            lock.release()
