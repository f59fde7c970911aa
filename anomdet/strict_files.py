"""Files of a stranger: read only if they are regular ones, and JSON and YAML only where they mean one thing."""

from __future__ import annotations

import codecs
import errno
import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, NoReturn

MAX_YAML_BYTES = 2**19
MAX_LIST_BYTES = 2**26
LFS_POINTER = b"version https://git-lfs.github.com/spec/"  # how a file begins that Git left in the place of another
MAX_LABEL_BYTES = 2**24  # of one image: 500,000 objects


class DuplicateKeyError(ValueError):
    """One key twice in a JSON object: readers take the first or the last, and nobody knows which is meant."""


def read_regular(path: str | Path, max_bytes: int | None = None) -> bytes:
    """The bytes of a regular file; a pipe or a device, which may have no end, is not opened for reading.

    Raises:
        OSError: it cannot be read, is none, has more bytes than allowed, or is a pointer that Git left in its place.
    """
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    with os.fdopen(handle, "rb") as file:
        found = os.fstat(handle)
        if stat.S_ISDIR(found.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "not a regular file", str(path))
        if max_bytes is not None and found.st_size > max_bytes:
            size = f"{max_bytes / 2**20:.0f} MB" if max_bytes > MAX_YAML_BYTES else f"{max_bytes // 2**10} kB"
            raise OSError(errno.EFBIG, f"more than {size}", str(path))
        data = file.read()
    if data.startswith(LFS_POINTER):
        raise OSError(errno.EINVAL, "a pointer of Git LFS in its place; fetch it with git lfs pull", str(path))
    return data


def decode_text(data: bytes) -> str:
    """Text in UTF-8, with or without a byte order mark, or in UTF-16 with one, as some Windows tools save it.

    Raises:
        UnicodeDecodeError: it is neither.

    >>> decode_text("ä".encode("utf-16")), decode_text(b"\\xef\\xbb\\xbfa")
    ('ä', 'a')
    """
    return data.decode("utf-16" if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig")


def parse_json(data: bytes, parse_constant: Callable[[str], Any] | None = None) -> Any:
    """JSON, see :func:`decode_text`, in which each key stands once.

    Raises:
        UnicodeDecodeError, json.JSONDecodeError: it is neither.
        DuplicateKeyError: names the key.
        ValueError: a number of thousands of digits.
        RecursionError: it is nested too deeply.

    >>> parse_json(b'{"a": [1, 2]}')
    {'a': [1, 2]}
    """
    return json.loads(decode_text(data), object_pairs_hook=_once, parse_constant=parse_constant)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        again = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise DuplicateKeyError(f"the key {again!r} twice in one object")
    return found


def parse_yaml(text: str) -> Any:
    """YAML without anchors, tags and dates, in which each key stands once: mappings, lists, texts and numbers.

    Raises:
        yaml.YAMLError: it is not.
        ValueError: a number of thousands of digits.
        RecursionError: it is nested too deeply.

    >>> parse_yaml("names: {0: dent}")
    {'names': {0: 'dent'}}
    """
    import yaml

    class Plain(yaml.SafeLoader):
        """Refuses what can grow (aliases) and what is no data; a date stays a text."""

        yaml_implicit_resolvers: ClassVar = {
            first: [(tag, form) for tag, form in forms if not tag.endswith(":timestamp")]
            for first, forms in yaml.SafeLoader.yaml_implicit_resolvers.items()
        }

        def compose_node(self, parent: Any, index: Any) -> Any:
            """As PyYAML's, for anything but an alias."""
            if self.check_event(yaml.AliasEvent):
                mark = self.peek_event().start_mark
                raise yaml.MarkedYAMLError(problem="an alias (*), which is not read here", problem_mark=mark)
            return super().compose_node(parent, index)

        def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
            """As PyYAML's, which takes the last of a key that stands twice."""
            seen = set()
            for key, _ in node.value:
                if isinstance(key, yaml.ScalarNode):
                    if key.value in seen:
                        what = f"the key {key.value!r} twice in one mapping"
                        raise yaml.MarkedYAMLError(problem=what, problem_mark=key.start_mark)
                    seen.add(key.value)
            built: dict[Any, Any] = super().construct_mapping(node, deep)
            return built

    return yaml.load(text, Plain)  # noqa: S506 - derived from SafeLoader


def not_finite(text: str) -> NoReturn:
    """For ``parse_constant``: NaN and Infinity are no JSON."""
    raise ValueError(f"{text} is no number")
