"""A run from its file: our YAML, or a Python config in MMEngine's language."""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from anomdet.config.load import SettingsSource, load_settings
from anomdet.config.preset_names import MMDET_PREFIX
from anomdet.config.problems import did_you_mean, nearest
from anomdet.config.schema import NO_BOXES, Settings, effective_model_name
from anomdet.engine.distributed.last_words import lost_another
from anomdet.errors import Problem, UserError, machine_limit
from anomdet.workflows.runs.config_errors import blame, blame_user_file
from anomdet.workflows.runs.mmdet_config import CARRIED, TAKEN, adopt, fill_work_dir, is_mmdets
from anomdet.workflows.runs.plugins import importing_from

_YAML = (".yaml", ".yml")
# What the commands read of a Python config; whatever else it holds is MMEngine's business.
_NEEDED = (
    "model.type",
    "train_dataloader.dataset.type",
    "val_dataloader.dataset.type",
    "test_dataloader.dataset.type",
    "test_evaluator.type",
    "optim_wrapper.type",
    "default_hooks.checkpoint.out_dir",
    "work_dir",
)


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

    @contextlib.contextmanager
    def blamed(self) -> Iterator[None]:
        """Within, what MMDetection refuses is an error of the user's, where the user wrote in MMDetection's language.

        Only a Python config may name things by dotted paths; settings name what is registered.

        Raises:
            UserError: with MMDetection's words, for a Python config, ``model.overrides`` or a model ``mmdet::...``.
        """
        try:
            with self._language():
                yield
        except (UserError, OSError):
            raise
        except Exception as error:
            if machine_limit(error) or lost_another(error):
                raise
            if told := blame_user_file(error, self._user_files()):
                raise told from error
            foreign = self._foreign_words()
            if not foreign:
                raise
            raise blame(error, str(self.path), foreign) from error

    def _language(self) -> contextlib.AbstractContextManager[None]:
        if self.settings is not None:
            return contextlib.nullcontext()
        from anomdet.engine.registered_names import as_python

        return as_python()

    def _user_files(self) -> dict[str, str]:
        """The user's Python files, by key."""
        if self.settings is None:
            return {}
        model = self.settings.model
        keys = ("custom_backbone_file", "custom_model_file")
        return {f"model.{key}": str(getattr(model, key)) for key in keys if getattr(model, key)}

    def _foreign_words(self) -> dict[str, Any]:
        """What the user wrote in MMDetection's language, by key; empty if nothing."""
        if self.settings is None:
            return {"": self.config.to_dict()}
        settings = self.settings
        foreign: dict[str, Any] = {
            "model.overrides": settings.model.overrides,
            "training.hooks": settings.training.hooks,
            "data.dataset": settings.data.dataset,
            "data.transforms": settings.data.transforms,
            "metrics.extra": settings.metrics.extra,
        }
        name = effective_model_name(settings)
        if name.startswith(MMDET_PREFIX):
            foreign["model.name"] = name
        return {key: value for key, value in foreign.items() if value}


def load_run(source: SettingsSource, overrides: Sequence[str] = ()) -> Run:
    """Read settings, with ``key=value`` overrides.

    Args:
        source: a YAML file, a Python config, a dict of settings, or settings.
        overrides: ``training.epochs=3`` each.

    Raises:
        UserError: anything wrong with the file or an override, all at once.
    """
    if not isinstance(source, (str, Path)):
        return _translated(Path("settings"), load_settings(source, overrides))
    path = Path(source)
    if path.suffix == ".py" and path.is_file():
        return Run(path=path, config=_python_config(path, overrides), settings=None)
    if path.suffix.lower() not in _YAML and path.is_file():
        raise UserError(Problem("--config", "a file that ends in .yaml, .yml or .py", str(path)))
    if not path.exists():
        raise UserError(_no_such_file(path))
    return _translated(path, load_settings(path, overrides))


def _translated(path: Path, settings: Settings) -> Run:
    from anomdet.config.translate import to_mmengine

    return Run(path=path, config=to_mmengine(settings), settings=settings)


def _no_such_file(path: Path) -> Problem:
    around = [*path.parent.glob("*.y*ml"), *path.parent.glob("*.py")] if path.parent.is_dir() else []
    near = nearest(path.name, [other.name for other in around])
    hint = did_you_mean(str(path.with_name(near))) if near else f"a path starts from the folder {Path.cwd()}"
    return Problem("--config", "a YAML or Python file", f"{path}, which does not exist", hint)


