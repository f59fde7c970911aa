"""The one rule of every output of every command: apart from the user's data, and nothing of the user's is touched.

A command asks in this order, before it writes anything:

1. :func:`check_apart`: the output is not at, in or around the data's images/ and labels/ (or a converter's SRC).
2. :func:`check_names` for files in a folder that may hold others, :func:`check_new_folder` for a folder of its own:
   a name that is taken and that AnomDet did not write is refused.
3. ``outputs.make_folder``, and once all else is known to be sound :func:`make_room`: what an earlier run wrote goes
   into ``previous/<time>/``, and the names are claimed. ``run_lock.one_run_in`` keeps two runs apart meanwhile.
4. ``outputs.atomic_write`` or ``outputs.write_text`` for each file.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from anomdet.errors import Problem, UserError
from anomdet.layout import IMAGES_DIR, LABELS_DIR, MANIFEST, PREVIOUS
from anomdet.outputs import check_in_full, write_text
from anomdet.strict_files import read_regular

PAGE_MARK = re.compile(rb'<meta name="generator" content="AnomDet">')
"""In the head of each HTML page that AnomDet writes."""
_MARK_BYTES, _MAX_BYTES = 4096, 10 * 2**20


def data_folders(data_dir: str | Path, file_names: Iterable[str] = ()) -> list[Path]:
    """What is the user's in a data folder: images/, labels/, and the folders between them, which may be links.

    Args:
        data_dir: holds images/ and labels/.
        file_names: of the images, with their folders; empty: only the two folders are looked at.
    """
    roots = [Path(data_dir) / IMAGES_DIR, Path(data_dir) / LABELS_DIR]
    inner = {name.rpartition("/")[0] for name in file_names if "/" in name}
    inner |= {str(parent) for path in inner for parent in Path(path).parents}
    return [*roots, *(root / path for root in roots for path in inner)]


def check_apart(out: str | Path, sources: Iterable[str | Path], option: str) -> None:
    """Refuse an output that is at, in or around what the user brought.

    Folders are compared by their identity on the disk, so that links, ``..`` and the case of letters hide nothing. A
    file beside a source is apart from it; a folder that holds one is not.

    Args:
        out: a file or a folder, there or not.
        sources: files and folders of the user's; those that are not there are skipped.
        option: for the message, as ``--out`` or ``logging.log_dir``.

    Raises:
        UserError: names the option and the source; or see ``outputs.check_in_full``.
    """
    check_in_full(out, option)
    here, above = _identities([out]), _above(out)
    for source in sources:
        found = _identities([source])
        if found & above:
            hint = "it would be read as data; name another"
            raise UserError(Problem(f"{option} {out}", "a place outside of the data", f"one at or in {source}", hint))
        if here & _above(source):
            hint = "name a folder of its own"
            raise UserError(Problem(f"{option} {out}", "a folder without the data in it", f"one around {source}", hint))


def _above(path: str | Path) -> set[tuple[int, int]]:
    """The identities of a path and of all folders above it, links resolved."""
    try:
        path = Path(path).resolve()
    except (OSError, RuntimeError, ValueError):  # links in a circle; a name that no file can have
        return set()
    return _identities([path, *path.parents])


def _identities(paths: Iterable[str | Path]) -> set[tuple[int, int]]:
    """One for all names of a file or folder, however they are spelled; none of a path that is not there."""
    found = set()
    for path in paths:
        with contextlib.suppress(OSError, ValueError):
            stat = Path(path).stat()
            found.add((stat.st_dev, stat.st_ino))
    return found


def check_new_folder(folder: Path, option: str) -> None:
    """Refuse a folder that holds something.

    Raises:
        UserError: it does, or it is a file; or see ``outputs.check_in_full``.
    """
    check_in_full(folder, option)
    if not os.path.lexists(folder) or (folder.is_dir() and not any(folder.iterdir())):
        return
    got = "one that holds something" if folder.is_dir() else "a file"
    hint = "nothing was overwritten; name another folder or move this one away"
    raise UserError(Problem(option, "an empty or new folder", f"{folder}, {got}", hint))


def check_names(
    folder: Path, names: Iterable[str], option: str, *, marks: Mapping[str, re.Pattern[bytes]] | None = None
) -> None:
    """Refuse names that are taken by what AnomDet did not write.

    Written by AnomDet is what the folder's manifest lists, a folder that is empty or holds a manifest of its own, and a
    file that begins with its mark.

    Args:
        folder: of the outputs; need not exist.
        names: files and folders in it that the coming run will write.
        option: for the message, as ``--out``.
        marks: name to what its first 4,096 bytes must match, for files that say themselves what they are.

    Raises:
        UserError: names each of them.
    """
    listed, marks = set(_manifest(folder)), marks or {}
    problems = []
    for name in names:
        path = folder / name
        if name in listed or not os.path.lexists(path) or _says_ours(path, marks.get(name)):
            continue
        hint = "nothing was changed; name another, or move this one away"
        problems.append(Problem(option, "a new name, or one of an earlier run", f"{path}, which is neither", hint))
    if problems:
        raise UserError(problems)


def _says_ours(path: Path, mark: re.Pattern[bytes] | None) -> bool:
    if path.is_symlink():
        return False
    if path.is_dir():
        return (path / MANIFEST).is_file() or not any(path.iterdir())
    if mark is None or not path.is_file():
        return False
    with path.open("rb") as file:
        return mark.search(file.read(_MARK_BYTES)) is not None


def make_room(
    folder: Path,
    names: Iterable[str],
    option: str,
    *,
    earlier: re.Pattern[str] | None = None,
    marks: Mapping[str, re.Pattern[bytes]] | None = None,
) -> Path | None:
    """Claim names for the coming run; what an earlier run wrote under them goes into ``<folder>/previous/<time>/``.

    Args:
        folder: of the outputs; exists.
        names: files and folders in it that the coming run will write.
        option: for the message.
        earlier: names that also go, of those that the manifest lists.
        marks: as for :func:`check_names`; names with a mark are not listed.

    Returns:
        Where they went; None if there were none.

    Raises:
        UserError: as :func:`check_names`; nothing was moved then.
    """
    names, marks = list(names), marks or {}
    check_names(folder, names, option, marks=marks)
    listed = _manifest(folder)
    others = [name for name in listed if earlier is not None and earlier.fullmatch(name)]
    moved = move_aside(folder, dict.fromkeys([*names, *others]))
    kept = [name for name in listed if name not in others]
    _list(folder, listed, [*kept, *(name for name in names if name not in marks)])
    return moved


def claim(folder: Path, names: Iterable[str], option: str) -> None:
    """As :func:`make_room`, for files that a run continues: nothing is moved.

    Raises:
        UserError: as :func:`check_names`.
    """
    names = list(names)
    check_names(folder, names, option)
    listed = _manifest(folder)
    _list(folder, listed, [*listed, *names])


def _list(folder: Path, before: list[str], names: Iterable[str]) -> None:
    """Put names into the manifest; before they are written, so that a kill in between leaves nothing unclaimed."""
    wanted = list(dict.fromkeys(names))
    if wanted != before:
        write_text(folder / MANIFEST, json.dumps({"version": 1, "written": wanted}, indent=1) + "\n")


def _manifest(folder: Path) -> list[str]:
    """The names that it lists; none if there is no manifest, or one that cannot be read."""
    try:
        content = json.loads(read_regular(folder / MANIFEST, _MAX_BYTES))
        return [name for name in content["written"] if isinstance(name, str) and Path(name).name == name]
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return []


def move_aside(folder: Path, names: Iterable[str]) -> Path | None:
    """Move names that are AnomDet's for sure into ``<folder>/previous/<time>/``; returns it, None if none is there."""
    present = [folder / name for name in names if os.path.lexists(folder / name)]
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
