"""What ``import anomdet`` offers, and what it costs."""

from __future__ import annotations

import doctest
import inspect
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

import anomdet

ROOT = Path(__file__).parents[2]
NAMES = {
    "Detector",
    "ExportOptions",
    "PredictJob",
    "Problem",
    "Result",
    "Settings",
    "UserError",
    "apply_decisions",
    "check",
    "choose_to_label",
    "compare",
    "convert",
    "evaluate",
    "evaluate_files",
    "leave_class_out",
    "export",
    "load",
    "load_settings",
    "predict",
    "propose_settings",
    "review",
    "tile",
    "train",
}


def test_the_exported_names() -> None:
    assert set(anomdet.__all__) - {"__version__"} == NAMES
    assert set(dir(anomdet)) >= NAMES


@pytest.mark.parametrize("name", sorted(NAMES))
def test_each_name_is_there_and_documented(name: str) -> None:
    documentation = inspect.getdoc(getattr(anomdet, name))
    assert documentation
    if inspect.isfunction(getattr(anomdet, name)):
        assert ">>>" in documentation, "a public function shows how it is called"
        assert "Raises:" in documentation


def test_the_page_names_each_function() -> None:
    page = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    functions = [name for name in anomdet.__all__ if name.islower() and not name.startswith("_")]
    assert len(functions) > 12
    assert not [name for name in functions if f"anomdet.{name}(" not in page]


def test_a_misspelt_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        _ = anomdet.trian


def test_the_import_brings_nothing_along() -> None:
    code = "import sys; before = set(sys.modules); import anomdet; print(sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert all(name not in done.stdout for name in ("numpy", "torch", "pydantic", "yaml", "cv2", "importlib.metadata"))


def test_settings_are_taken_in_each_of_their_forms(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text("training: {epochs: 3}\n", encoding="utf-8")
    forms = (path, str(path), {"training": {"epochs": 3}}, anomdet.load_settings(path))
    assert {anomdet.load_settings(form).training.epochs for form in forms} == {3}
    with pytest.raises(anomdet.UserError, match=r"settings: training\.epoch.*did you mean"):
        anomdet.load_settings({"training": {"epoch": 3}})


def modules() -> Iterator[str]:
    """Those whose examples need nothing that is heavy."""
    for path in sorted((ROOT / "anomdet").rglob("*.py")):
        if ">>>" in path.read_text(encoding="utf-8"):
            yield ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


@pytest.mark.parametrize("module", list(modules()))
def test_the_examples_in_docstrings_run(module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    """Those that need a trained detector are skipped here: tests/integration/test_python_api.py runs them."""
    imported = import_module(module)
    assert any(test.examples for test in doctest.DocTestFinder().find(imported))
    assert doctest.testmod(imported, extraglobs={"anomdet": anomdet}).failed == 0


@pytest.mark.parametrize("path", ["anomdet.data.dataset.TextLabelDataset", "anomdet.data.decode.read_image"])
def test_paths_that_scripts_import_stay(path: str) -> None:
    module, _, name = path.rpartition(".")
    assert callable(getattr(import_module(module), name))
