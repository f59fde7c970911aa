"""The whole data folder, checked and read once: all its problems at once, or one record for each image."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from anomdet.data.index.build import EMPTY_FILE, LABELS_HINT, Built, build, first_line
from anomdet.data.index.cache import (
    Stored,
    cache_path,
    is_settled,
    mark_checked,
    mark_used,
    open_stored,
    run_token,
    store,
    was_checked_by,
)
from anomdet.data.index.cache_lock import locked
from anomdet.data.index.columns import Columns, ImageRecord, Records, columns_of
from anomdet.data.index.image_batches import ImageCheck
from anomdet.data.index.listing import Listing, list_folders
from anomdet.data.index.scan_once import known
from anomdet.data.index.spelling import hint_of_folder
from anomdet.errors import Problem, UserError
from anomdet.images.limits import MAX_IMAGE_MEGAPIXELS
from anomdet.layout import IMAGES_DIR, LABELS_DIR


@dataclass(frozen=True)
class DataIndex:
    """The checked data set.

    Args:
        data_dir: holds images/ and labels/.
        records: sorted by file name; ``records[i].img_id == i``.
        class_nums: the user's class numbers, sorted; all of ``classes`` where names were given; none without objects.
        notes: what was corrected or left out, a sentence each.
    """

    data_dir: Path
    records: Sequence[ImageRecord]
    class_nums: tuple[int, ...]
    notes: tuple[str, ...]

    @cached_property
    def columns(self) -> Columns:
        """The same as arrays, for whoever looks at all images."""
        return columns_of(self.records)

    def __deepcopy__(self, memo: dict) -> DataIndex:
        return self  # nobody changes it


def has_objects(index: DataIndex) -> bool:
    """Whether any image has one; of normal images alone no network can learn."""
    return bool(len(index.columns.bboxes_xyxy))


class _Key(NamedTuple):
    """What was read, and how.

    Args:
        real_path: of the data folder.
        data_dir: as it was named.
        missing_labels: error, normal or skip.
        check: of the images.
        names: number and name of each class; None: any.
    """

    real_path: str
    data_dir: str
    missing_labels: str
    check: ImageCheck
    names: tuple[tuple[int, str], ...] | None

    def cache_path(self) -> Path | None:
        """The file for what does not hang on the classes; None where none can be written."""
        verified = "decode" if self.check.decode else "header"
        return cache_path(self.real_path, self.missing_labels, verified, f"{self.check.max_megapixels:g}")


_MIN_CACHED = 2000  # images; fewer are read sooner than a file of the cache is looked for and checked
_RECENT: dict[tuple, tuple[Any, DataIndex]] = {}
_MAX_RECENT = 4


def scan(
    data_dir: str | Path,
    *,
    missing_labels: str = "error",
    verify_images: str = "header",
    classes: Mapping[int, str] | None = None,
    max_image_megapixels: float = MAX_IMAGE_MEGAPIXELS,
) -> DataIndex:
    """Read and check the whole data folder.

    What a large folder holds is kept on disk (docs/data_at_scale.md): the next scan, by this process or another, costs
    a look at the names, sizes and times of the files.

    Args:
        data_dir: holds images/ and labels/, which mirror each other.
        missing_labels: an image without a label file is an ``error``, a ``normal`` image, or left out (``skip``).
        verify_images: ``header`` reads a few hundred bytes of each image, ``decode`` all its pixels.
        classes: the allowed class numbers and their names; left out, those found in the labels.
        max_image_megapixels: the largest image to accept.

    Raises:
        UserError: everything that is wrong with the folder, each problem with its file and line.
    """
    data_dir = Path(data_dir)
    _check_choices(missing_labels, verify_images)
    names = tuple(sorted(classes.items())) if classes else None
    check = ImageCheck(verify_images == "decode", max_image_megapixels)
    key = _Key(os.path.realpath(data_dir), str(data_dir), missing_labels, check, names)
    seen = known()
    if seen is not None and key in seen:
        result: DataIndex = seen[key]
        return result
    _check_folders(data_dir)
    index = _scan(data_dir, key, classes)
    if seen is not None:
        seen[key] = index
    return index


def no_data_folder(where: str, data_dir: Path) -> Problem | None:
    """Why there is no such folder, and what to do; None: there is one. What is in it is looked at later.

    Args:
        where: the key or option that names it.
        data_dir: holds images/ and labels/.
    """
    if data_dir.is_dir():
        return None
    is_file = data_dir.exists()
    got = f"{data_dir}, which is {'a file' if is_file else 'not there'}"
    full = os.path.expandvars(os.path.expanduser(data_dir))  # noqa: PTH111 (Path's raises for an unknown user)
    hint = "" if data_dir.is_absolute() else f"a path starts from the folder {Path.cwd()}"
    hint = f"~ and $NAME are not filled in: write {full}" if full != str(data_dir) else hint
    if is_file and data_dir.suffix.lower() in _ARCHIVES:
        convert = f", or run: anomdet convert {data_dir} --to anomdet --out data"
        hint = "unpack it" + (convert if data_dir.suffix.lower() == ".zip" else "")
    return Problem(where, "a folder that holds images/ and labels/", got, hint)


def _check_folders(data_dir: Path) -> None:
    if problem := no_data_folder("data.data_dir", data_dir):
        raise UserError(problem)
    hints = (("images", "data_dir holds images/ and labels/"), ("labels", LABELS_HINT))
    missing = []
    for name, hint in hints:
        if not (data_dir / name).is_dir():
            got = "a file" if (data_dir / name).exists() else "nothing"
            missing.append(Problem(str(data_dir / name), "a folder", got, hint_of_folder(data_dir, name) or hint))
    if missing:
        raise UserError(missing)


def _check_choices(missing_labels: str, verify_images: str) -> None:
    choices = (("missing_labels", missing_labels, _MISSING), ("verify_images", verify_images, _VERIFY))
    problems = [
        Problem(f"data.{name}", f"one of {', '.join(allowed)}", repr(got))
        for name, got, allowed in choices
        if got not in allowed
    ]
    if problems:
        raise UserError(problems)


_ARCHIVES = (".zip", ".tar", ".tgz", ".gz", ".7z", ".rar")
_MISSING = ("error", "normal", "skip")
_VERIFY = ("header", "decode")


def _scan(data_dir: Path, key: _Key, classes: Mapping[int, str] | None) -> DataIndex:
    """From the cache on disk, or in full; what is large is left there."""
    path = key.cache_path()
    started_ns = time.time_ns()
    listings = None
    if path is None or not (path.exists() or run_token()):  # of many processes one lists, the others wait below
        listings = _list(data_dir)
        if path is None or (len(listings[0].names) < _MIN_CACHED and not key.check.decode):
            return _scan_small(data_dir, key, listings, is_settled(listings, started_ns), classes)
    with locked(path, f"the index of {data_dir}"):
        stored = _current(path)
        if stored is None:
            started_ns = time.time_ns() if listings is None else started_ns
            listings = _list(data_dir) if listings is None else listings
            built = build(str(data_dir), listings, key.missing_labels, key.check)
            if built.problems or built.late_problems or not is_settled(listings, started_ns):
                return _index(data_dir, built, classes)
            meta = [built.class_nums, built.notes, built.late_notes]
            stored = store(path, key.real_path, listings, built.columns, meta)
            if stored is None:
                return _index(data_dir, built, classes)
            mark_checked(run_token() if known() is not None else None, stored)
    return _from_stored(data_dir, key, stored, classes)


def _current(path: Path) -> Stored | None:
    """The index on disk, if the folder is as it was."""
    stored = open_stored(path)
    if stored is None:
        return None
    run = run_token() if known() is not None else None
    if was_checked_by(run, stored):
        return stored
    try:
        if not stored.is_current():
            return None
    except OSError:  # the file, or what it was about, has just gone
        return None
    mark_used(path)
    mark_checked(run, stored)
    return stored


def _scan_small(
    data_dir: Path, key: _Key, listings: tuple[Listing, Listing], settled: bool, classes: Mapping[int, str] | None
) -> DataIndex:
    """In full, unless this process has just done it: a small folder, or one with no place on disk for its index."""
    before = _RECENT.get(key)
    same = before is not None and settled and isinstance(before[0], tuple)
    if before is not None and same and all(map(Listing.is_same, before[0], listings)):
        return before[1]
    index = _index(data_dir, build(str(data_dir), listings, key.missing_labels, key.check), classes)
    return _remember(key, listings, index) if settled else index


def _remember(key: _Key, state: Any, index: DataIndex) -> DataIndex:
    while len(_RECENT) >= _MAX_RECENT:
        _RECENT.pop(next(iter(_RECENT)))
    _RECENT[key] = (state, index)
    return index


def _list(data_dir: Path) -> tuple[Listing, Listing]:
    one, two = list_folders([os.fspath(data_dir / IMAGES_DIR), os.fspath(data_dir / LABELS_DIR)])
    return one, two


def _from_stored(data_dir: Path, key: _Key, stored: Stored, classes: Mapping[int, str] | None) -> DataIndex:
    before = _RECENT.get(key)
    if before is not None and before[0] == stored.header["id"]:
        return before[1]
    class_nums, notes, late_notes = stored.header["meta"]
    if classes and not classes.keys() >= set(class_nums):  # the labels tell where they have the others
        return _index(
            data_dir,
            build(str(data_dir), _list(data_dir), key.missing_labels, ImageCheck(False, key.check.max_megapixels)),
            classes,
        )
    built = Built(stored.columns, tuple(class_nums), {}, notes=notes, late_notes=late_notes)
    return _remember(key, stored.header["id"], _index(data_dir, built, classes))


def _index(data_dir: Path, built: Built, classes: Mapping[int, str] | None) -> DataIndex:
    """The index of what was read.

    Raises:
        UserError: whatever is wrong with it.
    """
    problems, notes = list(built.problems), list(built.notes)
    if classes:
        allowed = ", ".join(map(str, sorted(classes)))
        for class_num in sorted(set(built.class_nums) - classes.keys()):
            label, total = built.class_places[class_num]
            got = f"{class_num}" + (f" here and on {total - 1} more lines" if total > 1 else "")
            where = first_line(str(data_dir), label, class_num)
            problems.append(Problem(where, f"a class number of data.classes ({allowed})", got))
        unused = sorted(classes.keys() - set(built.class_nums))
        if unused:
            notes.append("no objects of class " + ", ".join(f"{num} ({classes[num]})" for num in unused))
    if built.late_problems:  # a file that is missing may mean something else in another format
        problems = [*built.late_problems, *(problem for problem in problems if problem.hint != EMPTY_FILE)]
    if problems:
        count = f"{len(problems)} problem{'s' if len(problems) > 1 else ''}"
        raise UserError(problems, title=f"The data in {data_dir} has {count}:")
    class_nums = tuple(sorted(classes or built.class_nums))
    return DataIndex(data_dir, Records(built.columns), class_nums, (*notes, *built.late_notes))
