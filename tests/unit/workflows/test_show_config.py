"""What `anomdet config` prints."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from anomdet.errors import UserError
from anomdet.workflows.show_config import show


def test_yaml_with_overrides(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text("training: {epochs: 5}\n", encoding="utf-8")
    shown = yaml.safe_load(show(path, ["training.seed=7"]))
    assert (shown["training"]["epochs"], shown["training"]["seed"], shown["training"]["batch_size"]) == (5, 7, 16)
    assert yaml.safe_load(show(None))["training"]["epochs"] == 10


def test_schema_needs_no_file() -> None:
    assert "training" in json.loads(show(None, to="schema"))["properties"]


def test_another_format_is_refused() -> None:
    with pytest.raises(UserError, match="--to: expected one of yaml, py, schema, got 'json'"):
        show(None, to="json")


def test_problems_of_the_settings_come_through() -> None:
    with pytest.raises(UserError, match=r"command line: training\.epochs"):
        show(None, ["training.epochs=0"])


def test_py_is_the_mmengine_config(tmp_path: Path) -> None:
    from mmengine.config import Config

    path = tmp_path / "run.py"
    path.write_text(show(None, ["training.epochs=3"], to="py"), encoding="utf-8")
    assert Config.fromfile(path, import_custom_modules=False).train_cfg.max_epochs == 3
