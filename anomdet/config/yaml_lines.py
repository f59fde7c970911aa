"""YAML to plain values, with the line of each key; and back.

Reads YAML 1.1 as PyYAML does, without its traps: ``1e-3`` is a number, ``12:30`` and ``2024-01-01`` are text, ``010``
is ten, tags build no objects, and a key given twice is a problem. The words yes, no, on and off stay true and false.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable
from typing import Any, ClassVar

import yaml

from anomdet.config.problems import KeyPath, Place, Report

_TAG = "tag:yaml.org,2002:"
_MOST_VALUES = 100_000
_MOST_MERGED, _MOST_KEYS = 16, 10_000
_SHOWN_CHARACTERS = 40
_LIMIT = 2**63
_TRUE = ("yes", "true", "on")


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers: ClassVar[dict[str, Any]] = {}

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """PyYAML's; merged keys (``<<``) of merged keys double with each line."""
        for key, value in node.value:
            if key.tag == _TAG + "merge" and len(value.value) > _MOST_MERGED and isinstance(value, yaml.SequenceNode):
                what = f"more than {_MOST_MERGED} merged mappings"
                raise yaml.MarkedYAMLError(problem=what, problem_mark=value.start_mark)
        super().flatten_mapping(node)
        if len(node.value) > _MOST_KEYS:
            raise yaml.MarkedYAMLError(problem=f"more than {_MOST_KEYS} keys", problem_mark=node.start_mark)


class _Dumper(yaml.SafeDumper):
    # The same resolvers, so that text which reads as something else is written in quotes.
    yaml_implicit_resolvers = _Loader.yaml_implicit_resolvers

    def ignore_aliases(self, data: Any) -> bool:
        return True


for _name, _pattern, _first in (
    ("bool", r"yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF", "yYnNtTfFoO"),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("merge", "<<", "<"),
    ("int", r"[-+]?(0x[0-9a-fA-F]+|0o[0-7]+|0b[01]+|[0-9][0-9_]*)", "-+0123456789"),
    (
        "float",
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        "-+.0123456789",
    ),
):
    _Loader.add_implicit_resolver(_TAG + _name, re.compile(f"(?:{_pattern})$"), list(_first))


def _flow_for_short_lists(dumper: yaml.SafeDumper, items: Any) -> yaml.Node:
    plain = not any(isinstance(item, (list, tuple, dict)) for item in items)
    return dumper.represent_sequence(_TAG + "seq", items, flow_style=plain)


_Dumper.add_representer(list, _flow_for_short_lists)
_Dumper.add_representer(tuple, _flow_for_short_lists)


def to_yaml(value: Any) -> str:
    """Plain values as YAML that :func:`read_yaml` reads back to the same values; lists of scalars on one line."""
    return str(
        yaml.dump(value, Dumper=_Dumper, default_flow_style=False, sort_keys=False, allow_unicode=True, width=100)
    )


def read_yaml(text: str, locate: Callable[[int], Place], report: Report, path: KeyPath = ()) -> Any:
    """The plain value of a YAML text; where it cannot be read, None and a problem in the report.

    Args:
        text: the YAML.
        locate: the place of a 1-based line.
        report: takes the place of each key, and the problems.
        path: the key that the text is the value of.
    """
    loader = None
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        return None if node is None else _Builder(loader, locate, report).build(node, path)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        report.add_at(locate(line), "text", f"the character {chr(error.character)!r}")
    except yaml.MarkedYAMLError as error:
        expected, got, hint = _explain(error)
        opened = error.context_mark if "not closed" in got else None  # where it ends nothing is to be seen
        mark = opened or error.problem_mark or error.context_mark
        report.add_at(locate(mark.line + 1 if mark else 1), expected, got, hint)
    except RecursionError:
        report.add_at(locate(1), "settings", "lists or mappings nested too deeply")
    finally:
        if loader is not None:
            loader.dispose()
    return None


def scalar_value(text: str) -> Any:
    """What a bare word or number stands for."""
    loader = _Loader("")
    try:
        node = yaml.ScalarNode(loader.resolve(yaml.ScalarNode, text, (True, False)), text)
        return _Builder(loader, lambda line: Place(""), Report(Place(""))).build(node, ())
    except yaml.MarkedYAMLError:
        return text
    finally:
        loader.dispose()


