"""Where each key of the settings was written, and the problems found there, reported in the order of the lines."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import yaml

from anomdet.errors import Problem, UserError

KeyPath = tuple[str | int, ...]
"""Keys from the top down: ``("data", "classes", 1)``; the place in a list is the text ``[0]``."""

_SHOWN_CHARACTERS = 60


@dataclass(frozen=True)
class Place:
    """Where a key stands.

    Args:
        where: ``run.yaml:3`` or ``command line``.
        order: sorts problems: the file by its lines, then the command line.
        text: the value as the user wrote it, if it is a bare word or number; else None.
    """

    where: str
    order: tuple[int, int] = (0, 0)
    text: str | None = None


@dataclass
class Report:
    """Collects the problems of one set of settings.

    Args:
        places: where each key was given.
        top: the place of what was not given anywhere.
    """

    top: Place
    places: dict[KeyPath, Place] = field(default_factory=dict)
    found: list[tuple[tuple[int, int], Problem]] = field(default_factory=list)

    def place(self, path: KeyPath) -> Place:
        """Where a key was given, or else the section that should hold it."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.places:
                return self.places[path[:length]]
        return self.top

    def where(self, path: KeyPath) -> str:
        """``run.yaml:3: training.epochs``."""
        return f"{self.place(path).where}: {dotted(path)}" if path else self.place(path).where

    def add(self, path: KeyPath, expected: str, got: str, hint: str = "") -> None:
        """One more problem with the value of a key."""
        self.found.append((self.place(path).order, Problem(self.where(path), expected, got, hint)))

    def add_at(self, place: Place, expected: str, got: str, hint: str = "") -> None:
        """One more problem, with a place and no key."""
        self.found.append((place.order, Problem(place.where, expected, got, hint)))

    def show(self, path: KeyPath, value: Any) -> str:
        """A value in a message, as the user wrote it where that is known."""
        text = self.places[path].text if path in self.places else None
        return _cut(text) if text and not isinstance(value, str) else show_value(value)

    def raise_any(self) -> None:
        """Raises one UserError with every problem; returns if there is none."""
        if self.found:
            problems = list(dict.fromkeys(problem for _, problem in sorted(self.found, key=lambda item: item[0])))
            title = f"{len(problems)} problems in the settings:" if len(problems) > 1 else ""
            raise UserError(problems, title=title)


def dotted(path: KeyPath) -> str:
    """``data.normalize_mean[1]``."""
    return "".join(part if (part := str(key)).startswith("[") else f".{part}" for key in path).removeprefix(".")


def show_value(value: Any) -> str:
    """A value as YAML, on one line, cut short; text in quotes."""
    if isinstance(value, str):
        text = repr(value)
    else:
        dumped = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, allow_unicode=True, width=10_000)
        text = dumped.removesuffix("...\n").strip()
    return _cut(text)


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 3] + "..."


def did_you_mean(*candidates: str) -> str:
    """``did you mean a or b?``; empty without candidates."""
    return f"did you mean {' or '.join(candidates)}?" if candidates else ""


def nearest(word: Any, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """The known name that looks most like the word, whatever its case; None if none does."""
    by_lower = {name.lower(): name for name in known}
    found = difflib.get_close_matches(str(word).lower(), by_lower, n=1, cutoff=cutoff)
    return by_lower[found[0]] if found else None
