"""What lies beside images/ and labels/: lists of splits, class names; or the labels of another tool in their place."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from anomdet.errors import Problem, UserError
from anomdet.layout import CLASSES_FILE, IMAGES_DIR, LABELS_DIR, SPLIT_OF, SPLITS, SPLITS_DIR, TEST, TRAIN, VAL
from anomdet.workflows.data_folder.other_names import other_names

if TYPE_CHECKING:
    from anomdet.config.schema_data import DataSettings

_TITLES = {
    "coco": "COCO",
    "voc": "Pascal VOC",
    "yolo": "YOLO",
    "cvat": "CVAT",
    "labelstudio": "Label Studio",
    "csv": "CSV",
}


def refuse_raw_data(data_dir: str | Path) -> None:
    """Refuse another tool's labels in place of images/ and labels/, or in labels/, with the command that converts them.

    A folder that is not recognised is left to whoever reads it.

    Raises:
        UserError: as said.
    """
    folder = Path(data_dir)
    has_both = all((folder / name).is_dir() for name in (IMAGES_DIR, LABELS_DIR))
    if (has_both and not _has_only_other_files(folder / LABELS_DIR)) or not folder.exists():
        return
    from anomdet.formats.recognise import recognise

    found = recognise(folder)
    if not found or "anomdet" in found:
        return
    shown = " or ".join(f"{_TITLES.get(name, name)} ({path})" for name, path in found.items())
    name = next(iter(found)) if len(found) == 1 else "FORMAT"
    # A data.yaml of YOLO's stands in the folder that is converted; a file of COCO's is converted itself.
    source = folder.parent if folder.is_file() and name == "yolo" else folder
    out = source.with_suffix("") if source.is_file() else source
    command = f"anomdet convert {_quoted(source)} --from {name} --to anomdet --out {_quoted(out, '_anomdet')}"
    expected = f"a folder with {IMAGES_DIR}/ and {LABELS_DIR}/"
    raise UserError(Problem(str(folder), expected, f"labels of {shown}", f"convert it: {command}"))


def _has_only_other_files(labels: Path) -> bool:
    """Whether there are files, and none of them is a text file."""
    names = _names_below(labels)
    first = next(names, "")
    return bool(first) and not any(name.lower().endswith(".txt") for name in (first, *names))


def _names_below(folder: Path | str) -> Iterator[str]:
    """Of the files that are not hidden, as they come."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir():
                yield from () if entry.is_symlink() else _names_below(entry.path)
            elif not entry.name.startswith("."):
                yield entry.name


def _quoted(path: Path, tail: str = "") -> str:
    """For a shell; with a tail, a folder beside it: neither in it nor hidden, as that of ``.`` would be."""
    path = path if path.name.strip(".") or not tail else path.resolve()
    return shlex.quote(f"{str(path).rstrip('/')}{tail}")


def split_lists(data_dir: str | Path) -> dict[str, str]:
    """Split to the list of its images in splits/, as ``anomdet convert`` writes them; only those that are there."""
    folder = Path(data_dir) / SPLITS_DIR
    return {split: str(folder / f"{split}.txt") for split in SPLITS if (folder / f"{split}.txt").is_file()}


def split_folders(data_dir: str | Path) -> str:
    """What to do with folders in images/ that are called as splits are; empty: fewer than two, or lists in splits/."""
    images = Path(data_dir) / IMAGES_DIR
    named = {
        SPLIT_OF[name.lower()]: name for name in (*SPLIT_OF, *map(str.title, SPLIT_OF)) if (images / name).is_dir()
    }
    if len(named) < 2 or split_lists(data_dir):
        return ""
    folder = Path(data_dir)
    shown = ", ".join(f"{IMAGES_DIR}/{named[split]}" for split in SPLITS if split in named)
    kept = f"images of {named.get(TEST, named.get(VAL))} are trained on"
    command = f"anomdet convert {_quoted(folder)} --from anomdet --to anomdet --out {_quoted(folder, '_lists')}"
    return f"{shown} do not count as splits, {kept}: {command} writes lists of them, which anomdet init uses"


def unused_files(data: DataSettings) -> list[str]:
    """A line for each file beside the data that the settings make no use of, with how to use it."""
    lists = split_lists(data.data_dir)
    lines = []
    if data.split_files is None and {TRAIN, VAL} <= lists.keys():
        given = ", ".join(f"{split}: {path}" for split, path in lists.items())
        folder = Path(data.data_dir) / SPLITS_DIR
        lines.append(
            f"{folder} has lists of the splits that the settings do not use; add 'data.split_files={{{given}}}'"
        )
    elif data.split_files is None and lists:
        given = ", ".join(f"{split}.txt" for split in lists)
        folder = Path(data.data_dir) / SPLITS_DIR
        lines.append(f"{folder} has {given}, which is not used: data.split_files needs train and val")
    elif data.split_files is None and (line := split_folders(data.data_dir)):
        lines.append(line)
    if data.classes is None and (path := Path(data.data_dir) / CLASSES_FILE).is_file():
        lines.append(f"{path} has class names that the settings do not use; copy its data.classes into them")
    beside, known = other_names(data.data_dir, data.classes)
    if beside:
        path = Path(data.data_dir) / CLASSES_FILE
        lines.append(f"{path} says {beside}, data.classes {known}: correct the wrong one, else all reports are misread")
    return lines
