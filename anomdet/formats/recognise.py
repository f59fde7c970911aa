"""Which format a source is in, by its files: so that ``--from`` may be left out, and raw data can be pointed out."""

from __future__ import annotations

import codecs
import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path

from anomdet.data.index.files import list_files
from anomdet.errors import Problem, UserError
from anomdet.formats.accounting import is_converted
from anomdet.formats.csv_table import EXPECTED, find_columns
from anomdet.formats.dataset import to_number
from anomdet.formats.foreign import foreign_labels
from anomdet.formats.formats import FORMATS
from anomdet.formats.pictures import child_of
from anomdet.layout import CLASSES_FILE, IMAGES_DIR, LABELS_DIR
from anomdet.strict_files import decode_text, read_regular

_MAX_FILES = 200  # of a kind that are looked into
_HEAD_BYTES = 1 << 16
_WHOLE_BYTES = 1 << 24  # JSON up to this size is parsed; larger files are searched for their keys
_FRACTION = 2.0  # as in YOLO's reader: larger numbers are pixels


def recognise(source: Path) -> dict[str, str]:
    """Formats that a source may be in, each with the file that shows it.

    >>> recognise(Path("/nowhere"))
    {}
    """
    if source.is_file():
        return _of_files([source]) or _of_tables([source])
    if not source.is_dir():
        return {}
    names = [file.name for file in list_files(source)]
    found = _of_folders(source, names)
    of_files = _of_files([source / name for name in names])
    if "masks" in found or "deeppcb" in found:
        of_files = {}
    return {**found, **of_files} or _of_tables([source / name for name in names])


def recognise_one(source: Path) -> tuple[str, str]:
    """The format of a source, and the file that shows it.

    Raises:
        UserError: none or several fit.
    """
    found = recognise(source)
    if len(found) == 1:
        return next(iter(found.items()))
    if not found:
        raise UserError(Problem("--from", "the format of SRC", "none, and SRC shows none", _hint(source)))
    shown = " or ".join(f"{name} ({path})" for name, path in found.items())
    raise UserError(Problem("--from", f"one of {', '.join(found)}", f"none; SRC can be {shown}", "name it with --from"))


def _hint(source: Path) -> str:
    archives = sorted(source.glob("*.zip")) if source.is_dir() else []
    if archives:
        return f"name the archive itself: {archives[0]}"
    files = [source] if source.is_file() else [source / file.name for file in list_files(source)]
    if known := foreign_labels(files):
        return known
    if table := next(_some(files, ".csv"), None):
        return f"{table.name} is read if it has {EXPECTED}; else export it as one of {', '.join(FORMATS)}"
    return f"name it with --from; of other kinds, export it as one of {', '.join(FORMATS)}"


def _of_folders(source: Path, names: list[str]) -> dict[str, str]:
    if any(re.fullmatch(r"(?:PCBData/)?group[^/]*/[^/]+_not/[^/]+\.txt", name) for name in names):
        return {"deeppcb": "group*/*_not/"}
    data = child_of(source, "Data") or source
    truth, masks = child_of(source, "ground_truth"), child_of(data, "masks")
    if truth and child_of(source, "test") and not _holds_labels(truth, source, names):
        return {"masks": "ground_truth/"}
    if masks and child_of(data, "images") and not _holds_labels(masks, source, names):
        return {"masks": "masks/"}
    return _of_texts(source, names)


def _holds_labels(folder: Path, source: Path, names: list[str]) -> bool:
    """Whether files of labels lie in a folder: then its images are no masks, whatever it is called."""
    inside = f"{folder.relative_to(source).as_posix()}/"
    return any(name.startswith(inside) and name.lower().endswith((".json", ".xml")) for name in names)


