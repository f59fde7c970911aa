"""Compares plain settings with the schema and reports each value that does not fit, in words.

Works on the schema's JSON form rather than on pydantic's errors: one message for a union, strict types, and the words
of the user's file. Pydantic has the last word in ``load.py``.
"""

from __future__ import annotations

import math
import re
from typing import Any

from anomdet.config.describe import JsonSchema, branches, expected_text, flat_keys, is_section, json_schema, resolve
from anomdet.config.problems import KeyPath, Report, did_you_mean, dotted, nearest
from anomdet.config.yaml_lines import scalar_value

BAD = object()
"""Stands for a value that did not fit."""

# Words of other tools for our keys.
_OTHER_WORDS = {
    "lr": "training.learning_rate",
    "bs": "training.batch_size",
    "amp": "training.use_amp",
    "fp16": "training.use_amp",
    "max_epochs": "training.epochs",
    "workers": "data.num_workers",
    "data_root": "data.data_dir",
    "work_dir": "logging.log_dir",
    "split_seed": "data.split.seed",
    "hflip": "data.augmentations.horizontal_flip",
    "vflip": "data.augmentations.vertical_flip",
}


def check(settings: dict[Any, Any], report: Report) -> tuple[dict[str, Any], set[KeyPath]]:
    """What fits the schema, and the paths of what does not.

    Args:
        settings: plain values as read from YAML.
        report: takes the problems.
    """
    checker = _Checker(report)
    fitting = checker.mapping(settings, json_schema(), ())
    return (fitting if isinstance(fitting, dict) else {}), checker.bad


