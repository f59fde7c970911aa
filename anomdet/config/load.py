"""A YAML file and overrides to :class:`Settings`; everything that is wrong with them is reported at once."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import pydantic

from anomdet.config.check import check
from anomdet.config.key_types import spell_out
from anomdet.config.overrides import apply_overrides
from anomdet.config.problems import KeyPath, Place, Report, did_you_mean, nearest, show_value
from anomdet.config.rules import Facts, check_rules
from anomdet.config.schema import Settings
from anomdet.config.yaml_lines import read_yaml
from anomdet.strict_files import decode_text, read_regular

_MAX_BYTES = 2**18
TRANSFORMS: KeyPath = ("data", "augmentations")
SettingsSource: TypeAlias = str | Path | Mapping[str, Any] | Settings


def load_settings(source: SettingsSource | None = None, overrides: Sequence[str] = ()) -> Settings:
    """The settings of a run.

    Args:
        source: a YAML file, a dict of the same keys, or settings; an empty one, or None, means all defaults.
        overrides: ``training.epochs=3`` each, the value in YAML; they win over the file, later ones over earlier.

    Raises:
        UserError: with every problem of the file and the overrides, by line:
            ``run.yaml:3: training.epochs: expected an integer >= 1, got 'ten'``.

    >>> load_settings({"training": {"epochs": 3}}, ["training.batch_size=2"]).training.batch_size
    2
    """
    is_file = isinstance(source, (str, Path))
    report = Report(Place(str(source) if is_file else "settings"))
    values = _read(Path(source), report) if isinstance(source, (str, Path)) else _plain(source)
    apply_overrides(values, overrides, report)
    fitting, bad = check(values, report)
    facts = Facts(fitting, bad, report)
    check_rules(facts)
    _check_transforms(facts)
    report.raise_any()
    return _build(fitting, report)


def _plain(source: Mapping[str, Any] | Settings | None) -> dict[Any, Any]:
    """A copy of what was given in Python, as a file would say it."""
    if isinstance(source, Settings):
        return source.model_dump(mode="json")
    return copy.deepcopy(dict(source or {}))


def _read(path: Path, report: Report) -> dict[Any, Any]:
    """The file's plain values; where there is no mapping to read, nothing, and a problem."""
    text = _text(path, report)
    value = None if text is None else read_yaml(text, lambda line: Place(f"{path}:{line}", (0, line)), report)
    if value is None or isinstance(value, dict):
        return value or {}
    report.add_at(Place(f"{path}:1"), "a mapping of keys, as training: {epochs: 3}", show_value(value))
    return {}


def _text(path: Path, report: Report) -> str | None:
    expected = "a YAML file of settings"
    if path.suffix == ".py":
        report.add_at(report.top, expected, "a Python file")
        return None
    try:
        return decode_text(read_regular(path, _MAX_BYTES))
    except FileNotFoundError:
        near = nearest(path.name, (other.name for other in path.parent.glob("*.y*ml")))
        report.add_at(report.top, expected, "no such file", did_you_mean(str(path.with_name(near))) if near else "")
    except IsADirectoryError:
        inside = sorted(path.glob("*.y*ml"))
        report.add_at(report.top, expected, "a folder", did_you_mean(str(inside[0])) if inside else "")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        got = f"the byte 0x{error.object[error.start]:02x}"
        report.add_at(Place(f"{path}:{line}"), "text in UTF-8", got, "save the file as UTF-8")
    except OSError as error:
        report.add_at(report.top, expected, f"a file that cannot be read: {error.strerror}")
    return None


def _check_transforms(facts: Facts) -> None:
    """A list of Albumentations transforms, each against its signature; only then is Albumentations imported."""
    transforms = facts.value(TRANSFORMS)
    if not isinstance(transforms, list) or not transforms or not facts.sound(TRANSFORMS):
        return
    from anomdet.config.augmentations import find_faults

    for fault in find_faults(spell_out(transforms)):
        facts.report.add((*TRANSFORMS, *fault.path), fault.expected, fault.got, fault.hint)


def _build(fitting: dict[str, Any], report: Report) -> Settings:
    """Pydantic has the last word; what only it refuses is reported in its words."""
    try:
        return Settings.model_validate(fitting)
    except pydantic.ValidationError as error:
        for found in error.errors():
            report.add(found["loc"][:2], found["msg"].removeprefix("Value error, "), show_value(found["input"]))
        report.raise_any()
        raise
