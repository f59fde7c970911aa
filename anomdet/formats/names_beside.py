"""Names of the classes in files that lie beside the data, as other tools leave them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from anomdet.errors import UserError
from anomdet.formats.dataset import Findings
from anomdet.formats.pictures import in_any_case
from anomdet.formats.side_files import classes_beside, load_yaml, read_names
from anomdet.layout import CLASSES_FILE
from anomdet.strict_files import MAX_YAML_BYTES, decode_text, parse_json, read_regular
from anomdet.terminal import one_line

DATA_YAML = "data.yaml"
_MAX_NUMBER = 10**18  # as label files have them


@dataclass(frozen=True)
class FoundNames:
    """Names for class numbers.

    Args:
        names: for every number of the labels, and no other.
        source: name of the file; empty: there was none, and the numbers are the names.
        notes: files that were looked at and not used, and why; what was left out.
        unused: names in the same file for numbers that no label has.
    """

    names: dict[int, str]
    source: str = ""
    notes: tuple[str, ...] = field(default=())
    unused: dict[int, str] = field(default_factory=dict)


def names_beside(data_dir: Path, class_nums: Iterable[int]) -> FoundNames:
    """The names that a file in the data folder gives to the numbers of the labels.

    Looked at in this order, the first that names all the numbers is taken: classes.yaml (``data.classes``, ``classes``,
    or numbers and names alone), data.yaml (YOLO's ``names``), notes.json (Label Studio's ``categories``), classes.txt
    and obj.names (a name a line, from 0; a blank line is a number without a name). The last three must not contradict
    each other: Label Studio orders classes.txt otherwise than notes.json numbers the classes.
    """
    wanted = sorted(class_nums)
    notes: list[str] = []
    for name, read in _READERS:
        path = in_any_case(data_dir / name)
        if not path.is_file():
            continue
        found = read(path)
        if found is None:
            notes.append(f"{name} not used: {_why_unread(path)}")
            continue
        lacking = [num for num in wanted if num not in found]
        names = {num: found[num].strip() for num in wanted if num in found}
        if lacking:
            notes.append(f"{name} not used: it has no name for {', '.join(map(str, lacking))}, only for {_span(found)}")
        elif len(set(names.values())) < len(names) or not all(names.values()):
            notes.append(f"{name} not used: a name is empty or there twice")
        elif any(one_line(text) != text for text in names.values()):
            notes.append(f"{name} not used: a name has a line break or control characters")
        elif other := _contradicting(names, name, data_dir):
            notes.append(f"{name} not used: {other} names the classes otherwise; delete the file that is wrong")
            break
        else:
            unused = {num: text.strip() for num, text in sorted(found.items()) if num not in names}
            shown = ", ".join(f"{num} ({text})" for num, text in unused.items())
            left_out = [f"{name}: left out, as no label has them: {shown}"] if unused else []
            return FoundNames(names, name, (*notes, *left_out), unused)
    return FoundNames({num: str(num) for num in wanted}, "", tuple(notes))


def _why_unread(path: Path) -> str:
    try:
        decode_text(read_regular(path, MAX_YAML_BYTES))
    except UnicodeDecodeError:
        return "it is no text in UTF-8; save it so, and its names are taken"
    except OSError:
        pass
    return "no names of classes can be read from it"


def _contradicting(names: dict[int, str], used: str, data_dir: Path) -> str:
    """A file that calls a class otherwise, where neither is settings that count; empty: there is none."""
    if used in (CLASSES_FILE, DATA_YAML):
        return ""
    for name, read in _READERS:
        others = (read(in_any_case(data_dir / name)) or {}) if name not in (used, CLASSES_FILE, DATA_YAML) else {}
        if any(others.get(num, text).strip() != text for num, text in names.items()):
            return name
    return ""


def _span(found: dict[int, str]) -> str:
    numbers = sorted(found)
    whole = numbers == list(range(numbers[0], numbers[-1] + 1)) and len(numbers) > 1 if numbers else False
    return f"{numbers[0]} to {numbers[-1]}" if whole else ", ".join(map(str, numbers)) or "nothing"


def _from_classes_yaml(path: Path) -> dict[int, str] | None:
    """As `anomdet convert` writes it; or numbers and names alone, as many write it by hand."""
    try:
        found = classes_beside(path.parent)
    except UserError:
        return None
    content = load_yaml(path, path.name, Findings()) if found is None else None
    if not isinstance(content, dict):
        return found
    plain: Any = content.get("classes", content)
    return _numbered(plain if isinstance(plain, dict) else {}) or None


def _numbered(names: dict[Any, Any]) -> dict[int, str]:
    numbered = {num: name for num, name in names.items() if isinstance(num, int) and not isinstance(num, bool)}
    numbered = {num: name for num, name in numbered.items() if abs(num) < _MAX_NUMBER}
    return {num: str(name) for num, name in numbered.items() if _is_name(name)}


def _from_data_yaml(path: Path) -> dict[int, str] | None:
    content = load_yaml(path, path.name, Findings())
    names: Any = content.get("names") if isinstance(content, dict) else None
    if isinstance(names, list):
        names = dict(enumerate(names))
    return _numbered(names) if isinstance(names, dict) else None


def read_notes(path: Path) -> dict[int, str] | None:
    """Number and name of the classes in Label Studio's notes.json; None: it says nothing of the kind."""
    try:
        categories = parse_json(read_regular(path, MAX_YAML_BYTES))["categories"]
        named = {int(category["id"]): category["name"] for category in categories}
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None
    return _numbered(named)


def _is_name(value: Any) -> bool:
    """A text, or a number that YAML has made of one."""
    return isinstance(value, str | int | float) and not isinstance(value, bool)


def _from_lines(path: Path) -> dict[int, str] | None:
    findings = Findings()
    names = read_names(path, path.name, findings)
    return None if findings.problems else names


_READERS: tuple[tuple[str, Callable[[Path], dict[int, str] | None]], ...] = (
    (CLASSES_FILE, _from_classes_yaml),
    (DATA_YAML, _from_data_yaml),
    ("notes.json", read_notes),
    ("classes.txt", _from_lines),
    ("obj.names", _from_lines),
)
