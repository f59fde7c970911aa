"""Files that appear whole or not at all, and the folders they lie in. The rule for both is in ``output_rule``."""

from __future__ import annotations

import csv
import hashlib
import io
import math
import os
import re
import socket
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from anomdet.errors import Problem, UserError

_FORMULA = re.compile(r"\s*[=+\-@]|[\t\r\n]")  # of any spreadsheet, with the blanks that some skip
_NUMBER = re.compile(r"-?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE)
_UNFILLED = re.compile(r"~|\$\w|\$\{")
_MAX_NAME_BYTES = 255
_SHOWN_CHARACTERS = 40  # of a name in that of its temporary file: a name has at most 255 bytes


@contextmanager
def atomic_write(path: Path) -> Iterator[IO[bytes]]:
    """A binary file to write to; ``path`` changes only when the block ends without an error.

    A kill or a full disk at any moment leaves what was there before.

    Raises:
        OSError: no room, no right to write, no such folder.
    """
    prefix = f".{path.name[:_SHOWN_CHARACTERS]}.{_host()}-{os.getpid()}."
    try:
        handle, name = tempfile.mkstemp(prefix=prefix, dir=path.parent)
    except OSError as error:  # which names a file that nobody has asked for
        error.filename = str(path)
        raise
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o666 & ~_umask())  # mkstemp lets only the owner read; results are for colleagues too
        temporary.replace(path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno and error.filename is None:  # of a write to an open file
            error.filename = str(path)
        raise


def fitting_stem(stem: str, room: int) -> str:
    """A file's name without its end, cut where its name would be too long for a disk, with a hash of all of it then.

    Args:
        stem: relative, with forward slashes; an image's name may have 255 bytes itself, the most that disks take.
        room: bytes that the end of the name takes.

    >>> fitting_stem("a/part", 4)
    'a/part'
    >>> fitting_stem("a/" + "part" * 63, 10)[-20:]
    'art-6d0b3c76d7b9f998'
    """
    parent, slash, name = stem.rpartition("/")
    data, most = os.fsencode(name), _MAX_NAME_BYTES - room
    if len(data) <= most:
        return stem
    digest = hashlib.sha256(os.fsencode(stem)).hexdigest()[:16]
    return f"{parent}{slash}{data[: most - 17].decode('utf-8', 'ignore')}-{digest}"


def _host() -> str:
    """This machine, as temporary files are named after, besides their process."""
    return re.sub(r"[^\w-]", "_", socket.gethostname())[:_SHOWN_CHARACTERS]


def remove_leftovers(folder: Path, names: Iterable[str]) -> None:
    """Delete what a kill in the middle of :func:`atomic_write` left; not what a living process is writing.

    Args:
        folder: of the outputs.
        names: of the files that were to be written.
    """
    for name in names:
        pattern = re.compile(rf"\.{re.escape(name[:_SHOWN_CHARACTERS])}\.{_host()}-(\d+)\.[a-z0-9_]{{8}}")
        for path in folder.iterdir():
            found = pattern.fullmatch(path.name)
            if found and not _is_alive(int(found[1])):
                path.unlink(missing_ok=True)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # somebody else's
        return True
    return True


def write_text(path: Path, text: str) -> Path:
    """Write a text in UTF-8, atomically; returns the path."""
    with atomic_write(path) as file:
        file.write(text.encode("utf-8"))
    return path


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def csv_text(rows: Iterable[Iterable[object]]) -> str:
    """Rows as CSV, in which a spreadsheet runs no text as a formula; None and NaN are empty cells.

    >>> csv_text([("file", "score"), ("=cmd.png", -0.5)])
    "file,score\\n'=cmd.png,-0.5\\n"
    """
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(tuple(map(csv_cell, row)) for row in rows)
    return text.getvalue()


def check_in_full(path: str | Path, option: str) -> None:
    """Refuse a path whose first part only a shell fills in: a folder called ``~`` would be made in its place.

    Raises:
        UserError: it starts with ``~`` or a variable, and nothing is called so.
    """
    first = Path(path).parts[:1]
    if first and _UNFILLED.match(first[0]) and not os.path.lexists(first[0]):
        full = os.path.expandvars(os.path.expanduser(path))  # noqa: PTH111 (Path's raises for an unknown user)
        hint = f"write {full}" if full != str(path) else "write it in full"
        raise UserError(Problem(option, "a path without ~ or $NAME at its start", str(path), hint))


def make_folder(path: str | Path, key: str) -> Path:
    """Make a folder for outputs.

    Raises:
        UserError: it is a file, or may not be written; names the settings' key. Or see :func:`check_in_full`.
    """
    folder = Path(path)
    check_in_full(folder, key)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have
        reason = getattr(error, "strerror", None) or error
        raise UserError(Problem(key, "a folder that can be written", f"{folder} ({reason})")) from error
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
        return ("'" if _FORMULA.match(value) and not _NUMBER.fullmatch(value) else "") + value.replace("\r", " ")
    return value
