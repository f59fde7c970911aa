"""JSON files of a user: read with a place in each message, and checked entry by entry."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from anomdet.formats.dataset import NOTHING, Findings, Phrase, is_number
from anomdet.strict_files import DuplicateKeyError, parse_json, read_regular


def read_json(path: Path, where: str, findings: Findings) -> Any:
    """The content of a JSON file; None and a problem if it has none."""
    try:
        return parse_json(read_regular(path))
    except OSError as error:
        findings.problem(where, "a readable file", Phrase(error.strerror or error))
    except UnicodeDecodeError as error:
        findings.problem(where, "UTF-8 text", Phrase(f"byte 0x{error.object[error.start]:02x} at {error.start}"))
    except json.JSONDecodeError as error:
        place = f"{where}:{error.lineno}"
        findings.problem(
            place, "JSON", Phrase(f"{error.msg.removesuffix(' at')} at column {error.colno}"), "export the file again"
        )
    except DuplicateKeyError as error:
        findings.problem(where, "each key once", Phrase(error), "export the file again")
    except (RecursionError, ValueError) as error:
        findings.problem(where, "JSON", Phrase(f"{type(error).__name__}: {error}"))
    return None


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file; floats with all their digits."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")


def below(place: str, key: str) -> str:
    """The JSON path one key further down; a place without a path is the file."""
    return f"{place}.{key}" if ": " in place else f"{place}: {key}"


def entries(parent: dict, key: str, where: str, findings: Findings) -> Iterator[tuple[dict, str]]:
    """Each object of an array, with its JSON path; what is no array or no object is reported."""
    found = parent.get(key)
    if not isinstance(found, list):
        findings.problem(below(where, key), "an array", NOTHING if found is None else found)
        return
    for i, entry in enumerate(found):
        place = below(where, f"{key}[{i}]")
        if isinstance(entry, dict):
            yield entry, place
        else:
            findings.problem(place, "an object", entry)


def text_of(entry: dict, key: str, place: str, findings: Findings) -> str | None:
    """A text that is not empty; None and a problem if there is none."""
    value = entry.get(key)
    if isinstance(value, str) and value.strip():
        return value
    findings.problem(below(place, key), "a text", NOTHING if value is None else value)
    return None


def integer_of(entry: dict, key: str, place: str, findings: Findings) -> int | None:
    """An integer; None and a problem if it is none."""
    value = entry.get(key)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    findings.problem(below(place, key), "an integer", NOTHING if value is None else value)
    return None


def size_of(entry: dict, keys: tuple[str, str], place: str, findings: Findings) -> tuple[int, int]:
    """Width and height; (0, 0) where the file does not say, and a problem where it says something else."""
    size = []
    for key in keys:
        value = entry.get(key) or 0
        if not is_number(value) or value < 0 or value != int(value):
            findings.problem(below(place, key), "a number of pixels", value)
            value = 0
        size.append(int(value))
    return (size[0], size[1]) if all(size) else (0, 0)


def numbers_of(value: Any, count: int) -> list[float] | None:
    """A list of so many finite numbers; None if it is something else."""
    if isinstance(value, list) and len(value) == count and all(is_number(number) for number in value):
        return [float(number) for number in value]
    return None


def points_of(value: Any) -> list[tuple[float, float]] | None:
    """A list of at least one [x, y]; None if it is something else."""
    if not isinstance(value, list) or not value:
        return None
    pairs = [numbers_of(pair, 2) for pair in value]
    return None if None in pairs else [(pair[0], pair[1]) for pair in pairs if pair is not None]