class _Checker:
    """Each method gives the value as pydantic shall have it, or BAD."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self.bad: set[KeyPath] = set()

    def value(self, value: Any, schema: JsonSchema, path: KeyPath) -> Any:
        schema = resolve(schema)
        if value is None and is_section(schema):
            return {}  # a section whose keys are all commented out
        branch = next((branch for branch in branches(schema) if _is_kind(value, branch)), None)
        if branch is None:
            return self._refuse(value, schema, path)
        if isinstance(value, dict):
            return self.mapping(value, branch, path)
        if isinstance(value, list):
            return self._list(value, branch, path)
        return self._scalar(value, branch, schema, path)

    def mapping(self, value: dict[Any, Any], schema: JsonSchema, path: KeyPath) -> Any:
        properties = schema.get("properties", {})
        others = schema.get("additionalProperties", True)
        pattern = schema.get("propertyNames", {}).get("pattern", "")
        if len(value) < schema.get("minProperties", 0):
            return self._refuse(value, schema, path)
        fitting: dict[Any, Any] = {}
        for key, child in value.items():
            inner = (*path, key)
            if key in properties:
                fitting[key] = self.value(child, properties[key], inner)
            elif others is False:
                self._unknown(inner, properties)
            elif not re.search(pattern, str(key)):
                self._refuse_key(inner, schema)
            else:
                fitting[key] = child if others is True else self.value(child, others, inner)
        missing = [key for key in schema.get("required", []) if key not in value]
        for key in missing:
            self._report.add((*path, key), expected_text(properties[key]), "nothing")
        if missing:
            self.bad.add(path)
            return BAD
        return {key: child for key, child in fitting.items() if child is not BAD}

    def _list(self, value: list[Any], schema: JsonSchema, path: KeyPath) -> Any:
        if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", math.inf):
            return self._refuse(value, schema, path)
        item = schema.get("prefixItems", [schema.get("items", {})])[0]  # our pairs hold two alike
        fitting = [self.value(child, item, (*path, f"[{position}]")) for position, child in enumerate(value)]
        return BAD if any(child is BAD for child in fitting) else fitting

    def _scalar(self, value: Any, branch: JsonSchema, schema: JsonSchema, path: KeyPath) -> Any:
        wanted = value
        if branch.get("type") == "string" and not isinstance(value, str):
            # Text keys take bare numbers and words as they were written: a class may be called 10, or no.
            text = self._report.place(path).text
            if text is None or (isinstance(value, bool) and text.lower() in ("true", "false")):
                return self._refuse(value, schema, path)
            wanted = text
        return wanted if _fits(wanted, branch) else self._refuse(value, schema, path)

    def _refuse(self, value: Any, schema: JsonSchema, path: KeyPath) -> Any:
        self.bad.add(path)
        self._report.add(path, expected_text(schema), self._report.show(path, value), _hint(value, schema))
        return BAD

    def _refuse_key(self, path: KeyPath, schema: JsonSchema) -> None:
        self.bad.add(path)
        key = str(path[-1])
        hint = "put a space after the colon" if ":" in key else ""
        self._report.add(path, expected_text(schema["propertyNames"]), repr(key), hint)

    def _unknown(self, path: KeyPath, allowed: dict[str, Any]) -> None:
        self.bad.add(path)
        section = dotted(path[:-1])
        expected = f"a key of {section}" if section else f"one of {', '.join(allowed)}"
        hint = _suggest(str(path[-1]), section, list(allowed))
        self._report.add(path, expected, repr(path[-1]), hint)


def _is_kind(value: Any, schema: JsonSchema) -> bool:
    """Whether a value is the kind of thing a schema without alternatives speaks of."""
    kinds: dict[str, type] = {"object": dict, "array": list, "null": type(None)}
    kind = schema.get("type")
    if kind is None:
        return True
    return isinstance(value, kinds[kind]) if kind in kinds else not isinstance(value, tuple(kinds.values()))


def _fits(value: Any, schema: JsonSchema) -> bool:
    kind = schema.get("type")
    if kind in ("integer", "number"):
        return type(value) in ((int,) if kind == "integer" else (int, float)) and _in_bounds(value, schema)
    if kind == "boolean":
        return type(value) is bool
    if kind is None and "enum" in schema:  # of several kinds, as `auto` and true
        return any(type(value) is type(one) and value == one for one in schema["enum"])
    if kind == "string" and isinstance(value, str):
        long_enough = len(value) >= schema.get("minLength", 0)
        return (
            long_enough and value in schema.get("enum", [value]) and bool(re.search(schema.get("pattern", ""), value))
        )
    return kind != "string"


def _in_bounds(value: float, schema: JsonSchema) -> bool:
    return (
        math.isfinite(value)
        and schema.get("minimum", -math.inf) <= value <= schema.get("maximum", math.inf)
        and schema.get("exclusiveMinimum", -math.inf) < value < schema.get("exclusiveMaximum", math.inf)
    )


def _hint(value: Any, schema: JsonSchema) -> str:
    if value is None and "default" in schema:
        return "leave the key out for its default"
    if isinstance(value, bool) and schema.get("type") == "string":
        return "put it in quotes if it is a name"
    if not isinstance(value, str):
        return ""
    names = [name for branch in branches(schema) for name in branch.get("enum") or branch.get("examples", [])]
    near = nearest(value, [name for name in names if isinstance(name, str)])
    if near:
        return did_you_mean(near)
    if re.match(r"\w+:\S", value) and any("properties" in branch for branch in branches(schema)):
        return "put a space after the colon"
    bare = scalar_value(value)
    if not isinstance(bare, str) and any(_is_kind(bare, branch) and _fits(bare, branch) for branch in branches(schema)):
        return "write it without quotes"
    return ""


def _suggest(key: str, section: str, allowed: list[str]) -> str:
    """The key of that name in another section, else the nearest here, else the nearest anywhere, else all of here."""
    everywhere = [known for known in flat_keys() if not known.startswith("data.augmentations.")]
    if "." in key and key in flat_keys():
        return f"write {key.rpartition('.')[2]} under {key.rpartition('.')[0]}"
    same_name = [known for known in flat_keys() if known.rsplit(".", 1)[-1] == key]
    near = nearest(key, allowed)
    if same_name:
        return did_you_mean(*same_name)
    if key in _OTHER_WORDS:
        return did_you_mean(_OTHER_WORDS[key])
    if near:
        return did_you_mean(repr(near))
    by_name = {known.rsplit(".", 1)[-1]: known for known in reversed(everywhere)}
    far = nearest(key, by_name, cutoff=0.75)
    if far:
        return did_you_mean(by_name[far])
    return f"the keys are {', '.join(allowed)}" if section else ""
