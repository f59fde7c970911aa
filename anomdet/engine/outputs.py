"""The folders of a run: what an earlier run left is moved aside, never overwritten."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from anomdet.errors import Problem, UserError

PREVIOUS = "previous"


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