def _of_texts(source: Path, names: list[str]) -> dict[str, str]:
    """AnomDet's pixels or YOLO's fractions: the numbers of the label files decide."""
    yaml = [name for name in names if re.fullmatch(r"[^/]+\.(?:ya?ml|data)", name.lower()) and name != CLASSES_FILE]
    yolo = next((name for name in yaml if _has_names(source / name)), "")
    texts = [name for name in names if name.lower().endswith(".txt")]
    fractions, pixels, empty = "", "", ""
    for name in texts[:_MAX_FILES] + texts[-_MAX_FILES:]:
        numbers = _numbers(source / name)
        if numbers is None:
            continue
        inside = name.lower().startswith(f"{LABELS_DIR}/")
        if not numbers and inside:
            empty = empty or name
        elif numbers:
            is_yolo = max(abs(value) for row in numbers for value in row[1:5]) <= _FRACTION
            fractions, pixels = (name, pixels) if is_yolo else (fractions, name)
    is_own = (source / IMAGES_DIR).is_dir() and (source / LABELS_DIR).is_dir()
    is_own = is_own and any(name.startswith(f"{LABELS_DIR}/") for name in texts)
    if is_own and not yolo and is_converted(source):
        return {"anomdet": f"{IMAGES_DIR}/, {LABELS_DIR}/"}
    if yolo or (fractions and not pixels):
        return {"yolo": yolo or fractions}
    if is_own and pixels:
        return {"anomdet": pixels}
    return {"anomdet": empty, "yolo": empty} if is_own and empty else {}


def _has_names(path: Path) -> bool:
    return re.search(rb"(?m)^\s*names\s*[:=]", _head(path)) is not None


def _numbers(path: Path) -> list[list[float]] | None:
    """Rows of a label file; None if it is something else."""
    rows = []
    for line in _head(path).decode("utf-8-sig", "replace").splitlines()[:100]:
        values = [to_number(field) for field in line.split()]
        if values and (len(values) < 5 or None in values):
            return None
        if values:
            rows.append([value or 0.0 for value in values])
    return rows


def _of_files(paths: list[Path]) -> dict[str, str]:
    """By what XML and JSON files hold."""
    found: dict[str, str] = {}
    for path in itertools.chain(
        _some(paths, ".xml"), _some(paths, ".json"), _some(paths[:1], ".yaml", ".yml", ".data")
    ):
        name = _kind(path)
        if name:
            found.setdefault(name, path.name)
    return found


def _of_tables(paths: list[Path]) -> dict[str, str]:
    """CSV with the columns of boxes; only where nothing else is found, since it is often made from XML beside it."""
    return next(({"csv": path.name} for path in _some(paths, ".csv") if _has_columns(path)), {})


def _has_columns(path: Path) -> bool:
    lines = _head(path).decode("utf-8-sig", "replace").splitlines()
    return bool(lines) and find_columns(lines[0]) is not None


def _some(paths: list[Path], *suffixes: str) -> Iterator[Path]:
    return itertools.islice((path for path in paths if path.suffix.lower() in suffixes), _MAX_FILES)


def _kind(path: Path) -> str:
    if path.suffix.lower() == ".xml":
        root = re.search(rb"<([A-Za-z_]\w*)", re.sub(rb"<\?.*?\?>|<!--.*?-->", b"", _head(path), flags=re.DOTALL))
        return {b"annotation": "voc", b"annotations": "cvat"}.get(root[1] if root else b"", "")
    if path.suffix.lower() == ".json":
        keys, is_list = _json_keys(path)
        if is_list:
            is_task = "data" in keys and keys & {"annotations", "completions"}
            is_min = "id" in keys and "data" not in keys and keys & {"annotator", "annotation_id"}
            return "labelstudio" if is_task or is_min else ""
        if "shapes" in keys:
            return "labelme"
        return "coco" if {"images", "annotations"} <= keys else ""
    return "yolo" if _has_names(path) else ""


def _json_keys(path: Path) -> tuple[set[str], bool]:
    """Keys of the object, or of the first object of the list; of a large file the likely ones, wherever they stand."""
    try:
        if path.stat().st_size > _WHOLE_BYTES:
            data = read_regular(path)
            keys = ("images", "annotations", "shapes", "completions", "data")
            return {key for key in keys if f'"{key}"'.encode() in data}, data.lstrip()[:1] == b"["
        content = json.loads(decode_text(read_regular(path)))
    except (OSError, ValueError, RecursionError):
        return set(), False
    is_list = isinstance(content, list)
    first = next(iter(content), None) if is_list else content
    return set(first) if isinstance(first, dict) else set(), is_list


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(_HEAD_BYTES)
    except OSError:
        return b""
    is_utf_16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return data.decode("utf-16", "replace").encode() if is_utf_16 else data
