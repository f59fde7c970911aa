"""The list files of splits: read, where the user names the images of each split, and written beside each run."""

from __future__ import annotations

import codecs
import difflib
import filecmp
import hashlib
import json
import os
from collections.abc import Container, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from anomdet.data.index.scan import DataIndex
from anomdet.data.index.spelling import difference
from anomdet.data.splits.positions import Positions
from anomdet.documents import VERSION
from anomdet.errors import Problem, UserError
from anomdet.images.read_header import IMAGE_SUFFIXES
from anomdet.layout import IMAGES_DIR, SPLIT_RECORD, SPLITS, SPLITS_DIR, TEST
from anomdet.outputs import atomic_write, write_text
from anomdet.strict_files import MAX_LIST_BYTES, read_regular

_MAX_HINTS = 20
_PIECE = 1 << 16
_LEFT_OUT_HINT = "remove the line, or write an empty label file if it is a good part"


def read_split_files(index: DataIndex, split_files: Mapping[str, str | None]) -> dict[str, Sequence[int]]:
    """Positions into ``index.records`` of each split with a list, ascending; images in no list are left out.

    Args:
        index: the data set.
        split_files: split name to a text file with one image name a line; only test may have none.

    Raises:
        UserError: everything that is wrong with the lists.
    """
    position_of = {name: at for at, name in enumerate(index.columns.file_names())}
    problems: list[Problem] = []
    first_seen: dict[int, str] = {}
    splits: dict[str, Sequence[int]] = {}
    for split in SPLITS:
        path = split_files.get(split)
        if not path:
            if split != TEST:
                problems.append(Problem(f"split_files.{split}", "a text file with one image name a line", "nothing"))
            continue
        if twice := next((one for one in splits if _same_file(path, split_files[one] or "")), ""):
            half = "; or leave test out: half of the images of val are measured then" if split == TEST else ""
            hint = f"give each split images of its own{half}"
            expected = f"another list than that of {twice}"
            problems.append(Problem(f"split_files.{split}", expected, f"{path}, with the same lines", hint))
            continue
        positions = listed_images(path, position_of, first_seen, problems, index.data_dir / IMAGES_DIR)
        if positions is not None:
            splits[split] = Positions(sorted(positions))
    if problems:
        raise UserError(problems, title="The split files do not fit the data:")
    return splits


def _same_file(one: str, other: str) -> bool:
    """Whether two lists are one file, or copies of it."""
    try:
        return filecmp.cmp(one, other, shallow=False)
    except OSError:  # its reader says what is wrong
        return False


def listed_images(
    path: str,
    position_of: Mapping[str, int],
    first_seen: dict[int, str],
    problems: list[Problem],
    images_dir: Path | None = None,
) -> list[int] | None:
    """Positions of the images that a text file names, one a line; None if the file cannot be read.

    Args:
        path: of the list.
        position_of: each image's position by its name.
        first_seen: position to ``file:line``, of this and of earlier lists; no image may come twice.
        problems: gets everything that is wrong.
        images_dir: of the data set, for the message on an image that is there and left out.
    """
    lines = list_lines(path, problems)
    if lines is None:
        return None
    positions = []
    for line_num, line in lines:
        where, found = f"{path}:{line_num}", named(line, position_of)
        name = _plain(line) if found is None else found
        if found is None and images_dir is not None and _is_left_out(name, images_dir):
            got = f"{name!r}, which has no label file (data.missing_labels: skip)"
            problems.append(Problem(where, "the name of an image that is not left out", got, _LEFT_OUT_HINT))
        elif found is None:
            hint = _nearest(name, position_of) if len(problems) < _MAX_HINTS else ""
            problems.append(Problem(where, "the name of an image, relative to images/", repr(name), hint))
        elif (position := position_of[found]) in first_seen:
            problems.append(Problem(where, "each image once", f"{name!r} again", f"first {first_seen[position]}"))
        else:
            first_seen[position] = where
            positions.append(position)
    if not lines:
        problems.append(Problem(path, "at least one image name", "an empty list"))
    return positions


def _is_left_out(name: str, images_dir: Path) -> bool:
    """Whether an image that the data set does not have lies in its folder."""
    inside = name.removeprefix("images/")
    is_plain = inside.lower().endswith(IMAGE_SUFFIXES) and not any(part[:1] in ("", ".") for part in inside.split("/"))
    return is_plain and os.path.isfile(images_dir / inside)  # noqa: PTH113 (Path.is_file raises for a long name)


