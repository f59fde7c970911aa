"""Which images train, which validate, which test: by ratio and class, or by list files."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from anomdet.data.index import DataIndex
from anomdet.data.positions import Positions
from anomdet.data.stratify import stratify_images
from anomdet.errors import Problem, UserError

SPLITS = ("train", "val", "test")
_MAX_HINTS = 20
_NORMAL = "normal"


def split_records(
    index: DataIndex,
    *,
    ratios: tuple[float, float, float],
    seed: int,
    split_files: Mapping[str, str] | None = None,
) -> dict[str, Sequence[int]]:
    """Positions into ``index.records`` of each split, ascending.

    By ratio: stratified by class (normal images are a class of their own), the same on every machine for the same file
    names, labels, ratios and seed. A class in three or more images is in every split; one in two images is in train
    and test; one in a single image is in train. No split with a ratio above 0 is empty.

    Args:
        index: the data set.
        ratios: of train, val and test; they sum to 1.
        seed: another seed, other splits.
        split_files: split name to a text file with one image name a line, in place of the ratios; images in no list
            are left out.

    Raises:
        UserError: fewer images than splits; or everything that is wrong with the list files.
    """
    if split_files:
        return _read_split_files(index, split_files)
    num_images, num_splits = len(index.records), sum(ratio > 0 for ratio in ratios)
    if num_images < num_splits:
        hint = "add images or name those of each split in data.split_files"
        raise UserError(
            Problem(str(index.data_dir), f"at least {num_splits} images, one a split", f"{num_images}", hint)
        )
    split_of = stratify_images(index.columns, tuple(ratios), seed, normal=_NORMAL)
    return {name: Positions(np.flatnonzero(split_of == j)) for j, name in enumerate(SPLITS)}


def split_hash(index: DataIndex, positions: Sequence[int]) -> str:
    """SHA-256 (hex) over the file names of a split: two runs with the same hash saw the same images."""
    digest = hashlib.sha256()
    for block in index.columns.name_lines(positions):
        digest.update(block)
    return digest.hexdigest()


def _read_split_files(index: DataIndex, split_files: Mapping[str, str]) -> dict[str, Sequence[int]]:
    position_of = {name: at for at, name in enumerate(index.columns.file_names())}
    problems: list[Problem] = []
    first_seen: dict[int, str] = {}
    splits: dict[str, Sequence[int]] = {}
    for split in SPLITS:
        path = split_files.get(split)
        if not path:
            problems.append(Problem(f"split_files.{split}", "a text file with one image name a line", "nothing"))
            continue
        lines = _read_lines(path, problems)
        if lines is None:
            continue
        positions = []
        for line_num, name in lines:
            where = f"{path}:{line_num}"
            position = position_of.get(name, position_of.get(name.removeprefix("images/")))
            if position is None:
                hint = _nearest(name, position_of) if len(problems) < _MAX_HINTS else ""
                problems.append(Problem(where, "the name of an image, relative to images/", repr(name), hint))
            elif position in first_seen:
                problems.append(Problem(where, "each image once", f"{name!r} again", f"first {first_seen[position]}"))
            else:
                first_seen[position] = where
                positions.append(position)
        if not lines:
            problems.append(Problem(path, "at least one image name", "an empty list"))
        splits[split] = Positions(sorted(positions))
    if problems:
        raise UserError(problems, title="The split files do not fit the data:")
    return splits


def _read_lines(path: str, problems: list[Problem]) -> list[tuple[int, str]] | None:
    """(line number, name) of each line that is not blank; None if the file cannot be read."""
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except OSError as error:
        problems.append(Problem(path, "a readable text file", error.strerror or str(error)))
        return None
    except UnicodeDecodeError:
        problems.append(Problem(path, "UTF-8 text", "something else"))
        return None
    stripped = ((line_num, line.strip()) for line_num, line in enumerate(text.split("\n"), start=1))
    return [(line_num, name.replace("\\", "/").removeprefix("./")) for line_num, name in stripped if name]


def _nearest(name: str, names: Mapping[str, int]) -> str:
    same_stem = [known for known in names if Path(known).stem == Path(name).stem]
    near = same_stem[:1] or difflib.get_close_matches(name, list(names)[:20_000], n=1)
    return f"did you mean {near[0]!r}?" if near else ""
