"""What a config made of text may build: what a registry holds, never whatever a dotted path imports.

MMEngine's registries import ``subprocess.Popen`` for ``{type: subprocess.Popen}``, import ``x.registry`` for a type
``x.Name``, and read annotation files that are pickles or YAML with tags: each runs code that the text names. Settings
may come from a stranger; a Python config may not, and there all of this is allowed.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from contextvars import ContextVar
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import mmengine.registry.registry as mmengine_registry
import yaml
from mmengine.config import Config
from mmengine.config.utils import MODULE2PACKAGE
from mmengine.fileio.handlers import PickleHandler, YamlHandler, file_handlers
from mmengine.utils import get_object_from_string

from anomdet.errors import Problem, UserError

_OPEN_PACKAGES = {"mmengine", "mmcv", "anomdet", *MODULE2PACKAGE}  # whose registry module a scope may import
_EVALUATES_TEXT = "CameraMotionCompensation"  # of MMDetection's trackers: runs eval() on its argument
_from_python: ContextVar[bool] = ContextVar("from_python", default=False)


@contextlib.contextmanager
def as_python() -> Iterator[None]:
    """Within, names may be dotted paths: for a config that is Python code itself."""
    token = _from_python.set(True)
    try:
        yield
    finally:
        _from_python.reset(token)


def only_registered_names() -> None:
    """From now on, MMEngine builds only registered names in this process, outside of :func:`as_python`.

    Call it once MMDetection is imported; again changes nothing.
    """
    if mmengine_registry.get_object_from_string is _object:
        return
    mmengine_registry.get_object_from_string = _object
    mmengine_registry.import_module = _module
    for kind in ("pickle", "pkl"):
        file_handlers[kind] = _NoPickle()
    for kind in ("yaml", "yml"):
        file_handlers[kind] = _PlainYaml()
    from mmdet.models.detectors import kd_one_stage
    from mmdet.registry import TASK_UTILS

    TASK_UTILS.module_dict.pop(_EVALUATES_TEXT, None)
    kd_one_stage.Config = _InstalledConfig


class _InstalledConfig:
    """For MMEngine's ``Config`` where a model reads one by a path of its own config, as a teacher's."""

    @staticmethod
    def fromfile(filename: Any, *args: Any, **kwargs: Any) -> Config:
        """A config that was installed with MMDetection, or any where a Python config asks."""
        import mmdet

        installed = Path(mmdet.__file__).resolve().parent
        if not _from_python.get() and not Path(filename).resolve().is_relative_to(installed):
            hint = "it was not read: it may be Python code; write the teacher's config as a mapping"
            raise UserError(Problem("teacher_config", "a config of MMDetection's own", str(filename), hint))
        return Config.fromfile(filename, *args, **kwargs)


def _object(name: str) -> Any:
    """MMEngine's last resort for a name that no registry holds."""
    return get_object_from_string(name) if _from_python.get() else None


def _module(name: str, package: str | None = None) -> ModuleType:
    """MMEngine's imports: the locations of registries, which are code, and ``<scope>.registry``, which is text."""
    top, _, rest = name.partition(".")
    if rest == "registry" and name not in sys.modules and top not in _OPEN_PACKAGES and not _from_python.get():
        raise ModuleNotFoundError(f"{name} is not imported for a name in a text")
    return import_module(name, package)


class _NoPickle(PickleHandler):
    """Reads no pickle for settings."""

    def load_from_fileobj(self, file: Any, **kwargs: Any) -> Any:
        if not _from_python.get():
            where = str(getattr(file, "name", "a file of the settings"))
            hint = "it was not loaded: such a file can run any code"
            raise UserError(Problem(where, "a JSON file", "a pickle", hint))
        return super().load_from_fileobj(file, **kwargs)


class _PlainYaml(YamlHandler):
    """Reads YAML without tags that build Python objects."""

    def load_from_fileobj(self, file: Any, **kwargs: Any) -> Any:
        return super().load_from_fileobj(file, **{"Loader": yaml.SafeLoader, **kwargs})
