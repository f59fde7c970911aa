"""Settings back to YAML."""

from __future__ import annotations

from anomdet.config.schema import Settings
from anomdet.config.yaml_lines import to_yaml


def dump_yaml(settings: Settings) -> str:
    """Every key with its value, in the order of the schema; ``load_settings`` reads the same settings from it."""
    return to_yaml(settings.model_dump())
