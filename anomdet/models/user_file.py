"""Imports a user's Python file; every error names the file, the line, what was expected and what was found."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from anomdet.errors import Problem, UserError


def load_name(file: str | Path, name: str, what: str) -> Any:
    """The object ``name`` of the Python file ``file``, which is run once for each change of its text.

    Args:
        what: its signature, for the messages: ``function get_custom_backbone(config)``.

    Raises:
        UserError: no such file, it does not import, or it lacks the name.
    """
    path = Path(file).expanduser().resolve()
    if not path.is_file():
        raise UserError(Problem(str(file), f"a Python file that defines {what}", "no such file"))
    module = _import(path)
    if not callable(getattr(module, name, None)):
        defined = sorted(key for key, value in vars(module).items() if callable(value) and not key.startswith("_"))
        raise UserError(Problem(str(file), what, f"a file that defines {', '.join(defined) or 'nothing'}"))
    return getattr(module, name)


def problem_from(error: BaseException, path: Path, expected: str) -> Problem:
    """What an exception raised by the user's code says, at the last line of ``path`` that it passed through."""
    line = None
    if isinstance(error, SyntaxError):
        line = error.lineno if error.filename == str(path) else None
    else:
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename) == path]
        line = frames[-1].lineno if frames else None
    where = f"{path}:{line}" if line else str(path)
    message = error.msg if isinstance(error, SyntaxError) else str(error)
    return Problem(where, expected, f"{type(error).__name__}: {message}")


@contextlib.contextmanager
def keeping_no_bytecode() -> Iterator[None]:
    """Within, modules are imported without a ``__pycache__`` beside them: the user's folders stay as they are."""
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        yield
    finally:
        sys.dont_write_bytecode = before


def _import(path: Path) -> Any:
    digest = hashlib.sha256(str(path).encode() + path.read_bytes()).hexdigest()[:12]
    module_name = f"anomdet_user_{path.stem}_{digest}"
    if module_name in sys.modules:
        return sys.modules[module_name]
    spec = importlib.util.spec_from_file_location(module_name, path)
    if spec is None or spec.loader is None:
        raise UserError(Problem(str(path), "a file whose name ends in .py", path.name))
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module  # dataclasses and pickle look it up there
    sys.path.insert(0, str(path.parent))  # its neighbours may be imported by it
    _forget_namesakes(path.parent)
    before = set(sys.modules)
    try:
        with keeping_no_bytecode():
            spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[module_name]
        raise UserError(problem_from(error, path, "a file that imports without an error")) from error
    finally:
        sys.path.remove(str(path.parent))
        brought = (name for name in set(sys.modules) - before if "." not in name and _is_in(name, path.parent))
        _folder_of.update(dict.fromkeys(brought, path.parent))
    return module


_folder_of: dict[str, Path] = {}  # of modules that a user's file has imported from its own folder


def _is_in(name: str, folder: Path) -> bool:
    file = getattr(sys.modules[name], "__file__", None)
    return isinstance(file, str) and Path(file).is_relative_to(folder)


def _forget_namesakes(folder: Path) -> None:
    """Modules of another user's file that are called as one in this folder: Python would take those for these."""
    others = {name for name, own in _folder_of.items() if own != folder}
    others = {name for name in others if (folder / f"{name}.py").is_file() or (folder / name).is_dir()}
    for name in [name for name in sys.modules if name.partition(".")[0] in others]:
        del sys.modules[name]
