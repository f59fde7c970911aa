"""Names in settings build what is registered, and run nothing else."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import mmengine
import pytest
from mmdet.registry import HOOKS, MODELS, TASK_UTILS
from mmengine.registry import DefaultScope

from anomdet.engine.registered_names import as_python
from anomdet.errors import UserError
from anomdet.workflows.runs.libraries import load_libraries


@pytest.fixture(autouse=True)
def _guarded() -> Any:
    load_libraries()
    with DefaultScope.overwrite_default_scope("mmdet"):
        yield


@pytest.mark.parametrize("registry", [HOOKS, MODELS], ids=["hooks", "models"])
@pytest.mark.parametrize("name", ["subprocess.Popen", "os.system", "builtins.eval", "torch.hub.load"])
def test_a_dotted_path_is_not_imported(registry: Any, name: str) -> None:
    with pytest.raises(KeyError, match=f"{name} is not in the"):
        registry.build({"type": name})


def test_a_python_config_may_name_dotted_paths() -> None:
    with as_python():
        assert HOOKS.get("mmengine.hooks.EMAHook").__name__ == "EMAHook"
    with pytest.raises(KeyError):
        HOOKS.build({"type": "mmengine.hooks.EMAHook"})


@pytest.mark.parametrize("key", ["type", "_scope_"])
def test_a_scope_imports_no_module_of_that_name(key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``evil.Hook`` would import ``evil.registry``."""
    (tmp_path / "evil").mkdir()
    (tmp_path / "evil" / "__init__.py").write_text("")
    (tmp_path / "evil" / "registry.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(Exception, match=r"not in the|No class"):
        HOOKS.build({"type": "evil.Hook"} if key == "type" else {"type": "Nothing", "_scope_": "evil"})
    assert not (tmp_path / "ran").exists()


def test_no_registered_class_evaluates_its_argument(tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        TASK_UTILS.build({"type": "CameraMotionCompensation", "warp_mode": f"open({str(tmp_path / 'ran')!r}, 'w')"})
    assert not (tmp_path / "ran").exists()


class Payload:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return open, (str(self.path), "w")


@pytest.mark.parametrize("suffix", ["pkl", "pickle"])
def test_no_annotation_file_is_unpickled(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"annotations.{suffix}"
    path.write_bytes(pickle.dumps(Payload(tmp_path / "ran")))
    with pytest.raises(UserError, match="got a pickle"):
        mmengine.load(path)
    assert not (tmp_path / "ran").exists()


def test_no_annotation_file_builds_objects_from_yaml_tags(tmp_path: Path) -> None:
    path = tmp_path / "annotations.yaml"
    path.write_text(f"!!python/object/apply:builtins.open [{tmp_path / 'ran'}, w]")
    with pytest.raises(Exception, match="could not determine a constructor"):
        mmengine.load(path)
    assert not (tmp_path / "ran").exists()
