"""Put off what MMDetection imports at once and a box detector never uses: a second and more of every start."""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Iterator, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

# imgaug (lanes) and imagecorruptions bring numba, scipy.stats and skimage; pyplot draws tracking errors.
UNUSED = ("imgaug", "imagecorruptions", "matplotlib", "scipy.interpolate", "scipy.optimize")


class _LaterObject:
    """Stands for ``name`` of a module; the first call or attribute fetches the real one."""

    def __init__(self, module: str, name: str) -> None:
        self.__dict__["_later"] = (module, name)

    def _real(self) -> Any:
        module, name = self.__dict__["_later"]
        return getattr(importlib.import_module(module), name)

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
        return getattr(importlib.import_module(self.__name__), name)


class _Finder(MetaPathFinder, Loader):
    def __init__(self, names: Sequence[str]) -> None:
        self._names = names

    def find_spec(self, fullname: str, path: Any = None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Claims the names and what lies under them."""
        if not any(fullname == name or fullname.startswith(f"{name}.") for name in self._names):
            return None
        return ModuleSpec(fullname, self, is_package=True)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """A stand-in of that name."""
        return _LaterModule(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Nothing: the real module is imported when something of it is used."""


@contextlib.contextmanager
def put_off(names: Sequence[str] = UNUSED) -> Iterator[None]:
    """Within, importing these modules gives stand-ins; afterwards each imports the real one when it is first used.

    Modules that are imported already stay as they are.
    """
    finder = _Finder([name for name in names if name not in sys.modules])
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        for name in [name for name, module in sys.modules.items() if isinstance(module, _LaterModule)]:
            del sys.modules[name]
            parent, _, child = name.rpartition(".")
            # Python binds a submodule to its parent; a real parent must not keep the stand-in.
            if isinstance(vars(sys.modules.get(parent, ModuleType(""))).get(child), _LaterModule):
                delattr(sys.modules[parent], child)
