"""Lists of image files: text with a name a line, or CSV with a column of names."""

from __future__ import annotations

import codecs
import csv
import os
from collections.abc import Iterator
from itertools import islice

from anomdet.errors import Problem
from anomdet.inference.folders import is_image, output_key
from anomdet.inference.item import Item, failed_item, file_item
from anomdet.inference.video import is_address
from anomdet.strict_files import MAX_LIST_BYTES

LIST_SUFFIXES = (".txt", ".csv")
COLUMNS = ("image", "path", "file", "file_name", "filename", "image_path")
_LOOKED_AT = 1000  # of the names, to find out whether the list fits this folder


def check_list(path: str) -> Problem | None:
    """Why a file is no list of images; None if it is one. Names that are not there fail one by one later."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            start = file.read(4096)
            size = os.fstat(file.fileno()).st_size
    except OSError as error:
        return Problem("SOURCE", "a readable list", f"{path!r} ({error.strerror})")
    if size > MAX_LIST_BYTES:
        return Problem(path, f"a list of at most {MAX_LIST_BYTES >> 20} MB", f"{size >> 20} MB")
    if b"\0" in start or start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return Problem(path, "a list in UTF-8, with the name of an image a line", "something else")
    try:
        names = [name for _, name in islice(_names(path), _LOOKED_AT)]
    except _NoColumnError as error:
        expected = f"a first line with a column {', '.join(COLUMNS)}, or names of images in the first column"
        return Problem(f"{path}:1", expected, repr(str(error)))
    if not names:
        return Problem(path, "at least one name of an image", "an empty list")
    folder = os.path.dirname(path)  # noqa: PTH120
    if not any(os.path.lexists(_found(name, folder)) for name in names if "\0" not in name):
        got = f"{names[0]!r} and so on, none of which is there"
        return Problem(path, "names relative to the current folder, or to the list's folder", got)
    return None


def list_items(path: str, base: str) -> Iterator[Item]:
    """An item a line; one that names no image fails, with the line in the reason."""
    folder = os.path.dirname(path)  # noqa: PTH120
    for line_num, name in _names(path):
        if name:
            yield named_item(name, folder, base)
        else:
            reason = f"line {line_num} of {path} has no name of an image"
            yield failed_item(f"{path}:{line_num}", output_key(f"{path}_{line_num}", base), reason)


def named_item(name: str, folder: str, base: str) -> Item:
    """The image that a list or a stream names; never an address: who wrote the list is not who started the command."""
    if is_address(name) or not is_image(name):
        return failed_item(name, output_key(name.replace("\0", "_"), base), "no name of an image file")
    found = _found(name, folder)
    return file_item(found, output_key(found.replace("\0", "_"), base))


def _found(name: str, folder: str) -> str:
    """Relative to the current folder; what is not there, relative to the list's."""
    if "\0" in name or not folder or os.path.isabs(name) or os.path.lexists(name):  # noqa: PTH117
        return name
    beside = os.path.join(folder, name)  # noqa: PTH118
    return beside if os.path.lexists(beside) else name


class _NoColumnError(Exception):
    """No column holds names."""


def _names(path: str) -> Iterator[tuple[int, str]]:
    """(line number from 1, name); in CSV empty where a row lacks it. Names that are no UTF-8 keep their bytes."""
    is_table = path.lower().endswith(".csv")
    with open(path, encoding="utf-8-sig", errors="surrogateescape", newline="" if is_table else None) as file:  # noqa: PTH123
        if not is_table:
            yield from ((num, line.rstrip("\n")) for num, line in enumerate(file, start=1) if line.strip())
            return
        rows = csv.reader(file, delimiter=_delimiter(file.readline()))
        file.seek(0)
        first = _next_row(rows)
        if first is None:
            return
        column = _column(first)
        if column is None:
            if not first or not is_image(first[0]):
                raise _NoColumnError(",".join(first))
            column = 0
            yield 1, first[0]
        while (row := _next_row(rows)) is not None:
            if row:
                yield rows.line_num, row[column].strip() if column < len(row) else ""


def _column(heads: list[str]) -> int | None:
    """Which holds the names."""
    known = [head.strip().lower() for head in heads]
    return next((known.index(name) for name in COLUMNS if name in known), None)


def _delimiter(line: str) -> str:
    """Commas; or semicolons or tabs, as spreadsheets save tables in many countries, where they find the names."""
    for delimiter in (",", ";", "\t"):
        first = _next_row(csv.reader([line], delimiter=delimiter))
        if first and (_column(first) is not None or is_image(first[0])):
            return delimiter
    return ","


def _next_row(rows: Iterator[list[str]]) -> list[str] | None:
    """None at the end; a row that csv refuses, for a cell of megabytes, has no name."""
    try:
        return next(rows, None)
    except csv.Error:
        return [""]


def lines_of(file_number: int) -> Iterator[str]:
    """Lines of an open file, a pipe mostly, as they arrive; names that are no UTF-8 keep their bytes.

    Without Python's buffered reader: its lock, held by a thread that waits, would keep the process from ending.
    """
    rest = b""
    while chunk := os.read(file_number, 65536):
        *lines, rest = (rest + chunk).split(b"\n")
        yield from map(os.fsdecode, lines)
    if rest:
        yield os.fsdecode(rest)
