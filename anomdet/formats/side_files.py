"""What many formats have no place for, beside them: classes.yaml, splits/train.txt and so on, hard_normals.txt."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from anomdet.data.class_names import sounds_ignored, sounds_normal
from anomdet.data.index.spelling import plain_spelling
from anomdet.errors import Problem, UserError
from anomdet.formats.dataset import NOTHING, Box, Dataset, Findings, Phrase, Source, own_numbers
from anomdet.formats.pictures import is_text
from anomdet.layout import CLASSES_FILE, HARD_NORMALS, SPLITS, SPLITS_DIR, TRAIN, VAL
from anomdet.strict_files import MAX_LIST_BYTES, MAX_YAML_BYTES, decode_text, parse_yaml, read_regular

_MAX_NUMBER = 10**18
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_-]*(?: [A-Za-z0-9_-]+)*")


def load_yaml(path: Path, where: str, findings: Findings) -> Any:
    """The content of a YAML file; None and a problem if it cannot be read."""
    try:
        return parse_yaml(decode_text(read_regular(path, MAX_YAML_BYTES)))
    except OSError as error:
        findings.problem(where, "a readable file", Phrase(error.strerror or error))
    except UnicodeDecodeError:
        findings.problem(where, "UTF-8 text", Phrase("something else"))
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        said = getattr(error, "problem", None) or type(error).__name__
        hint = "in double quotes a backslash begins an escape; write / or single quotes" if "escape" in said else ""
        findings.problem(f"{where}:{mark.line + 1}" if mark else where, "YAML", Phrase(said), hint)
    return None


def read_classes(path: Path) -> dict[int, str]:
    """Number and name from ``data.classes`` of a YAML file, which may be whole settings.

    Raises:
        UserError: there is no such mapping, or it is a wrong one.
    """
    findings = Findings()
    content = load_yaml(path, str(path), findings)
    classes = _classes_of(content)
    if classes is None and not findings.problems:
        findings.problem(f"{path}: data.classes", "a mapping as {1: scratch, 2: dent}", NOTHING)
    owner: dict[str, int] = {}
    for number, name in (classes or {}).items():
        place = f"{path}: data.classes.{number}"
        if not isinstance(number, int) or isinstance(number, bool) or abs(number) >= _MAX_NUMBER:
            findings.problem(place, "an integer as class number", number)
        elif not isinstance(name, str):
            findings.problem(place, "a text as name", name, "put it in quotes")
        elif owner.setdefault(name, number) != number:
            findings.problem(place, "a name of its own", Phrase(f"{name!r}, as {owner[name]}"))
    if findings.problems:
        raise UserError(findings.problems)
    return dict(classes or {})


def classes_beside(source: Path) -> dict[int, str] | None:
    """The classes that an earlier conversion left with its output; None if there are none."""
    path = (source if source.is_dir() else source.parent) / CLASSES_FILE
    if not path.is_file() or _classes_of(load_yaml(path, str(path), Findings())) is None:
        return None
    return read_classes(path)


def _classes_of(content: Any) -> dict | None:
    """``data.classes``; or ``classes``, or numbers and names alone, as many write it by hand."""
    if not isinstance(content, dict):
        return None
    data = content.get("data")
    classes = data.get("classes") if isinstance(data, dict) else content.get("classes")
    if isinstance(classes, dict) and classes:
        return classes
    is_plain = content and all(isinstance(number, int) and isinstance(name, str) for number, name in content.items())
    return content if is_plain else None


def classes_yaml(names: dict[int, str], *, indent: str = "  ") -> str:
    """``data.classes`` as YAML."""
    lines = [f"{indent * 2}{number}: {_quoted(names[number])}\n" for number in sorted(names)]
    return f"data:\n{indent}classes:\n" + "".join(lines)


def settings_hint(dataset: Dataset, data_dir: str | None) -> str:
    """What to put into the settings, as YAML: classes, and the folder and its splits where it is AnomDet's own."""
    text = classes_yaml(dataset.names) if dataset.names else "data:\n"
    if data_dir is None:
        return text if dataset.names else ""
    used = [split for split in SPLITS if any(picture.split == split for picture in dataset.pictures)]
    lists = ", ".join(f"{split}: {_quoted(f'{data_dir}/{SPLITS_DIR}/{split}.txt')}" for split in used)
    text = text.replace("data:\n", f"data:\n  data_dir: {_quoted(data_dir)}\n", 1)
    return text + (f"  split_files: {{{lists}}}\n" if {TRAIN, VAL} <= set(used) else "")


