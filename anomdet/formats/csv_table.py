"""A CSV table with a row for each box, as TensorFlow's guides and Roboflow's ``_annotations.csv`` have it.

Columns are found by their names in the first line: filename, class, xmin, ymin, xmax, ymax, and width, height, split if
they are there. Corners are pixels from the top-left one of the image.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from anomdet.data.index.files import list_files
from anomdet.formats.accounting import take_unused, tell_apart
from anomdet.formats.dataset import (
    NOTHING,
    Box,
    Dataset,
    Findings,
    Phrase,
    Picture,
    Source,
    add_box,
    split_of_folder,
)
from anomdet.formats.image_files import ImageFiles
from anomdet.formats.split_files import folder_of, splits_of_files
from anomdet.formats.xml_files import number_in, size_in
from anomdet.layout import SPLIT_OF
from anomdet.strict_files import decode_text, read_regular

_CORNERS = ("xmin", "ymin", "xmax", "ymax")
_NEEDED = ("filename", "class", *_CORNERS)
EXPECTED = f"a first line with the columns {', '.join(_NEEDED)}"
_NAMES = {  # without letter case, blanks and underscores; the likeliest first
    "filename": ("filename", "file", "image", "imagename", "imagepath", "path", "imageid"),
    "class": ("class", "label", "classname", "labelname", "category"),
    **{corner: (corner,) for corner in _CORNERS},
    "width": ("width", "imagewidth", "imgwidth"),
    "height": ("height", "imageheight", "imgheight"),
    "split": ("split", "subset"),
}
_HEAD = 1 << 16  # letters that hold the first line
_HINT = "put a text that holds the separator in double quotes"
_Row = tuple[str, dict[str, str]]  # place, and the text of each known column


def read(source: Source) -> Dataset:
    """A CSV file, or all below a folder that have the columns; each is a split if its name or folder says so."""
    dataset = Dataset()
    tables = [source.path] if source.path.is_file() else _tables(source)
    splits = splits_of_files(tables, source)
    files = _image_files(source)
    for path in tables:
        dataset.pictures += _read_table(path, splits[path], files, source)
    tell_apart(dataset, source, lambda picture: folder_of(picture, source))
    take_unused(files, "image without a row", dataset, source, lambda path: _split_of(path, splits, source))
    return dataset


def find_columns(first_line: str) -> tuple[str, dict[str, int]] | None:
    """Separator, and the position of each column that is known; None if one that is needed is missing.

    >>> find_columns("class;filename;xmin;ymin;xmax;ymax;pose")
    (';', {'filename': 1, 'class': 0, 'xmin': 2, 'ymin': 3, 'xmax': 4, 'ymax': 5})
    """
    for separator in ",;\t":
        try:
            header = [_plain(field) for field in next(csv.reader([first_line], delimiter=separator), [])]
        except csv.Error:  # as a field of more than 128 kB
            return None
        named = {key: next((name for name in names if name in header), "") for key, names in _NAMES.items()}
        if all(named[key] for key in _NEEDED):
            return separator, {key: header.index(name) for key, name in named.items() if name}
    return None


def _plain(field: str) -> str:
    return field.strip().lower().replace("_", "").replace(" ", "")


def _tables(source: Source) -> list[Path]:
    found = []
    for file in list_files(source.path):
        if file.suffix == ".csv" and _is_table(source.path / file.name):
            found.append(source.path / file.name)
        elif file.suffix == ".csv":
            source.findings.note("CSV file without the columns of boxes", "left out", file.name)
    if not found:
        source.findings.problem(str(source.path), f"a CSV file that has {EXPECTED}", NOTHING)
    return found


def _is_table(path: Path) -> bool:
    """Whether to read a file; one that cannot be read is reported by who reads it."""
    try:
        return find_columns(next(iter(decode_text(read_regular(path))[:_HEAD].splitlines()), "")) is not None
    except (OSError, UnicodeDecodeError):
        return True


def _image_files(source: Source) -> ImageFiles:
    if source.images is not None:
        return ImageFiles([source.images], source.findings)
    if source.path.is_dir():
        return ImageFiles([source.path / "images", source.path], source.findings)
    return ImageFiles([source.path.parent / "images"], source.findings, flat=[source.path.parent])


def _split_of(path: Path, splits: dict[Path, str], source: Source) -> str:
    """Of an image without a row, where the tables have splits: by its folder."""
    root = source.images or source.path
    inside = any(splits.values()) and path.is_relative_to(root)
    return split_of_folder(path.parent.relative_to(root).as_posix()) if inside else ""


def _read_table(path: Path, split: str, files: ImageFiles, source: Source) -> list[Picture]:
    findings, where = source.findings, source.name(path)
    folder = path.parent.relative_to(source.path).as_posix() if source.path.is_dir() else ""
    pictures: dict[str, Picture] = {}
    empty: dict[str, str] = {}
    for place, row in _rows(path, where, findings):
        name = row["filename"].replace("\\", "/")
        if not name:
            findings.problem(place, "the name of an image", NOTHING)
            continue
        if name not in pictures:
            pictures[name] = Picture(name, place, split=split)
            names = [*(f"{part}/{name}" for part in dict.fromkeys((split, folder)) if part), name]
            files.use(pictures[name], files.find(names, place), name)
        _take_size(pictures[name], row, place, findings)
        _take_split(pictures[name], row.get("split", ""), place, findings)
        if any(row[key] for key in ("class", *_CORNERS)):
            _take_box(pictures[name], row, place, findings)
        else:
            empty.setdefault(name, place)
    for name, place in empty.items():
        fate = "left out: its image has others" if pictures[name].boxes else "its image taken as a normal one"
        findings.note("row without a class and a box", fate, place)
    return list(pictures.values())


def _rows(path: Path, where: str, findings: Findings) -> Iterator[_Row]:
    """Each row that is not blank, with its line."""
    try:
        text = decode_text(read_regular(path))
    except OSError as error:
        findings.problem(where, "a readable file", Phrase(error.strerror or error))
        return
    except UnicodeDecodeError as error:
        got = Phrase(f"byte 0x{error.object[error.start]:02x} at {error.start}")
        findings.problem(where, "UTF-8 text", got, "save it as CSV in UTF-8")
        return
    first_line = next(iter(text[:_HEAD].splitlines()), "")
    line = 1
    try:
        found = find_columns(first_line)
        if found is None:
            findings.problem(f"{where}:1", EXPECTED, first_line or NOTHING)
            return
        rows = csv.reader(io.StringIO(text, newline=""), delimiter=found[0])
        header = next(rows)
        _note_others(header, found[1], where, findings)
        line = rows.line_num + 1
        for fields in rows:
            if fields == header:
                findings.note("row that repeats the first line", "left out", f"{where}:{line}")
            elif len(fields) == len(header):
                yield f"{where}:{line}", {key: fields[at].strip() for key, at in found[1].items()}
            elif fields:
                expected = f"{len(header)} fields, as the first line has"
                findings.problem(f"{where}:{line}", expected, Phrase(len(fields)), _HINT)
            line = rows.line_num + 1
    except csv.Error as error:
        findings.problem(f"{where}:{line}", "a row of a CSV table", Phrase(error))


def _note_others(header: list[str], columns: dict[str, int], where: str, findings: Findings) -> None:
    for at, name in enumerate(header):
        if at not in columns.values():
            findings.note(f"column {name.strip()!r}", "left out", where)


def _take_size(picture: Picture, row: dict[str, str], place: str, findings: Findings) -> None:
    width, height = size_in((row.get("width", ""), row.get("height", "")), place, findings)
    if width and picture.width and (width, height) != (picture.width, picture.height):
        expected = f"the size {picture.width} x {picture.height} (width x height), as at {picture.where}"
        findings.problem(place, expected, Phrase(f"{width} x {height}"))
    elif width:
        picture.width, picture.height = width, height


def _take_split(picture: Picture, value: str, place: str, findings: Findings) -> None:
    """The split of a column goes before that of the table's name; all rows of an image must have the same."""
    split = SPLIT_OF.get(value.lower(), "")
    if value and not split:
        findings.note(f"split {value!r}", "left out", place)
    elif split and picture.split not in ("", split) and picture.where != place:
        findings.problem(place, "each image in one split", Phrase(f"{split}, after {picture.split}"))
    picture.split = split or picture.split


def _take_box(picture: Picture, row: dict[str, str], place: str, findings: Findings) -> None:
    if not row["class"]:
        findings.problem(place, "a class", NOTHING, "a normal image has a row without a class and a box")
    corners = [number_in(row[key], place, key, findings) for key in _CORNERS]
    if not row["class"] or None in corners:
        return
    x1, y1, x2, y2 = (corner or 0.0 for corner in corners)
    add_box(picture, Box(row["class"], x1, y1, x2 - x1, y2 - y1, place), findings)
