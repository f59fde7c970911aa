"""The modules that ``plugins`` names: installed ones, or files in the folder of the command, and nothing else of it."""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Iterable, Iterator, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType

from anomdet.errors import Problem, UserError


class _InFolder(MetaPathFinder):
    """Finds modules in one folder, when no other finder does."""

    def __init__(self, folder: Path) -> None:
        self._folder = str(folder)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Top-level modules only: a package finds its own parts."""
        return None if "." in fullname else PathFinder.find_spec(fullname, [self._folder], target)


@contextlib.contextmanager
def importing_from(folder: Path) -> Iterator[None]:
    """Within, modules are looked for in a folder too, after all other places: it hides no installed package."""
    finder = _InFolder(folder)
    sys.meta_path.append(finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


def import_plugins(names: Iterable[str]) -> None:
    """Import the modules that the settings name; what they register can be built from then on.

    Only while they are imported are modules looked for in the folder of the command.

    Raises:
        UserError: one that is not there, or that fails.
    """
    if not (names := list(names)):
        return
    from anomdet.models.user_file import keeping_no_bytecode

    problems = []
    with importing_from(Path.cwd()), keeping_no_bytecode():
        for name in names:
            try:
                importlib.import_module(name)
            except Exception as error:  # noqa: BLE001 - the user's code: anything may come out of it
                problems.append(_problem(name, error))
    if problems:
        raise UserError(problems)


def in_folder_only(names: Iterable[str]) -> list[str]:
    """Those of the modules that no other process would find by their names."""
    return [name for name in names if PathFinder.find_spec(name.split(".")[0]) is None]


def _problem(name: str, error: Exception) -> Problem:
    lost = isinstance(error, ModuleNotFoundError) and name.startswith(str(error.name))
    got = "no such module" if lost else f"{type(error).__name__}: {error}"
    hint = f"it is looked for among the installed packages and in the folder of the command, {Path.cwd()}"
    return Problem(f"plugins: {name}", "a Python module that can be imported", got, hint if lost else "")
