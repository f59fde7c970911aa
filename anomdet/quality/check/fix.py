"""A corrected copy of a data folder, with a list of every change; the folder itself is never touched.

What can be corrected without a guess is corrected. An image whose labels cannot all be read is left out: a defect
without its box would be taught as a good part. What only a person can judge is kept and listed.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from anomdet.data.splits.lists import list_lines, named
from anomdet.errors import Problem, UserError
from anomdet.layout import CHANGES, CLASSES_FILE, HARD_NORMALS, IMAGES_DIR, LABELS_DIR, SPLIT_LISTS
from anomdet.output_rule import check_apart, check_new_folder, data_folders
from anomdet.outputs import csv_text
from anomdet.quality.check.check import Checked, CheckedFile
from anomdet.quality.check.duplicates import exact_duplicates
from anomdet.quality.check.findings import NOTE, Finding
from anomdet.quality.check.geometry import NOISE_PX, beyond, outside
from anomdet.quality.check.table import Floats

_DECIMALS = 3  # of a pixel, in lines that are written anew


@dataclass(frozen=True)
class Change:
    """A row of changes.csv.

    Args:
        file: relative to the data folder.
        line: 0 for the file as a whole.
        action: rewritten, converted, clipped, removed, added, left out, or kept (nothing was done).
        code: of the finding behind it.
        before, after: the text; after is empty where nothing stands any more.
    """

    file: str
    line: int
    action: str
    code: str
    before: str = ""
    after: str = ""


@dataclass(frozen=True)
class Fixed:
    """What was written: the folder, its images, and every change."""

    out_dir: Path
    num_images: int
    changes: list[Change]


def write_fixed(checked: Checked, out_dir: Path) -> Fixed:
    """Write images/, labels/ and changes.csv; the folder appears whole or not at all.

    classes.yaml and the lists of splits/ and of hard normals come along, the lists without images that are left out.
    Images are hard links where the disk allows it, else copies.

    Raises:
        UserError: ``out_dir`` holds something, or lies inside the data folder's images/ or labels/.
    """
    check_new_folder(out_dir, "--fix")
    check_apart(out_dir, data_folders(checked.data_dir), "--fix")
    changes: list[Change] = []
    num_images, names = 0, set[str]()
    with appearing(out_dir, "--fix") as partial:
        for kept in _usable(checked, changes):
            assert kept.file.entry.image is not None
            name = kept.file.entry.image.name
            place_image(checked.data_dir / IMAGES_DIR / name, partial / IMAGES_DIR / name)
            label_name = f"{kept.file.entry.image.stem}.txt"
            target = partial / LABELS_DIR / label_name
            target.parent.mkdir(parents=True, exist_ok=True)
            _write_label(checked, kept, target, changes)
            num_images += 1
            names.add(name)
        images = {file.entry.image.name for file in checked.files if file.entry.image is not None}
        _take_along(checked.data_dir, partial, images, names)
        changes += _kept(checked.findings, changes)
        changes.sort(key=lambda change: (change.file, change.line))
        (partial / CHANGES).write_text(changes_csv(changes), encoding="utf-8", errors="backslashreplace")
    return Fixed(out_dir, num_images, changes)


def _take_along(data_dir: Path, out_dir: Path, images: Collection[str], kept: Collection[str]) -> None:
    """The class names, the splits and the hard normals: the copy would be split anew, and test images learned.

    Args:
        data_dir, out_dir: from where, and to where.
        images: names of those of the data.
        kept: names of those of the copy; the lists lose the others.

    Raises:
        UserError: a list that cannot be read.
    """
    if (data_dir / CLASSES_FILE).is_file():
        shutil.copyfile(data_dir / CLASSES_FILE, out_dir / CLASSES_FILE)
    for name_of_list in (one for one in (*SPLIT_LISTS, HARD_NORMALS) if (data_dir / one).is_file()):
        problems: list[Problem] = []
        lines = list_lines(str(data_dir / name_of_list), problems)
        if lines is None:
            raise UserError(problems)
        (out_dir / name_of_list).parent.mkdir(exist_ok=True)
        stay = [line.rstrip("\r") for _, line in lines if (name := named(line, images)) is None or name in kept]
        text = "".join(f"{line}\n" for line in stay)
        (out_dir / name_of_list).write_bytes(text.encode("utf-8", "surrogateescape"))


@dataclass(frozen=True)
class _Kept:
    """A file of the copy: ``keep`` are positions in the table, in the order of lines."""

    file: CheckedFile
    keep: list[int]
    removed: list[int]


def _usable(checked: Checked, changes: list[Change]) -> Iterator[_Kept]:
    """The images that can be taught from; the others are listed as left out."""
    code_of = {found.file: found.code for found in reversed(checked.findings) if found.severity != NOTE}
    lost = outside(checked.bboxes_xywh, checked.boxes.size_wh) | (checked.bboxes_xywh[:, 2:] <= 0).any(axis=1)
    again = set(exact_duplicates(checked.boxes)[0].tolist())
    starts = np.searchsorted(checked.boxes.file_at, np.arange(len(checked.boxes.files) + 1)).tolist()
    file_at = 0
    for file in checked.files:
        positions = range(0)
        if file.has_boxes:
            positions = range(starts[file_at], starts[file_at + 1])
            file_at += 1
        if _is_whole(file) and not lost[positions.start : positions.stop].any():
            keep = [at for at in positions if at not in again]
            yield _Kept(file, keep, [at for at in positions if at in again])
            continue
        image, label = file.entry.image, file.entry.label
        names = [f"labels/{label.name}"] if label else []
        names += [f"images/{image.name}"] if image else []
        unsaid = "image-twins" if label else "image-without-label"  # the first of twins; data.missing_labels: skip
        code = next((code_of[name] for name in names if name in code_of), unsaid)
        changes += [Change(name, 0, "left out", code) for name in names]


def _is_whole(file: CheckedFile) -> bool:
    """An image that can be read, with labels that can all be read, or that may do without."""
    labels_are_read = file.entry.label is None or (file.read is not None and file.read.complete)
    return file.entry.whole and file.header is not None and labels_are_read


def _write_label(checked: Checked, kept: _Kept, target: Path, changes: list[Change]) -> None:
    label, read = kept.file.entry.label, kept.file.read
    if label is None or read is None:
        target.write_bytes(b"")
        changes.append(Change(f"labels/{target.name}", 0, "added", "image-without-label", "", "an empty file"))
        return
    where = f"labels/{label.name}"
    rewrites = {rewrite.line: rewrite for rewrite in read.rewrites}
    before = len(changes)
    if 0 in rewrites:
        changes.append(Change(where, 0, "rewritten", rewrites[0].code, rewrites[0].before, "UTF-8, lines end with LF"))
    lines = []
    for at in kept.keep:
        line_num = int(checked.boxes.line_nums[at])
        written = label_line(checked.boxes.class_nums[at], checked.boxes.values[at])
        lines.append(_mend_box(checked, at, written))
        if line_num in rewrites:
            rewrite = rewrites[line_num]
            changes.append(Change(where, line_num, "rewritten", rewrite.code, rewrite.before, lines[-1]))
        elif lines[-1] != written:
            action, code = _why(checked, at)
            changes.append(Change(where, line_num, action, code, written, lines[-1]))
    for at in kept.removed:
        text = label_line(checked.boxes.class_nums[at], checked.boxes.values[at])
        changes.append(Change(where, int(checked.boxes.line_nums[at]), "removed", "box-exact-duplicate", text))
    if len(changes) == before:
        shutil.copyfile(checked.data_dir / where, target)
    else:
        target.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _mend_box(checked: Checked, at: int, written: str) -> str:
    """The line of a box as it should be; as written where nothing is wrong with it."""
    x, y, width, height = checked.bboxes_xywh[at]
    max_x, max_y = checked.boxes.size_wh[at]
    sticks_out = (beyond(checked.bboxes_xywh[at : at + 1], checked.boxes.size_wh[at : at + 1]) > NOISE_PX).any()
    if not _converted(checked, at) and not sticks_out:
        return written
    left, top = max(x, 0.0), max(y, 0.0)
    right, bottom = min(x + width, max_x), min(y + height, max_y)
    box = np.array([left, top, right - left, bottom - top])
    rounded = np.round(box, _DECIMALS)
    return label_line(checked.boxes.class_nums[at], rounded if rounded[2:].all() else box)


def _converted(checked: Checked, at: int) -> bool:
    return bool((checked.bboxes_xywh[at] != checked.boxes.values[at]).any())


def _why(checked: Checked, at: int) -> tuple[str, str]:
    return ("converted", checked.convention.code) if _converted(checked, at) else ("clipped", "box-reaches-out")


def label_line(class_num: int, values: Floats) -> str:
    """A box in the owner's format: corner and size ``(4,)`` in pixels."""
    return f"{class_num} {' '.join(f'{value:.10g}' for value in values.tolist())}"


