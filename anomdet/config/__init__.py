"""The settings: schema, files with the line of each error, and their translation to MMEngine."""

__all__ = [
    "describe",
    "dump",
    "load",
    "preset_facts",
    "preset_names",
    "presets",
    "problems",
    "schema",
    "schema_data",
    "shipped",
    "translate",
    "translate_data",
    "usage_errors",
]
