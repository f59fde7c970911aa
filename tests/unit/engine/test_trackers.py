"""What the trackers of MLflow and Weights & Biases hand on, with modules in their place."""

from __future__ import annotations

import re
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anomdet.engine.trackers import MLflowTracker, WandbTracker
from anomdet.errors import UserError

IMAGE = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)


class Recorder(types.ModuleType):
    """Takes any call and remembers it."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.calls: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *args, **kwargs: self.calls.append((name, args, kwargs))

    def last(self, name: str) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return [(args, kwargs) for called, args, kwargs in self.calls if called == name][-1]


class RefusedError(Exception):
    """Of a tracker's package."""


@pytest.fixture
def wandb(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    module, errors = Recorder("wandb"), types.ModuleType("wandb.errors")
    module.Image = lambda image: ("image", image)  # type: ignore[attr-defined]
    errors.Error = RefusedError  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "wandb", module)
    monkeypatch.setitem(sys.modules, "wandb.errors", errors)
    return module


@pytest.fixture
def mlflow(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    module = Recorder("mlflow")
    module.MlflowException = RefusedError  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "mlflow", module)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return module


def test_wandb_gets_an_image_at_its_iteration(wandb: Recorder, tmp_path: Path) -> None:
    WandbTracker(str(tmp_path)).add_image("val_img", IMAGE, step=7)
    ((logged,), named) = wandb.last("log")
    assert named == {"step": 7}
    kind, image = logged["val_img"]
    assert kind == "image"
    assert np.array_equal(image, IMAGE)
    assert wandb.last("init")[1] == {"project": "anomdet", "dir": str(tmp_path)}


def test_wandb_gets_numbers_at_their_iteration(wandb: Recorder, tmp_path: Path) -> None:
    WandbTracker(str(tmp_path)).add_scalars({"val/mAP": 0.5}, step=9)
    assert wandb.last("log") == (({"val/mAP": 0.5},), {"step": 9})


def test_mlflow_gets_an_image_at_its_iteration_under_a_name_that_it_takes(mlflow: Recorder, tmp_path: Path) -> None:
    """Its own rule for keys; a file name without an ending, as of MMEngine's backend, could not be written."""
    MLflowTracker(str(tmp_path)).add_image("visualization/größe (1)", IMAGE, step=7)
    ((image,), named) = mlflow.last("log_image")
    assert np.array_equal(image, IMAGE)
    assert named == {"key": "visualization/gr__e _1_", "step": 7, "synchronous": True}
    assert re.fullmatch(r"[a-zA-Z0-9_\-./ ]+", named["key"])


def test_an_image_that_mlflow_refuses_is_a_warning(
    mlflow: Recorder, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise RefusedError("the server is away")

    monkeypatch.setattr(mlflow, "log_image", refuse, raising=False)
    MLflowTracker(str(tmp_path)).add_image("val_img", IMAGE, step=7)
    assert "mlflow: image val_img of iteration 7 was not logged: the server is away" in caplog.text


def test_a_tracker_that_cannot_begin_is_an_error_of_the_settings(
    wandb: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_: Any) -> None:
        raise RefusedError("No API key")

    monkeypatch.setattr(wandb, "init", refuse, raising=False)
    with pytest.raises(UserError, match=r"logging\.trackers: wandb: .*No API key"):
        WandbTracker(str(tmp_path)).add_image("val_img", IMAGE)
