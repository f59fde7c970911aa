"""Settings that a resumed run has otherwise than it had before: they hold from there on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from anomdet.layout import SETTINGS
from anomdet.strict_files import MAX_YAML_BYTES, decode_text, parse_yaml, read_regular

# These change nothing of what is learned, or say how long.
_FREE = ("logging.", "report.", "training.early_stopping.", "data.num_workers", "data.cache_gb", "data.tiles.cache_gb")
_LENGTH = ("training.epochs", "training.minutes", "training.epoch_images")
_SHOWN = 8


def changed_settings(log_dir: Path, now: str) -> list[str]:
    """A sentence where the settings that lie beside the run are others; none where they cannot be read.

    Args:
        log_dir: of the run; its settings.yaml is that of the start before.
        now: the settings of this start, as YAML.
    """
    try:
        before = parse_yaml(decode_text(read_regular(log_dir / SETTINGS, MAX_YAML_BYTES)))
    except (OSError, ValueError, RecursionError, yaml.YAMLError):
        return []
    if not isinstance(before, Mapping):
        return []
    old, new = (dict(_flat(one)) for one in (before, parse_yaml(now)))
    by_length = new.get("training.scheduler.name") == "cosine_annealing"
    free = _FREE if by_length else (*_FREE, *_LENGTH)
    changed = [key for key in new if key in old and new[key] != old[key] and not key.startswith(free)]
    if not changed:
        return []
    shown = ", ".join(f"{key}={new[key]} (it was {old[key]})" for key in changed[:_SHOWN])
    more = f" and {len(changed) - _SHOWN} more" if len(changed) > _SHOWN else ""
    return [f"resumed with other settings than before: {shown}{more}; they hold from here on"]


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