def value_of(path: str | Path, key: str, overrides: Sequence[str] = ()) -> Any:
    """One section of a run's config, or None; no COCO files of a config of MMDetection's are converted for it.

    Args:
        path: a YAML file or a Python config.
        key: of the MMEngine config, at its top.
        overrides: ``key=value`` each.

    Raises:
        UserError: the file cannot be read.
    """
    path = Path(path)
    if path.suffix != ".py" or not path.is_file():
        return load_run(path, overrides).config.get(key)
    config = _read_python(path)
    config.setdefault(key, None)
    for text in overrides:
        if text.partition("=")[0].partition(".")[0] == key:
            _override(config, text)  # a problem of it is reported when the run is loaded
    return config[key]


def _read_python(path: Path) -> Any:
    from mmengine.config import Config

    try:
        with importing_from(Path.cwd()):
            return Config.fromfile(path, import_custom_modules=False)  # imported by workflows.build.complete
    except SyntaxError as error:
        raise UserError(Problem(f"{path}:{error.lineno}", "Python", error.msg)) from error
    except Exception as error:  # a config is the user's code: anything may come out of it
        got = f"{type(error).__name__}: {error}"
        raise UserError(Problem(_failing_line(path, error), "a config that MMEngine can read", got)) from error


def _python_config(path: Path, overrides: Sequence[str]) -> Any:
    config = _read_python(path)
    if is_mmdets(config):
        fill_work_dir(config, path)
        ours = [text for text in overrides if not text.startswith(TAKEN) or _override(config, text)]
        config = adopt(config, path)
        _put_all(config, ours)
        return config
    missing = [key for key in _NEEDED if not _holds(config, key)]
    if missing:
        hint = "anomdet config -c run.yaml --to py writes a complete one"
        raise UserError(Problem(str(path), "the keys of a run of AnomDet", f"no {', '.join(missing)}", hint))
    _put_all(config, overrides)
    return config


def _failing_line(path: Path, error: Exception) -> str:
    """``file:line`` of the config's own line that failed; MMEngine runs it under its own or a temporary name."""
    own = path.read_text(encoding="utf-8", errors="replace").splitlines()
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        in_config = frame.name == "<module>" and frame.lineno and frame.lineno <= len(own)
        if in_config and (Path(frame.filename).name == path.name or frame.filename.startswith("<")):
            return f"{path}:{frame.lineno}"
    return str(path)


def _holds(config: Any, dotted: str) -> bool:
    from mmengine.config import Config

    node = config
    for name in dotted.split("."):
        node = node[0] if isinstance(node, (list, tuple)) and node else node
        if not isinstance(node, (Config, dict)) or node.get(name) is None:
            return False
        node = node.get(name)
    return True


def _put_all(config: Any, overrides: Sequence[str]) -> None:
    """Each override, in place.

    Raises:
        UserError: all that cannot be set.
    """
    for key in (text.partition("=")[0] for text in overrides):
        if key in CARRIED:  # written only where it is used
            config.setdefault(key, None)
    if problems := [problem for text in overrides if (problem := _override(config, text))]:
        raise UserError(problems)


def _override(config: Any, text: str) -> Problem | None:
    """Set ``a.b=value`` or ``a.0.b=value`` in a Python config.

    The key must be there already, so that no misspelling passes; but where a class is named (``type``) it may be a
    new argument, which the class itself will refuse if it is not one of its own.
    """
    key, equals, value = text.partition("=")
    where = f"command line: {key}"
    if not equals or not key or key.startswith("-"):
        return Problem("command line", "key=value, as train_cfg.max_epochs=3", repr(text))
    node: Any = config
    at: Any = None
    parts = key.split(".")
    for depth, name in enumerate(parts, start=1):
        names = list(range(len(node))) if isinstance(node, (list, tuple)) else list(getattr(node, "keys", list)())
        at = int(name) if isinstance(node, (list, tuple)) and name.isdecimal() else name
        if at not in names and not (depth == len(parts) and "type" in names):
            near = nearest(name, [str(known) for known in names])
            expected = f"one of {', '.join(map(str, names))}" if names else "a key of the config"
            return Problem(where, expected, repr(name), did_you_mean(near) if near else "see anomdet config --to py")
        if depth < len(parts):
            node = node[at]
    try:
        node[at] = yaml.safe_load(value)
    except yaml.YAMLError:
        return Problem(where, "a YAML value", repr(value))
    except TypeError:
        return Problem(where, "a key that can be changed", f"{at!r} in a tuple", "give the whole tuple as a list")
    return None


def has_no_network(config: Any) -> bool:
    """Whether a run learns the normal-only score alone."""
    return bool(config.model.type == NO_BOXES)
