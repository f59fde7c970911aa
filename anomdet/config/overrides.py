"""Settings from the command line: ``training.epochs=3 data.classes={1: open}``, over those of the file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from anomdet.config.problems import KeyPath, Place, Report, dotted, show_value
from anomdet.config.yaml_lines import read_yaml
from anomdet.errors import Problem

_SHAPE = "key=value, as training.epochs=3"


def apply_overrides(settings: dict[Any, Any], overrides: Sequence[str], report: Report) -> None:
    """Put each override into the settings, in place; a later one wins.

    Args:
        settings: plain values, nested as in the file.
        overrides: ``dotted.key=value`` each, the value in YAML.
        report: takes the places and the problems; its places name the command line.
    """
    for position, override in enumerate(overrides):
        place = Place("command line", (1, position))
        key, equals, text = override.partition("=")
        path = _path(key.strip())
        if not equals or path is None:
            hint = "leave out the dashes" if key.startswith("-") and equals else ""
            report.add_at(place, _SHAPE, repr(override), hint)
            continue
        inner = Report(place)
        value = read_yaml(text, lambda _, place=place: place, inner, path)  # type: ignore[misc]
        if inner.found:
            report.found += [(place.order, _with_key(problem, path)) for _, problem in inner.found]
        else:
            for known in [known for known in report.places if known[: len(path)] == path]:
                del report.places[known]  # the file's, of a value that is replaced
            bare = text.strip() if re.fullmatch(r"[\w.+-]+", text.strip()) else None
            report.places.update({**inner.places, path: Place(place.where, place.order, bare)})
            _put(settings, path, value, report)


def _with_key(problem: Problem, path: KeyPath) -> Problem:
    at_value = problem.where == "command line"
    return replace(problem, where=f"{problem.where}: {dotted(path)}") if at_value else problem


def _path(key: str) -> KeyPath | None:
    """``data.classes.1`` to ``("data", "classes", 1)``; None if no key can be so written."""
    parts = key.split(".")
    if not all(re.fullmatch(r"[\w-]+", part) for part in parts) or key.startswith("-"):
        return None
    return tuple(int(part) if re.fullmatch(r"-?[0-9]+", part) else part for part in parts)


def _put(settings: dict[Any, Any], path: KeyPath, value: Any, report: Report) -> None:
    section = settings
    for depth, key in enumerate(path[:-1], start=1):
        if section.get(key) is None:
            section[key] = {}
            report.places[path[:depth]] = Place(report.places[path].where, report.places[path].order)
        section = section[key]
        if not isinstance(section, dict):
            above = dotted(path[:depth])
            report.add(path, f"{above} to hold keys", show_value(section), f"give all of {above}")
            return
    section[path[-1]] = value