def _quoted(name: str) -> str:
    return name if _PLAIN.fullmatch(name) and yaml.safe_load(name) == name else json.dumps(name, ensure_ascii=False)


def settle_classes(dataset: Dataset, given: dict[int, str] | None, findings: Findings) -> None:
    """Number and name for every class, in place.

    Labels that are names get their number from ``given``, else from the source, else the number that they are, if all
    are whole numbers, else the next free one, by name.

    Args:
        dataset: as a reader returned it.
        given: number to name.
        findings: takes classes that ``given`` does not know.
    """
    numbers = {name: number for number, name in given.items()} if given else dict(dataset.numbers)
    labels = {box.label for picture in dataset.pictures for box in picture.boxes}
    fresh = sorted({label for label in labels if isinstance(label, str)} - numbers.keys())
    if given:
        _report_unknown(dataset, set(fresh), given, findings)
    own = own_numbers(fresh)
    numbers.update({} if set(own.values()) & set(numbers.values()) else own)
    for name in fresh:
        numbers.setdefault(name, max(numbers.values(), default=0) + 1)
    for picture in dataset.pictures:
        picture.boxes = [
            box if isinstance(box.label, int) else Box(numbers[box.label], *box[1:]) for box in picture.boxes
        ]
    names = {**dataset.names, **{number: name for name, number in numbers.items()}, **(given or {})}
    for number in sorted(label for label in labels if isinstance(label, int)):
        names.setdefault(number, str(number))
    dataset.names = {number: names[number] for number in sorted(names)}


def _report_unknown(dataset: Dataset, unknown: set[str], given: dict[int, str], findings: Findings) -> None:
    for picture in dataset.pictures:
        for box in picture.boxes:
            if box.label in unknown:
                unknown.remove(str(box.label))
                findings.problem(box.where, f"a class of {', '.join(given.values())}", box.label, "add it to the list")


def check_names(dataset: Dataset, findings: Findings) -> None:
    """Class names that any file can hold, each for one class: some formats have only names to distinguish them."""
    owner: dict[str, int] = {}
    for number, name in dataset.names.items():
        where = f"class {number}"
        if abs(number) >= _MAX_NUMBER:
            findings.problem(where, "a class number of at most 18 digits", number)
        if not name or name != name.strip() or not is_text(name):
            findings.problem(where, "a name without outer blanks and control characters", name, _NAME_HINT)
        elif owner.setdefault(name, number) != number:
            got = Phrase(f"{name!r}, as class {owner[name]}")
            findings.problem(where, "a name of its own", got, _NAME_HINT)
    _note_alike(list(owner), findings)
    normal = "kept as a defect; if it marks good parts, delete these boxes in SRC: a normal part has none"
    _note_like(sounds_normal, "a good part", normal, dataset, findings)
    ignored = (
        "kept as a defect; if it marks what nobody has judged, delete these boxes in SRC, or leave their images out"
    )
    _note_like(sounds_ignored, "an area to ignore", ignored, dataset, findings)


def _note_alike(names: list[str], findings: Findings) -> None:
    """Classes that may be one: their names differ in letter case, blanks or hyphens only."""
    alike: dict[str, list[str]] = defaultdict(list)
    for name in names:
        alike[re.sub(r"[\s_-]+", " ", plain_spelling(name)).strip()].append(name)
    for group in alike.values():
        fate = "kept as classes of their own; rename one in SRC if they are one"
        findings.note("class name that differs from another in spelling only", fate, " / ".join(group), len(group) - 1)


