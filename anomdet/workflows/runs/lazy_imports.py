"""Put off what MMDetection imports at once and a box detector never uses: a second and more of every start."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import sys
from collections.abc import Iterator, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

# imgaug (lanes) and imagecorruptions bring numba, scipy.stats and skimage; pyplot and sklearn serve tracking.
UNUSED = ("imgaug", "imagecorruptions", "matplotlib", "scipy.interpolate", "scipy.optimize", "sklearn")


class _LaterObject:
    """Stands for ``name`` of a module; the first call or attribute fetches the real one."""

    def __init__(self, module: str, name: str) -> None:
        self.__dict__["_later"] = (module, name)

    def _real(self) -> Any:
        module, name = self.__dict__["_later"]
        return getattr(_real_module(module), name)

    def __mro_entries__(self, _bases: tuple[Any, ...]) -> tuple[Any, ...]:
        """A class that derives from it cannot wait."""
        return (self._real(),)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._real()(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real(), name)


class _LaterModule(ModuleType):
    """Stands for a module: gives stand-ins while it is imported, the real attributes afterwards."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if sys.modules.get(self.__name__) is self:
            return _LaterObject(self.__name__, name)
        return getattr(_real_module(self.__name__), name)


class _Finder(MetaPathFinder, Loader):
    def __init__(self, names: Sequence[str]) -> None:
        self._names = names

    def release(self, module: str) -> list[str]:
        """Claim no longer the names that a module lies under; returns them."""
        released = [name for name in self._names if _under(module, [name])]
        self._names = [name for name in self._names if name not in released]
        return released

    def find_spec(self, fullname: str, path: Any = None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Claims the names and what lies under them."""
        if not _under(fullname, self._names):
            return None
        return ModuleSpec(fullname, self, is_package=True)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """A stand-in of that name."""
        return _LaterModule(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Nothing: the real module is imported when something of it is used."""


def _real_module(name: str) -> ModuleType:
    """The module itself; if it is still put off, it is put off no longer."""
    if isinstance(sys.modules.get(name), _LaterModule):
        for finder in [finder for finder in sys.meta_path if isinstance(finder, _Finder)]:
            _forget(finder.release(name))
    return importlib.import_module(name)


def _forget(names: Sequence[str]) -> None:
    """Take the stand-ins of these modules, and of what lies under them, out of the interpreter."""
    for name in [name for name, module in sys.modules.items() if isinstance(module, _LaterModule)]:
        if not _under(name, names):
            continue
        del sys.modules[name]
        parent, _, child = name.rpartition(".")
        # Python binds a submodule to its parent; a real parent must not keep the stand-in.
        if isinstance(vars(sys.modules.get(parent, ModuleType(""))).get(child), _LaterModule):
            delattr(sys.modules[parent], child)


def _under(name: str, names: Sequence[str]) -> bool:
    return any(name == other or name.startswith(f"{other}.") for other in names)


@contextlib.contextmanager
def put_off(names: Sequence[str] = UNUSED) -> Iterator[None]:
    """Within, importing these modules gives stand-ins; afterwards each imports the real one when it is first used.

    Modules that are imported already stay as they are, and those that are not installed are missed as ever. One whose
    class another module derives from at once is imported at once.
    """
    finder = _Finder([name for name in names if name not in sys.modules and _is_installed(name)])
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        _forget(names)


def _is_installed(name: str) -> bool:
    return importlib.util.find_spec(name.split(".")[0]) is not None
