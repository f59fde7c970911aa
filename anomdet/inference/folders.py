"""The image files below a folder, one by one in a fixed order; and how outputs are called after them."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator

from anomdet.images.read_header import IMAGE_SUFFIXES
from anomdet.inference.item import Item, failed_item, file_item
from anomdet.layout import SYSTEM_FOLDERS

_MAX_SUFFIXES = 50  # that are counted apart


class LeftOut(Counter[str]):
    """How many files of each suffix were left out, because their names do not end as an image's."""

    def add(self, path: str) -> None:
        suffix = os.path.splitext(path)[1].lower() or "no suffix"  # noqa: PTH122 (speed)
        self[suffix if suffix in self or len(self) < _MAX_SUFFIXES else "other"] += 1


def is_image(path: str) -> bool:
    """Whether a name ends as an image's."""
    return path.lower().endswith(IMAGE_SUFFIXES)


def files_below(folder: str) -> Iterator[tuple[str, OSError | None]]:
    """Paths of all files below, sorted within each folder; hidden ones and the system's are left out, links followed.

    A folder that cannot be read comes as its path with the error. What is held is one folder's names, not all.
    """
    pending, seen = [folder], set()
    while pending:
        current = pending.pop()
        real = os.path.realpath(current)
        if real in seen:  # a link back up would never end
            continue
        seen.add(real)
        try:
            with os.scandir(current) as entries:
                found = sorted((entry.name, entry.is_dir()) for entry in entries if not entry.name.startswith("."))
        except OSError as error:
            yield current, error
            continue
        yield from ((os.path.join(current, name), None) for name, is_dir in found if not is_dir)  # noqa: PTH118
        folders = [name for name, is_dir in reversed(found) if is_dir and name.lower() not in SYSTEM_FOLDERS]
        pending += (os.path.join(current, name) for name in folders)  # noqa: PTH118


def folder_items(folder: str, base: str, left_out: LeftOut) -> Iterator[Item]:
    """The images below a folder; one that cannot be read is an item too, which fails."""
    for path, error in files_below(folder):
        if error is not None:
            yield failed_item(path, output_key(path, base), f"a folder that cannot be read ({error.strerror})")
        elif is_image(path):
            yield file_item(path, output_key(path, base))
        else:
            left_out.add(path)


def output_key(path: str, base: str) -> str:
    """What outputs are called after a file: relative to ``base`` below it, else ``_outside/`` and its whole path.

    >>> output_key("/data/images/a/x.png", "/data/images")
    'a/x.png'
    >>> output_key("/other/x.png", "/data/images")
    '_outside/other/x.png'
    """
    whole = os.path.abspath(path)  # noqa: PTH100 (a Path costs ten times as much)
    prefix = base if base.endswith(os.sep) else base + os.sep
    if whole.startswith(prefix):
        return whole[len(prefix) :].replace(os.sep, "/")
    drive, rest = os.path.splitdrive(whole)
    return "/".join(["_outside", *([drive.strip(":\\/")] if drive else []), rest.lstrip("/\\").replace(os.sep, "/")])
