"""``anomdet config``: the resolved settings of a run, in the language that is asked for."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from anomdet.addresses import without_secrets
from anomdet.errors import Problem, UserError

FORMATS = ("yaml", "py", "schema")


def show(path: str | Path | None, overrides: Sequence[str] = (), to: str = "yaml") -> str:
    """The text that ``anomdet config`` prints.

    Args:
        path: the YAML file; None means the defaults.
        overrides: ``training.epochs=3`` each.
        to: ``yaml`` for all keys with their values, ``py`` for the MMEngine config, ``schema`` for the JSON schema
            of the settings (which needs no file).

    Raises:
        UserError: with every problem of the settings, or for another format.
    """
    if to not in FORMATS:
        raise UserError(Problem("--to", f"one of {', '.join(FORMATS)}", repr(to)))
    if to == "schema":
        from anomdet.config.describe import json_schema

        return json.dumps(json_schema(), indent=2) + "\n"
    from anomdet.config.load import load_settings

    settings = load_settings(path, overrides)
    if to == "yaml":
        from anomdet.config.dump import dump_yaml

        return dump_yaml(settings)
    from anomdet.config.translate import to_mmengine

    return without_secrets(str(to_mmengine(settings).pretty_text))
