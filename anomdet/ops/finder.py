"""Offers ``mmcv._ext`` to Python's import system when nobody else does."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_loader
from types import ModuleType

EXTENSION_NAME = "mmcv._ext"


class ExtensionLoader(Loader):
    """Fills the module; imports torch only now, so that :func:`install` costs nothing."""

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """Python's own new module will do: it gets its ``__spec__``, which MMEngine's environment report reads."""
        return None

    def exec_module(self, module: ModuleType) -> None:
        """Give the module every operator of mmcv's extension."""
        from anomdet.ops.extension import fill_module

        fill_module(module)


class ExtensionFinder(MetaPathFinder):
    """Claims ``mmcv._ext`` and no other name."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec of the stand-in, or None for any other module."""
        if fullname != EXTENSION_NAME:
            return None
        return spec_from_loader(fullname, ExtensionLoader(), origin="anomdet.ops")


def install() -> None:
    """Make ``import mmcv._ext`` work without a compiled extension; calling it again changes nothing.

    The finder goes to the end of ``sys.meta_path``: a compiled extension is found first and wins.
    """
    if not any(isinstance(finder, ExtensionFinder) for finder in sys.meta_path):
        sys.meta_path.append(ExtensionFinder())