def named(line: str, names: Container[str]) -> str | None:
    """Which of the images a line of a list names; None: none of them.

    >>> named("./images/a/b.png ", {"a/b.png"})
    'a/b.png'
    """
    plain = _plain(line)  # a name may have blanks at its ends and backslashes itself
    return next((one for one in (line, line.strip(), plain, plain.removeprefix("images/")) if one in names), None)


def _plain(line: str) -> str:
    return line.strip().replace("\\", "/").removeprefix("./")


def split_hash(index: DataIndex, positions: Sequence[int]) -> str:
    """SHA-256 (hex) over the file names of a split: two runs with the same hash saw the same images."""
    digest = hashlib.sha256()
    for block in index.columns.name_lines(positions):
        digest.update(block)
    return digest.hexdigest()


def objects_hash(index: DataIndex, positions: Sequence[int]) -> str:
    """SHA-256 (hex) over the classes and boxes of the images of a split, in their order."""
    columns, digest = index.columns, hashlib.sha256()
    rows = np.asarray(positions, dtype=np.int64)
    for start in range(0, len(rows), _PIECE):
        piece = rows[start : start + _PIECE]
        firsts, counts = columns.box_starts[piece], np.diff(columns.box_starts)[piece]
        ends = np.cumsum(counts)
        boxes = np.repeat(firsts - ends + counts, counts) + np.arange(counts.sum())
        for part in (counts, columns.class_nums[boxes], columns.bboxes_xyxy[boxes]):
            digest.update(np.ascontiguousarray(part).tobytes())
    return digest.hexdigest()


def check_listable(index: DataIndex) -> None:
    """Refuse images that no list can name.

    Raises:
        UserError: the name of an image has a line break.
    """
    if index.columns.names.size and (index.columns.names == ord("\n")).any():
        broken = [name for name in index.columns.file_names() if "\n" in name]
        hint = "rename it: the list files of the splits have a name a line"
        raise UserError([Problem(f"images/{name!r}", "a name without a line break", "one", hint) for name in broken])


def freeze(log_dir: Path, index: DataIndex, positions: Mapping[str, Sequence[int]], made_by: Mapping[str, Any]) -> Path:
    """Write ``splits/train.txt``, ``val.txt``, ``test.txt`` and ``splits.json``: lists that make the same splits again.

    Args:
        log_dir: of the run.
        index: the data set.
        positions: of each split.
        made_by: the settings behind them, for ``splits.json``.

    Returns:
        The folder.

    Raises:
        UserError: see :func:`check_listable`.
    """
    check_listable(index)
    folder = log_dir / SPLITS_DIR
    folder.mkdir(exist_ok=True)
    listed = {}
    for name, ats in positions.items():
        write_names(folder / f"{name}.txt", index, ats)
        hashes = {"hash": split_hash(index, ats), "objects": objects_hash(index, ats)}
        listed[name] = {"file": f"{name}.txt", "num_images": len(ats), **hashes}
    about = {"version": VERSION, "data_dir": str(index.data_dir), "splits": listed, "made_by": dict(made_by)}
    write_text(folder / SPLIT_RECORD, json.dumps(about, indent=2) + "\n")
    return folder


def write_names(path: Path, index: DataIndex, positions: Sequence[int]) -> None:
    """A list of images that :func:`listed_images` reads; a name that is no UTF-8 as its own bytes."""
    names = "".join(f"{index.records[at].file_name}\n" for at in positions)
    with atomic_write(path) as file:
        file.write(names.encode("utf-8", "surrogateescape"))


def list_lines(path: str, problems: list[Problem]) -> list[tuple[int, str]] | None:
    """(line number, line) of each line that is not blank, as it is; None if the file cannot be read."""
    try:
        data = read_regular(path, MAX_LIST_BYTES).removeprefix(codecs.BOM_UTF8)
    except OSError as error:
        problems.append(Problem(path, "a readable text file", error.strerror or str(error)))
        return None
    if b"\0" in data or data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        problems.append(Problem(path, "UTF-8 text", "something else"))
        return None
    lines = enumerate(data.decode("utf-8", "surrogateescape").split("\n"), start=1)
    return [(line_num, line) for line_num, line in lines if line.strip()]


def _nearest(name: str, names: Mapping[str, int]) -> str:
    if alike := next((known for known in names if difference(name, known)), ""):
        return f"{alike!r} {difference(name, alike)}"
    same_stem = [known for known in names if Path(known).stem == Path(name).stem]
    near = same_stem[:1] or difflib.get_close_matches(name, list(names)[:20_000], n=1)
    return f"did you mean {near[0]!r}?" if near else ""
