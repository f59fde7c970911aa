"""The folder of a browse page: what may be in it, and what is deleted: only files that a page wrote itself."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

from anomdet.errors import Problem, UserError
from anomdet.outputs import write_text

PAGE, DATA, THUMBS = "index.html", "data", "thumbs"
PARTIAL = ".partial"
CLAIM = ".anomdet-browse"  # is there before anything else: a first run that was interrupted has no page yet
_MARK = b'<meta name="generator" content="AnomDet browse">'
_INNER = {DATA: re.compile(r"[0-9a-f]{16}|\.partial"), THUMBS: re.compile("[0-9a-f]{2}")}
_SCRIPT = re.compile(r"(index|thumbs|[0-9]{5,})\.js|\.thumbs\.js\..+")  # with what a kill left of an atomic write


def check_folder(folder: Path) -> None:
    """Nothing but an earlier page may be there: one that says so itself, or the claim of one that was interrupted.

    Raises:
        UserError: the folder holds something else.
    """
    if not folder.exists():
        return
    if not folder.is_dir():
        raise UserError(Problem(f"--out {folder}", "a folder", "a file"))
    foreign = _find_foreign(folder)
    if foreign:
        got = f"one that holds {foreign}"
        raise UserError(Problem(f"--out {folder}", "an empty or new folder, or one of an earlier page", got))


def claim(folder: Path) -> None:
    """Check once more, as the check of the data took its time, and say from now on that the folder is a page's.

    Raises:
        UserError: as :func:`check_folder`.
    """
    check_folder(folder)
    write_text(folder / CLAIM, "A page of `anomdet browse --page`. The next run with this --out replaces it.\n")


def remove_data(data_dir: Path) -> None:
    """Delete the scripts of a page; whatever else is there stays, and its folder with it."""
    if not _is_real_dir(data_dir):
        return
    for path in list(data_dir.iterdir()):
        if _SCRIPT.fullmatch(path.name) and not path.is_dir():
            path.unlink(missing_ok=True)
    with suppress(OSError):  # something else is in it
        data_dir.rmdir()


def remove_other_data(folder: Path, kept: Path) -> None:
    """Delete the scripts of earlier pages."""
    for path in list((folder / DATA).iterdir()):
        if path != kept and _INNER[DATA].fullmatch(path.name):
            remove_data(path)


def _find_foreign(folder: Path) -> str | None:
    """The first entry, hidden ones aside, that no page has written. Links are none of ours: they lead elsewhere."""
    page = folder / PAGE
    is_page = _is_real_file(page) and _is_marked(page)
    is_ours = is_page or _is_real_file(folder / CLAIM)
    for path in sorted(folder.iterdir()):
        own = is_page if path.name == PAGE else is_ours and path.name in _INNER and _is_real_dir(path)
        if not own and not path.name.startswith("."):
            return path.name
    for name, form in _INNER.items():
        for path in sorted((folder / name).iterdir()) if is_ours and (folder / name).is_dir() else ():
            own = bool(form.fullmatch(path.name)) and _is_real_dir(path)
            if not own and (path.name == PARTIAL or not path.name.startswith(".")):
                return f"{name}/{path.name}"
    return None


def _is_marked(page: Path) -> bool:
    with page.open("rb") as file:
        return _MARK in file.read(4096)


def _is_real_file(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def _is_real_dir(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()