def _explain(error: yaml.MarkedYAMLError) -> tuple[str, str, str]:
    """What was expected, what was found, what to do, from PyYAML's wording."""
    said = error.problem or error.context or "a syntax error"
    if "\\t" in said:
        return "spaces", "a tab", "indent with spaces"
    if "mapping values are not allowed" in said:
        return "valid YAML", "a second ': ' on one line, or a wrong indentation", "put text with a colon in quotes"
    if "undefined alias" in said:
        return "an anchor that was given before", said.removeprefix("found undefined alias "), ""
    if "expected a single document" in str(error.context):
        return "one YAML document", "a second one", "remove the line ---"
    if "unknown escape character" in said or ("escape" in said and "double-quoted" in str(error.context)):
        return "valid YAML", "a backslash in double quotes", "put a Windows path in single quotes, or use /"
    if "<block mapping start>" in said or "<block end>" in said:
        hint = "keys of one section start in the same column; a sub-key is indented by two spaces more than its section"
        return "valid YAML", "a line with another indentation than its neighbours", hint
    if "flow" in str(error.context):
        return "valid YAML", "a bracket that is not closed, or a missing comma", "close each { and ["
    if "scalar" in str(error.context) and "quoted" in str(error.context):
        return "valid YAML", "a quote that is not closed", "write the closing quote on the same line"
    said = said.replace("'<stream end>'", "the end")
    return "valid YAML", f"{error.context}: {said}" if error.context else said, ""


class _Builder:
    """Plain values from PyYAML's nodes, with places and problems."""

    def __init__(self, loader: _Loader, locate: Callable[[int], Place], report: Report) -> None:
        self._loader = loader
        self._locate = locate
        self._report = report
        self._open: set[int] = set()
        self._count = 0

    def build(self, node: yaml.Node, path: KeyPath) -> Any:
        self._count += 1
        if self._count > _MOST_VALUES or id(node) in self._open:
            what = "an anchor that holds itself" if id(node) in self._open else f"more than {_MOST_VALUES} values"
            raise yaml.MarkedYAMLError(problem=what, problem_mark=node.start_mark)
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node)
        self._open.add(id(node))
        value = self._mapping(node, path) if isinstance(node, yaml.MappingNode) else self._list(node, path)
        self._open.discard(id(node))
        return value

    def _scalar(self, node: yaml.ScalarNode) -> Any:
        kind, text, wrong = node.tag.removeprefix(_TAG), node.value, ""
        try:
            if kind == "int":
                number = int(text.replace("_", ""), 0 if re.match("[-+]?0[xob]", text) else 10)
                if abs(number) < _LIMIT:
                    return number
                kind = wrong = "number of more than 64 bits"
            if kind == "float":
                return float(re.sub(r"\.(?=inf|nan)", "", text.lower()))
        except ValueError:
            kind = "badly written number"
        if kind in ("null", "str"):
            return None if kind == "null" else text
        if kind == "bool":
            return text.lower() in _TRUE
        shown = text if len(text) <= _SHOWN_CHARACTERS else f"{text[: _SHOWN_CHARACTERS - 3]}..."
        what = f"{shown!r}, a {wrong}" if wrong else f"{shown!r} tagged {node.tag}"
        raise yaml.MarkedYAMLError(problem=what, problem_mark=node.start_mark)

    def _list(self, node: yaml.Node, path: KeyPath) -> list[Any]:
        self._plain(node, "seq")
        items = []
        for position, child in enumerate(node.value):
            inner = (*path, f"[{position}]")
            self._note(inner, child, child)
            items.append(self.build(child, inner))
        return items

    def _mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[Any, Any]:
        self._plain(node, "map")
        self._refuse_twice(node, path)
        self._loader.flatten_mapping(node)
        value: dict[Any, Any] = {}
        for key_node, child in node.value:
            inner = (*path, self._key(key_node))
            self._note(inner, key_node, child)
            value[inner[-1]] = self.build(child, inner)
        return value

    def _refuse_twice(self, node: yaml.MappingNode, path: KeyPath) -> None:
        """Before merged keys (``<<``) come in: those may be given again."""
        first: dict[Hashable, int] = {}
        for key_node, _ in node.value:
            line = key_node.start_mark.line + 1
            if key_node.tag == _TAG + "merge":
                continue
            key = self._key(key_node)
            if key in first:
                inner = (*path, key)
                self._report.places[inner] = self._locate(line)
                at = self._locate(first[key]).where
                self._report.add(inner, "each key once", f"{key!r} again", f"it is in {at} too")
            first.setdefault(key, line)

    def _key(self, node: yaml.Node) -> str | int:
        """Integers stay integers; any other key is its text, so that ``on`` and ``1.5`` are names."""
        if not isinstance(node, yaml.ScalarNode):
            raise yaml.MarkedYAMLError(problem="a list or mapping as a key", problem_mark=node.start_mark)
        value = self._scalar(node)
        return value if type(value) is int else node.value

    def _plain(self, node: yaml.Node, kind: str) -> None:
        if node.tag != _TAG + kind:
            raise yaml.MarkedYAMLError(problem=f"the tag {node.tag}", problem_mark=node.start_mark)

    def _note(self, path: KeyPath, where: yaml.Node, value: yaml.Node) -> None:
        place = self._locate(where.start_mark.line + 1)
        if isinstance(value, yaml.ScalarNode) and value.style is None:
            place = Place(place.where, place.order, value.value)
        self._report.places[path] = place
