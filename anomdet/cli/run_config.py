"""A run from its file: our YAML, or a Python config in MMEngine's language."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from anomdet.config.load import load_settings
from anomdet.config.schema import Settings
from anomdet.errors import Problem, UserError


@dataclass(frozen=True)
class Run:
    """What a command works on.

    Args:
        path: the file that the user gave.
        config: the MMEngine config (``mmengine.Config``), classes not yet filled in.
        settings: the settings behind it; None for a Python config.
    """

    path: Path
    config: Any
    settings: Settings | None


def load_run(path: str | Path, overrides: Sequence[str] = ()) -> Run:
    """Read a YAML or Python config, with ``key=value`` overrides.

    Raises:
        UserError: anything wrong with the file or an override, all at once.
    """
    path = Path(path)
    if path.suffix == ".py":
        return Run(path=path, config=_python_config(path, overrides), settings=None)
    if path.suffix not in (".yaml", ".yml"):
        raise UserError(Problem("--config", "a file that ends in .yaml, .yml or .py", str(path)))
    settings = load_settings(path, overrides)
    from anomdet.config.translate import to_mmengine

    return Run(path=path, config=to_mmengine(settings), settings=settings)


def _python_config(path: Path, overrides: Sequence[str]) -> Any:
    from mmengine.config import Config

    if not path.is_file():
        raise UserError(Problem("--config", "a Python config", f"{path}, which does not exist"))
    try:
        config = Config.fromfile(path)
    except SyntaxError as error:
        raise UserError(Problem(f"{path}:{error.lineno}", "Python", f"{error.msg}")) from error
    except Exception as error:  # a config is the user's code: anything may come out of it
        raise UserError(
            Problem(str(path), "a config that MMEngine can read", f"{type(error).__name__}: {error}")
        ) from error
    missing = [key for key in ("model", "train_dataloader", "test_dataloader", "work_dir") if key not in config]
    if missing:
        raise UserError(
            Problem(str(path), "the keys of a training", f"no {', '.join(missing)}", "see configs/default.py")
        )
    problems = [problem for text in overrides if (problem := _override(config, text))]
    if problems:
        raise UserError(problems)
    return config


def _override(config: Any, text: str) -> Problem | None:
    """Set ``a.b=value`` in a Python config; the key must be there already, so that no misspelling passes."""
    key, equals, value = text.partition("=")
    where = f"command line: {key}"
    if not equals or not key:
        return Problem("command line", "key=value", repr(text))
    node = config
    *parents, last = key.split(".")
    for name in parents:
        node = node.get(name) if isinstance(node, dict) or node is config else None
        if node is None:
            return Problem(where, "a key of the config", f"no {name!r}", "see anomdet config --to py")
    if last not in node:
        return Problem(where, f"one of {', '.join(node.keys())}", repr(last))
    try:
        node[last] = yaml.safe_load(value)
    except yaml.YAMLError:
        return Problem(where, "a YAML value", repr(value))
    return None
