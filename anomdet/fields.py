"""Checked fields: a frozen dataclass from a dict that may come from a stranger, every problem at once.

Not pydantic, which the settings use: importing it takes 0.2 s, as long as a detector on the line needs to start.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any, TypeVar

from anomdet.errors import Problem, UserError
from anomdet.terminal import one_line

T = TypeVar("T")
_SHOWN_CHARACTERS = 60
_MAX_DEPTH = 64


class WrongValueError(Exception):
    """A value that is not what the field holds; carries what was expected, and where inside of the value."""

    def __init__(self, expected: str, value: Any, inside: str = "") -> None:
        super().__init__(expected)
        self.expected, self.value, self.inside = expected, value, inside


Read = Callable[[Any], Any]


def checked(expected: str, read: Read) -> dict[str, Any]:
    """The ``metadata`` of a dataclass's field.

    Args:
        expected: for the message, ``two integers >= 1, height and width``.
        read: the value as it came to the value of the field; raises ``ValueError`` or ``TypeError`` for a wrong one.
    """
    return {"expected": expected, "read": read}


def nested(kind: type[Any], *, optional: bool = False) -> dict[str, Any]:
    """The ``metadata`` of a field that is itself a dataclass of checked fields, or None if ``optional``."""
    return {"kind": kind, "optional": optional}


def from_mapping(kind: type[T], content: Any, where: str, *, ignore_unknown: bool = False) -> T:
    """A dataclass of checked fields from a dict.

    Args:
        kind: the dataclass; each of its fields has ``metadata`` of :func:`checked` or :func:`nested`.
        content: what the file holds there.
        where: for the messages, ``best_model.pth: inference``.
        ignore_unknown: other keys are no problem; else they are.

    Raises:
        UserError: unknown, missing and wrong keys, all at once.
    """
    problems: list[Problem] = []
    made = _Reader(problems, ignore_unknown).read(kind, content, where)
    if problems:
        raise UserError(problems)
    assert isinstance(made, kind)
    return made


@dataclass(frozen=True)
class _Reader:
    problems: list[Problem]
    ignore_unknown: bool

    def read(self, kind: type[Any], content: Any, where: str) -> Any:
        if not isinstance(content, Mapping):
            self.problems.append(Problem(where, "a mapping", shown(content)))
            return None
        known = {field.name: field for field in fields(kind)}
        before = len(self.problems)
        for key in content if not self.ignore_unknown else ():
            if key not in known:
                expected = f"one of {', '.join(known)}"
                self.problems.append(Problem(f"{where}.{shown(key)}", expected, "an unknown key"))
        values = {}
        for name, field in known.items():
            if name in content:
                values[name] = self._value(field.metadata, content[name], f"{where}.{name}")
            elif field.default is MISSING and field.default_factory is MISSING:
                self.problems.append(Problem(f"{where}.{name}", "a value", "none"))
        if len(self.problems) > before:
            return None
        try:
            return kind(**values)
        except WrongValueError as error:
            self.problems.append(Problem(f"{where}{error.inside}", error.expected, shown(error.value)))
            return None

    def _value(self, metadata: Mapping[str, Any], value: Any, where: str) -> Any:
        if "kind" in metadata:
            if value is None and metadata["optional"]:
                return None
            return self.read(metadata["kind"], value, where)
        try:
            return metadata["read"](value)
        except WrongValueError as error:
            self.problems.append(Problem(f"{where}{error.inside}", error.expected, shown(error.value)))
        except (ValueError, TypeError):
            self.problems.append(Problem(where, metadata["expected"], shown(value)))
        return None


def shown(value: Any) -> str:
    """A value in a message: on one line, cut short; never the whole of what a stranger's file holds."""
    if isinstance(value, (str, int, float, bool, type(None))):
        text = repr(value[: 2 * _SHOWN_CHARACTERS] if isinstance(value, str) else value) if _is_short(value) else "..."
    elif isinstance(value, (list, tuple)) and len(value) <= 8 and all(_is_number(item) for item in value):
        text = repr(list(value))
    else:
        text = f"a {type(value).__name__}"
    return text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 3] + "..."


def _is_short(value: Any) -> bool:
    """Python refuses to write integers of thousands of digits."""
    return not isinstance(value, int) or value.bit_length() < 256


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and _is_short(value)


# What a field may hold. Each takes the value as it came, and raises ValueError for a wrong one.


def text(value: Any) -> str:
    """Not empty, on one line, without control characters."""
    if not isinstance(value, str) or not value or one_line(value) != value:
        raise ValueError(value)
    return value


def sentence(value: Any) -> str:
    """Text that may be empty or have several lines."""
    if not isinstance(value, str):
        raise ValueError(value)
    return value


def integer(value: Any, *, least: int, most: int = 2**31 - 1) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise ValueError(value)
    return value


def number(value: Any) -> float:
    if not _is_number(value) or not math.isfinite(value):
        raise ValueError(value)
    return float(value)


def flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(value)
    return value


def one_of(*choices: Any) -> Read:
    def read(value: Any) -> Any:
        if not any(value is choice or (type(value) is type(choice) and value == choice) for choice in choices):
            raise ValueError(value)
        return value

    return read


def optional(read: Read) -> Read:
    return lambda value: None if value is None else read(value)


def several(read: Read, *, least: int = 0, most: int | None = None) -> Read:
    """A tuple of a list or tuple."""

    def read_all(value: Any) -> tuple[Any, ...]:
        if not isinstance(value, (list, tuple)) or len(value) < least or (most is not None and len(value) > most):
            raise ValueError(value)
        return tuple(read(item) for item in value)

    return read_all


def mapping(read_key: Read, read_value: Read) -> Read:
    def read_all(value: Any) -> dict[Any, Any]:
        if not isinstance(value, Mapping):
            raise ValueError(value)
        return {read_key(key): read_value(item) for key, item in value.items()}

    return read_all


def class_number(value: Any) -> int:
    """Any integer; JSON makes text of keys."""
    return integer(int(value) if isinstance(value, str) else value, least=-(2**63), most=2**63 - 1)


def plain(value: Any, keys: tuple[type, ...] = (str,)) -> Any:
    """A copy of nested dicts with text keys (or those of other kinds, as class numbers), lists, tuples, text, numbers,
    flags and None; nothing else.

    Raises:
        WrongValueError: names the place.
    """
    return _plain(value, "", 0, keys)


def _plain(value: Any, inside: str, depth: int, keys: tuple[type, ...]) -> Any:
    if depth > _MAX_DEPTH:
        raise WrongValueError(f"at most {_MAX_DEPTH} levels", value, inside)
    if isinstance(value, dict):
        for key in value:
            if type(key) not in keys:
                words = "text" if keys == (str,) else "text or integers"
                raise WrongValueError(f"keys that are {words}", key, inside)
        return {key: _plain(item, f"{inside}.{key}", depth + 1, keys) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        items = [_plain(item, f"{inside}[{at}]", depth + 1, keys) for at, item in enumerate(value)]
        return items if isinstance(value, list) else tuple(items)
    if value is None or type(value) in (str, int, float, bool):
        return value
    raise WrongValueError("text, numbers, lists and mappings", value, inside)
