"""``anomdet upgrade`` with another criterion: the thresholds of a checkpoint are chosen again, its weights stay."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

import anomdet
from tests.integration.conftest import CLASSES, Trained, assert_same_weights, run_command


def point(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = torch.load(path, weights_only=True)["meta"]["inference"]["operating_point"]
    return found


def test_another_criterion_is_kept_and_predict_goes_by_it(trained: Trained, tmp_path: Path) -> None:
    """As `evaluate` chooses with the same settings; and `evaluate` then takes it without predicting the split again."""
    old, new = trained.checkpoint_dir / "best_model.pth", tmp_path / "new.pth"
    asked = ["metrics.score_threshold=null", "evaluation.operating_point.by=min_recall"]
    asked += ["evaluation.operating_point.min_recall=0.5", f"logging.log_dir={tmp_path}"]
    run_command("upgrade", old, "--config", trained.config, "--out", new, *asked)
    chosen = point(new)
    assert chosen["by"] == "min_recall" and chosen["chosen_on"] == "val"
    assert chosen["criterion"] == {"by": "min_recall", "min_recall": 0.5, "iou_thr": 0.5, "per_class": False}
    assert point(old)["by"] == "fixed", "the old file stays as it is"
    assert_same_weights(old, new)
    detector = anomdet.load(new)
    assert detector.thresholds == chosen["score_threshold"] != anomdet.load(old).thresholds
    assert detector.info["criterion"] == "min_recall"
    assert detector.with_threshold(0.9).info["criterion"] is None
    by_old = anomdet.evaluate(trained.config, asked, checkpoint=old, out=tmp_path / "by_old")
    assert "choosing the operating point" in (tmp_path / "evaluation.log").read_text(encoding="utf-8")
    (tmp_path / "evaluation.log").unlink()
    by_new = anomdet.evaluate(trained.config, asked, checkpoint=new, out=tmp_path / "by_new")
    assert "choosing the operating point" not in (tmp_path / "evaluation.log").read_text(encoding="utf-8")
    assert by_new.metrics["operating_point"] == by_old.metrics["operating_point"]
    assert by_new.predictions == by_old.predictions


def test_thresholds_may_be_fixed_for_each_class_without_a_look_at_the_images(trained: Trained, tmp_path: Path) -> None:
    old, new = trained.checkpoint_dir / "best_model.pth", tmp_path / "new.pth"
    wanted = {int(number): 0.1 + 0.01 * at for at, number in enumerate(CLASSES)}
    text = ", ".join(f"{number}: {score}" for number, score in wanted.items())
    run_command("upgrade", old, "--config", trained.config, "--out", new, f"metrics.score_threshold={{{text}}}")
    assert point(new)["per_class"] == wanted == anomdet.load(new).thresholds
    assert not (tmp_path / "evaluation.log").exists()


def test_a_class_without_a_threshold_is_refused(
    trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    new = tmp_path / "new.pth"
    old, one = trained.checkpoint_dir / "best_model.pth", "metrics.score_threshold={99: 0.3}"
    run_command("upgrade", old, "--config", trained.config, "--out", new, one, code=2)
    assert "expected one for each of the classes" in capsys.readouterr().err
    assert not new.exists()
