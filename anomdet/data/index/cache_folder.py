"""The user's folder for what can be made again."""

from __future__ import annotations

import hashlib
import os
import platform
import stat
import tempfile
from pathlib import Path


def cache_folder() -> Path | None:
    """``ANOMDET_CACHE_DIR``, ``anomdet`` in the user's cache folder, or one of the user's own for temporary files.

    Made if missing; None where nothing can be written.
    """
    named = os.environ.get("ANOMDET_CACHE_DIR")
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")  # noqa: PTH111 (never fails)
    user = os.getuid() if hasattr(os, "getuid") else "user"
    temporary = Path(tempfile.gettempdir()) / f"anomdet-{user}"
    for folder in (Path(named or Path(base) / "anomdet"), temporary):
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            # Where everybody may write, a link or a folder of somebody else's may lie in wait.
            found = folder.lstat() if folder == temporary else folder.stat()
        except OSError:
            continue
        is_trusted = found.st_uid == user or not hasattr(os, "getuid") or (named is not None and folder != temporary)
        if is_trusted and stat.S_ISDIR(found.st_mode) and os.access(folder, os.W_OK | os.X_OK):
            return folder
    return None


def folder_key(data_dir: str | Path) -> str:
    """A name for what is kept of a data folder: of its real path, and of this machine.

    Machines that share a home have folders of the same name on disks of their own.
    """
    real_path = os.fsencode(os.path.realpath(data_dir))
    return hashlib.sha256(os.fsencode(machine()) + b"\0" + real_path).hexdigest()[:24]


def machine() -> str:
    """The name of this machine in its network."""
    return platform.node()
