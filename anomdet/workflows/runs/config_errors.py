"""Which key of the user's a library's error is about, where the user wrote in the library's language."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from anomdet.config.problems import did_you_mean, nearest
from anomdet.errors import Problem, UserError

_UNREGISTERED = re.compile(r"([\w.]+) is not in the (?:\S+::)?([\w ]+?) registry")
_UNEXPECTED = re.compile(r"(\w+)\.__init__\(\) got an unexpected keyword argument '(\w+)'")
_DEBUG = "--debug shows where it failed"


def blame(error: Exception, file: str, foreign: Mapping[str, Any]) -> UserError:
    """The error in the user's terms: the key that it is about, else all that it may be about.

    Args:
        error: what MMDetection or MMEngine raised.
        file: the config.
        foreign: key to what the user wrote there in their language; "" for a whole config.
    """
    nodes = [node for key, value in foreign.items() for node in _nodes(key, value)]
    if found := _UNREGISTERED.search(str(error)):
        for key, node in nodes:
            if node.get("type") == found[1]:
                return UserError(_unregistered(f"{file}: {key}.type", *found.groups()))
    if found := _UNEXPECTED.search(str(error)):
        kind, argument = found.groups()
        holders = [(key, node) for key, node in nodes if argument in node]
        of_kind = [(key, node) for key, node in holders if _name(node.get("type", kind)) == kind]
        if len(of_kind or holders) == 1:  # a class may have its arguments from the one that it derives from
            return user_built(f"{file}: {(of_kind or holders)[0][0]}.{argument}", error)
    kinds = _classes_passed(error.__traceback__)
    for key, node in nodes if "" not in foreign else ():
        if _name(node.get("type")) in kinds:
            return user_built(f"{file}: {key}", error)
    return user_built(": ".join(part for part in (file, ", ".join(foreign)) if part), error)


def blame_user_file(error: Exception, files: Mapping[str, str]) -> UserError | None:
    """The error with its last line in a file of the user's; None if it did not pass through one.

    Args:
        error: what anything raised.
        files: key of the settings to Python file.
    """
    from anomdet.models.user_file import problem_from

    for key, file in files.items():
        path = Path(file).expanduser().resolve()
        problem = problem_from(error, path, "code that trains and predicts")
        if problem.where != str(path):  # it knows the line
            return UserError(Problem(problem.where, problem.expected, problem.got, f"it is {key}; {_DEBUG}"))
    return None


def _nodes(key: str, value: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every mapping in a value, with its dotted key."""
    if isinstance(value, Mapping):
        yield key, value
        for name, item in value.items():
            yield from _nodes(f"{key}.{name}" if key else str(name), item)
    elif isinstance(value, (list, tuple)):
        for i, item in enumerate(value):
            yield from _nodes(f"{key}[{i}]", item)


def _name(kind: Any) -> str:
    """A type without its scope: ``mmdet.RTMDet`` to ``RTMDet``."""
    return str(kind).rsplit(".", 1)[-1]


def _unregistered(where: str, name: str, kind: str) -> Problem:
    names = _registered(kind)
    near = next((one for one in names if one.rpartition(".")[2] == name), None) or nearest(name, names)
    hint = did_you_mean(near) if near else "a class of your own is registered by a module that plugins names"
    return Problem(where, f"a registered {kind}", repr(name), hint)


def _registered(kind: str) -> list[str]:
    """What can be named in MMEngine's registry of that kind, MMDetection's first, ours with its scope."""
    from mmengine.registry import Registry, root

    import anomdet.registry  # noqa: F401 - ours is there only then

    names: list[str] = []
    for registry in (one for one in vars(root).values() if isinstance(one, Registry) and one.name == kind):
        for scope, prefix in (("mmdet", ""), ("anomdet", "anomdet.")):
            child = registry.children.get(scope)
            if child is not None:  # an empty one is false
                child.import_from_location()
                names += [f"{prefix}{name}" for name in child.module_dict]
        names += registry.module_dict
    return names


def _classes_passed(trace: TracebackType | None) -> set[str]:
    """The classes whose methods an exception passed through."""
    kinds = set()
    while trace is not None:
        kinds.add(type(trace.tb_frame.f_locals.get("self")).__name__)
        trace = trace.tb_next
    return kinds


def user_built(where: str, error: Exception) -> UserError:
    """The error of a config that MMDetection cannot build or run, in the words of the library."""
    said = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
    said = " ".join(next(iter(said.strip().splitlines()), "").split()).split(". Please check")[0]
    got = f"{type(error).__name__}: {said}"
    return UserError(Problem(where, "what MMDetection can build and run", got, "--debug shows where it failed"))
