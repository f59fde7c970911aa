"""``data.classes`` as it comes from YAML, a Python config or a checkpoint."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from anomdet.errors import Problem, UserError
from anomdet.terminal import one_line

_NORMAL = frozenset(
    {"good", "normal", "ok", "okay", "background", "no defect", "nodefect", "defect free", "non defective"}
)


_IGNORED = frozenset({"ignore", "ignored", "ignored region", "ignored regions", "dontcare", "dont care", "void"})


def sounds_ignored(name: str) -> bool:
    """Whether a class is called as areas are that nobody has judged: labelme's, KITTI's and VisDrone's word for them.

    >>> sounds_ignored("__ignore__"), sounds_ignored("DontCare"), sounds_ignored("ignored dent")
    (True, True, False)
    """
    return re.sub(r"[\s_-]+", " ", name.casefold().replace("'", "")).strip() in _IGNORED


def sounds_normal(name: str) -> bool:
    """Whether a class is called as good parts are: a detector would reject each good part that it recognises.

    >>> sounds_normal("OK"), sounds_normal("no-defect"), sounds_normal("not ok")
    (True, True, False)
    """
    return re.sub(r"[\s_-]+", " ", name.casefold()).strip() in _NORMAL


def class_names(classes: Mapping[Any, str] | Iterable[Sequence] | None) -> dict[int, str] | None:
    """Class number to name, from a mapping with int or text keys or from pairs; None or empty: no names.

    Raises:
        UserError: a key that is no integer, or one number or name twice.
    """
    if not classes:
        return None
    pairs = list(classes.items()) if isinstance(classes, Mapping) else [tuple(pair) for pair in classes]
    names: dict[int, str] = {}
    problems = []
    for key, name in pairs:
        try:
            num = int(key)
        except (TypeError, ValueError):
            problems.append(Problem("data.classes", "an integer as class number", repr(key)))
            continue
        if num in names or str(name) in names.values():
            problems.append(Problem("data.classes", "each number and name once", f"{num}: {name}"))
        if not str(name) or one_line(str(name)) != str(name):  # of a Python config
            problems.append(Problem("data.classes", "names on one line, without control characters", repr(name)))
        names[num] = str(name)
    if problems:
        raise UserError(problems)
    return names
