"""The score threshold: chosen on the validation split in the training, kept in the checkpoint, used by the commands."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.integration.conftest import run_command, write_settings

Capture = pytest.CaptureFixture[str]
QUICK = ("evaluation.resamples=0", "evaluation.report=false")


@pytest.fixture(scope="module")
def run(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The settings of a training that chose its operating point."""
    config = write_settings(tmp_path_factory.mktemp("point"), data_dir)
    config.write_text(config.read_text(encoding="utf-8").replace("score_threshold: 0.05", "score_threshold: null"))
    run_command("train", "-c", config)
    return config


def point_of(config: Path, *arguments: str) -> dict[str, Any]:
    run_command("evaluate", "-c", config, *QUICK, *arguments)
    metrics = json.loads((config.parent / "logs" / "evaluation" / "metrics.json").read_text(encoding="utf-8"))
    return metrics["operating_point"]


def test_it_travels_with_the_checkpoint(run: Path, capsys: Capture) -> None:
    for name in ("best_model.pth", "last.pth"):
        meta = torch.load(run.parent / "checkpoints" / name, weights_only=False)["meta"]["operating_point"]
        assert meta["criterion"] == {
            **{"by": "auto", "per_class": True, "iou_thr": 0.5},
            **{"escape_cost": 10.0, "overkill_cost": 1.0},
        }
    found = point_of(run)
    names = {1: "scratch", 2: "dent", 3: "stain", 4: "hole"}
    assert found["per_class"] == {names[number]: value for number, value in meta["point"]["per_class"].items()}
    assert "choosing the operating point" not in capsys.readouterr().out
    assert point_of(run, "--split", "val")["per_class"] == found["per_class"]


def test_another_criterion_is_chosen_by_on_the_validation_split(run: Path, capsys: Capture) -> None:
    found = point_of(run, "evaluation.operating_point={by: min_recall, min_recall: 0.5, per_class: true}")
    assert "choosing the operating point on the validation split" in capsys.readouterr().out
    assert (found["by"], found["score_threshold"]) == ("min_recall", None)
    assert set(found["per_class"]) == {"scratch", "dent", "stain", "hole"}
    assert point_of(run, "metrics.score_threshold=0.2") == {
        **{"by": "fixed", "chosen_on": "settings", "score_threshold": 0.2, "per_class": None, "note": ""}
    }


def test_the_pictures_use_it(run: Path, capsys: Capture) -> None:
    thresholds = ", ".join(f"{name} {value:.3g}" for name, value in point_of(run)["per_class"].items())
    capsys.readouterr()
    run_command("visualize", "-c", run, "--limit", "2")
    assert f"score >= {thresholds}" in capsys.readouterr().out
