"""``plugins`` are found in the folder of the command; nothing else there is."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

from anomdet.errors import UserError
from anomdet.workflows.runs.plugins import import_plugins, in_folder_only


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry])
    monkeypatch.setattr(sys, "modules", dict(sys.modules))
    return tmp_path


def test_a_plugin_and_its_neighbours_are_found(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    (here / "plugin_a.py").write_text("import neighbour_a\nVALUE = neighbour_a.VALUE")
    (here / "neighbour_a.py").write_text("VALUE = 3")
    import_plugins(["plugin_a"])
    assert sys.modules["plugin_a"].VALUE == 3
    assert in_folder_only(["plugin_a", "json.decoder"]) == ["plugin_a"]
    assert not (here / "__pycache__").exists()


def test_a_part_of_a_package_is_found(here: Path) -> None:
    (here / "package_a").mkdir()
    (here / "package_a" / "part.py").write_text("VALUE = 4")
    import_plugins(["package_a.part"])
    assert sys.modules["package_a.part"].VALUE == 4


def test_the_folder_is_searched_for_plugins_only(here: Path) -> None:
    (here / "plugin_b.py").write_text("")
    (here / "neighbour_b.py").write_text("raise AssertionError('imported')")
    before = list(sys.path)
    import_plugins(["plugin_b"])
    assert sys.path == before
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("neighbour_b")


def test_a_file_hides_no_installed_package(here: Path) -> None:
    (here / "colorsys.py").write_text("raise AssertionError('imported')")
    sys.modules.pop("colorsys", None)
    import_plugins(["colorsys"])
    assert Path(sys.modules["colorsys"].__file__ or "").parent != here


def test_all_that_fail_are_named(here: Path) -> None:
    (here / "plugin_c.py").write_text("1 / 0")
    with pytest.raises(UserError) as raised:
        import_plugins(["plugin_c", "plugin_d"])
    text = str(raised.value)
    assert "plugins: plugin_c: expected a Python module that can be imported, got ZeroDivisionError" in text
    assert (
        f"got no such module; it is looked for among the installed packages and in the folder of the command, {here}"
        in text
    )
