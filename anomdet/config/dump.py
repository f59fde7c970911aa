"""Settings back to YAML."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Any

from anomdet.addresses import without_secrets
from anomdet.config.describe import flat_keys
from anomdet.config.reference import section_meanings
from anomdet.config.schema import Settings
from anomdet.config.yaml_lines import to_yaml


def dump_yaml(settings: Settings) -> str:
    """Every key with its value, in the order of the schema; ``load_settings`` reads the same settings from it.

    But for addresses, which lose what may be a secret.
    """
    return without_secrets(to_yaml(settings.model_dump()))


def annotated_yaml(
    settings: Settings,
    title: str,
    *,
    reasons: Mapping[str, str] | None = None,
    schema: str = "settings.schema.json",
) -> str:
    """As :func:`dump_yaml`, with the meaning of each key above it: the form of the files in configs/.

    Args:
        settings: what to write.
        title: a few lines that say what the file is for.
        reasons: dotted key to why its value was chosen, for a line of its own under the meaning.
        schema: where editors find the JSON schema, from the file.
    """
    meanings = section_meanings() | {key: schema.get("description", "") for key, schema in flat_keys().items()}
    for key, reason in (reasons or {}).items():
        meanings[key] = f"{meanings.get(key, '')}\nChosen: {reason}".lstrip("\n")
    head = [f"# yaml-language-server: $schema={schema}", *_comment(title, 0)]
    return "\n".join([*head, *_section(settings.model_dump(), meanings, "", 0)]) + "\n"


def short_yaml(
    settings: Settings,
    title: str,
    *,
    reasons: Mapping[str, str],
    schema: str = "settings.schema.json",
) -> str:
    """As :func:`annotated_yaml`, with no more than what was chosen and what differs from the defaults.

    ``load_settings`` reads the same settings from it.
    """
    kept = _chosen(settings.model_dump(), Settings().model_dump(), reasons, set(flat_keys()), "")
    head = [f"# yaml-language-server: $schema={schema}", *_comment(title, 0)]
    return "\n".join([*head, *_section(kept, dict.fromkeys(flat_keys(), "") | dict(reasons), "", 0)]) + "\n"


def _chosen(
    values: dict[str, Any], defaults: Mapping[str, Any], reasons: Mapping[str, str], known: set[str], prefix: str
) -> dict[str, Any]:
    """The values of a section that have a reason, or that are not the defaults."""
    kept = {}
    for name, value in values.items():
        key, default = f"{prefix}{name}", defaults.get(name)
        is_section = isinstance(value, dict) and any(one.startswith(f"{key}.") for one in known)
        if is_section and isinstance(default, dict):
            inner = _chosen(value, default, reasons, known, f"{key}.")
            kept.update({name: inner} if inner else {})
        elif value != default or key in reasons:
            kept[name] = value
    return kept


def _section(values: dict[str, Any], meanings: dict[str, str], prefix: str, indent: int) -> list[str]:
    lines: list[str] = []
    for name, value in values.items():
        key = f"{prefix}{name}"
        nested = isinstance(value, dict) and any(known.startswith(f"{key}.") for known in meanings)
        if indent == 0:
            lines.append("")
        if meanings.get(key):
            lines += _comment(meanings[key], indent)
        if nested:
            lines += [f"{' ' * indent}{name}:", *_section(value, meanings, f"{key}.", indent + 2)]
        else:
            lines += textwrap.indent(to_yaml({name: value}).rstrip("\n"), " " * indent).splitlines()
    return lines


def _comment(text: str, indent: int) -> list[str]:
    return [f"{' ' * indent}# {line}" for part in text.splitlines() for line in textwrap.wrap(part, 110 - indent)]
