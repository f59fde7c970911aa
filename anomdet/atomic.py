"""Files that appear whole or not at all: written beside the target, flushed to the disk, then renamed."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


@contextmanager
def atomic_write(path: Path) -> Iterator[IO[bytes]]:
    """A binary file to write to; ``path`` changes only when the block ends without an error.

    A kill or a full disk at any moment leaves what was there before.

    Raises:
        OSError: no room, no right to write, no such folder.
    """
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o666 & ~_umask())  # mkstemp lets only the owner read; results are for colleagues too
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_text(path: Path, text: str) -> Path:
    """Write a text in UTF-8, atomically; returns the path."""
    with atomic_write(path) as file:
        file.write(text.encode("utf-8"))
    return path


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