def _kept(findings: list[Finding], changes: list[Change]) -> list[Change]:
    """Errors and warnings that the copy still has: those of no file that was left out, and of no line that changed."""
    gone = {change.file for change in changes if change.action == "left out"}
    changed = {(change.file, change.code) for change in changes if change.line == 0}
    changed_lines = {(change.file, change.line, change.code) for change in changes}
    converted = {change.code for change in changes}
    return [
        Change(found.file, found.line, "kept", found.code, found.message)
        for found in findings
        if found.severity != NOTE
        and found.file not in gone
        and (found.file, found.code) not in changed
        and (found.file, found.line, found.code) not in changed_lines
        and not (found.file == "labels" and found.code in converted)
    ]


def changes_csv(changes: list[Change]) -> str:
    """The text of changes.csv."""
    heads = ("file", "line", "action", "code", "before", "after")
    rows = ((one.file, one.line or "", one.action, one.code, one.before, one.after) for one in changes)
    return csv_text([heads, *rows])


def place_image(source: Path, target: Path) -> None:
    """A hard link where the disk allows it, else a copy."""
    target.parent.mkdir(parents=True, exist_ok=True)
    source = source.resolve()
    try:
        os.link(source, target)
    except OSError:  # another disk, or one without links
        shutil.copyfile(source, target)


@contextmanager
def appearing(out_dir: Path, option: str) -> Iterator[Path]:
    """A folder to fill with images/ and labels/, which becomes ``out_dir`` at the end.

    Raises:
        UserError: it cannot be written; names the option.
    """
    partial = out_dir.resolve().parent / f".{out_dir.name}.partial-{os.getpid()}"
    try:
        (partial / IMAGES_DIR).mkdir(parents=True)
        (partial / LABELS_DIR).mkdir()
        yield partial
        with suppress(FileNotFoundError):
            out_dir.rmdir()
        partial.replace(out_dir)
    except OSError as error:
        raise UserError(
            Problem(f"{option} {out_dir}", "a folder that can be written", error.strerror or "another")
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