def _note_like(sounds: Callable[[str], bool], meaning: str, fate: str, dataset: Dataset, findings: Findings) -> None:
    """Classes that are called as something is that is no defect: a detector would reject each part that shows it."""
    found = {number for number, name in dataset.names.items() if sounds(name)}
    for picture in dataset.pictures:
        for box in picture.boxes:
            if box.label in found:
                name = dataset.names[int(box.label)]
                findings.note(f"object of the class {name!r}, which sounds like {meaning}", fate, picture.where)


_NAME_HINT = "give other names with --classes"


def read_splits(source: Source, dataset: Dataset) -> None:
    """The splits that an earlier conversion left with its output, in place; none if the source has its own."""
    folder = source.path / SPLITS_DIR
    if any(picture.split for picture in dataset.pictures) or not folder.is_dir():
        return
    by_name = {picture.file_name: picture for picture in dataset.pictures}
    for split in SPLITS:
        path = folder / f"{split}.txt"
        for place, line in read_lines(path, source.name(path), source.findings) if path.is_file() else ():
            picture = by_name.get(line)
            if picture is None:
                _report_unlisted(line, place, dataset, source.findings)
            elif picture.split not in ("", split):
                source.findings.problem(
                    place, "each image in one split", Phrase(f"{line} again, after {picture.split}")
                )
            else:
                picture.split = split


def _report_unlisted(line: str, place: str, dataset: Dataset, findings: Findings) -> None:
    if line not in dataset.skipped:
        findings.problem(place, "the name of an image", line)


def read_hard_normals(source: Source, dataset: Dataset) -> None:
    """Mark the images that the list of hard normals beside the source names, in place."""
    path = source.path / HARD_NORMALS
    if not path.is_file():
        return
    by_name = {picture.file_name: picture for picture in dataset.pictures}
    for place, line in read_lines(path, source.name(path), source.findings):
        picture = by_name.get(line)
        if picture is None:
            _report_unlisted(line, place, dataset, source.findings)
        elif picture.boxes:
            source.findings.note("hard normal that has labels", "left out of the list", place)
        else:
            picture.hard_normal = True


def read_lines(path: Path, where: str, findings: Findings) -> list[tuple[str, str]]:
    """Place and text of each line that is not blank."""
    try:
        text = decode_text(read_regular(path, MAX_LIST_BYTES))
    except OSError as error:
        findings.problem(where, "a readable file", Phrase(error.strerror or error))
        return []
    except UnicodeDecodeError as error:
        got = Phrase(f"byte 0x{error.object[error.start]:02x} at {error.start}")
        findings.problem(where, "UTF-8 text", got, "save it as plain text")
        return []
    lines = enumerate(text.split("\n"), start=1)
    return [(f"{where}:{number}", line.strip()) for number, line in lines if line.strip()]


def read_names(path: Path, where: str, findings: Findings) -> dict[int, str]:
    """Number and name of each class from a list with a name a line; a blank line is a number without a name."""
    lines = read_lines(path, where, findings)
    return {int(place.rpartition(":")[2]) - 1: line for place, line in lines}


def write_side_files(dataset: Dataset, out: Path) -> list[Path]:
    """classes.yaml, and a list of names for each split that there is and of hard normals; returns them."""
    written = [out / CLASSES_FILE] if dataset.names else []
    if dataset.names:
        written[0].write_text(_HEAD + classes_yaml(dataset.names), encoding="utf-8")
    lists = {
        f"{SPLITS_DIR}/{split}.txt": [one.file_name for one in dataset.pictures if one.split == split]
        for split in SPLITS
    }
    lists[HARD_NORMALS] = [one.file_name for one in dataset.pictures if one.hard_normal]
    for file, names in lists.items():
        if names:
            written.append(out / file)
            written[-1].parent.mkdir(exist_ok=True)
            written[-1].write_text("".join(f"{name}\n" for name in names), encoding="utf-8")
    return written


def check_source(path: Path) -> None:
    """Raise if there is nothing to read.

    Raises:
        UserError: SRC is not there.
    """
    if not path.exists():
        raise UserError(Problem("SRC", "a file or a folder", f"{path}, which is not there"))


_HEAD = "# Number and name of each class, as the settings take them; `anomdet convert` reads this file back.\n"
