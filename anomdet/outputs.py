"""Files that appear whole or not at all, and the folders they lie in: nothing that is there is overwritten."""

from __future__ import annotations

import math
import os
import re
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from anomdet.errors import Problem, UserError
from anomdet.layout import PREVIOUS

_FORMULA = re.compile(r"[=+@\t\r\n]|-(?!\d+(\.\d+)?$)")  # what a cell may not begin with; -7 is a number


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


def move_aside(folder: Path, names: Iterable[str]) -> Path | None:
    """Move the named results of an earlier run into ``<folder>/previous/<time>/``.

    Args:
        folder: the folder of the outputs; need not exist.
        names: files and folders in it that the coming run will write.

    Returns:
        Where they went; None if there were none.
    """
    present = [folder / name for name in names if (folder / name).exists()]
    if not present:
        return None
    stamp = time.strftime("%Y%m%d_%H%M%S")
    target = folder / PREVIOUS / stamp
    count = 1
    while target.exists():
        count += 1
        target = folder / PREVIOUS / f"{stamp}_{count}"
    target.mkdir(parents=True)
    for path in present:
        path.replace(target / path.name)
    return target


def make_folder(path: str | Path, key: str) -> Path:
    """Make a folder for outputs.

    Raises:
        UserError: it is a file, or may not be written; names the settings' key.
    """
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UserError(Problem(key, "a folder that can be written", f"{folder} ({error.strerror})")) from error
    return folder


def csv_cell(value: Any) -> Any:
    """What a CSV file may hold: empty for no value; a text that a spreadsheet would run as a formula is quoted.

    >>> csv_cell("=1+1"), csv_cell("-7"), csv_cell(None)
    ("'=1+1", '-7', '')
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, str):
        # csv writes a carriage return without quotes, and what follows it would be a row of its own
        return ("'" if _FORMULA.match(value) else "") + value.replace("\r", " ")
    return value
