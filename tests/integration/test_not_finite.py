"""A run whose loss is NaN or infinite: some steps are skipped and said, many in a row end it; no best is made of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from anomdet.data.synth.generate import generate
from anomdet.engine.checkpoint import load_checkpoint
from tests.integration.conftest import run_command, write_settings
from tests.integration.test_rank_failures import only_error, run


def settings(folder: Path, data_dir: Path, hook: dict[str, Any], **training: Any) -> Path:
    """With :class:`tests.integration.mishaps.PoisonedLoss`."""
    path = write_settings(folder, data_dir, hooks=[{"type": "PoisonedLoss", **hook}], **training)
    values = yaml.safe_load(path.read_text(encoding="utf-8"))
    path.write_text(yaml.safe_dump({**values, "plugins": ["tests.integration.mishaps"]}), encoding="utf-8")
    return path


@pytest.mark.parametrize("factor", [".nan", ".inf"])
def test_a_bad_step_is_skipped_and_said(
    data_dir: Path, tmp_path: Path, factor: str, capsys: pytest.CaptureFixture[str]
) -> None:
    config = settings(tmp_path, data_dir, {"steps": [1, 2], "factor": yaml.safe_load(factor)})
    run_command("train", "--config", config)
    log = (tmp_path / "logs" / "training.log").read_text(encoding="utf-8")
    assert "WARNING epoch 1, batch 2: the loss is not finite" in log
    assert "batch 3: the loss is not finite" in log and "2 in a row; the run ends at training.nan_limit=5" in log
    assert "loss nan" not in log and "loss inf" not in log
    assert load_checkpoint(tmp_path / "checkpoints" / "best_model.pth")["meta"]["best"]["epoch"] == 1


def test_too_many_end_the_run_with_one_error(
    data_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = {"steps": list(range(1, 99)), "factor": float("nan")}
    config = settings(tmp_path, data_dir, bad, nan_limit=4, epochs=3, val_loss=False)
    run_command("train", "--config", config, code=2)
    printed = capsys.readouterr()
    assert "error: epoch 2, batch 1: the loss is not finite" in printed.err and "Traceback" not in printed.err
    assert "training.learning_rate (now " in printed.err
    assert "best so far" not in printed.out
    assert not (tmp_path / "checkpoints" / "best_model.pth").exists()
    assert (tmp_path / "checkpoints" / "last.pth").exists()


def test_a_loss_of_one_process_is_skipped_by_both(data_dir: Path, tmp_path: Path) -> None:
    """Not to do so would wait for ever, or leave two models."""
    bad = {"steps": [1], "factor": float("nan"), "rank": 1}
    code, output = run(settings(tmp_path / "one", data_dir, bad, batch_size=2, epochs=1))
    assert code == 0, output
    assert output.count("batch 2 of rank 1: the loss is not finite") == 1, output
    code, output = run(settings(tmp_path / "many", data_dir, {**bad, "steps": [0, 1, 2]}, batch_size=2, nan_limit=3))
    assert code != 0
    assert "batch 3 of rank 1: the loss is not finite" in only_error(output)


def test_an_undefined_metric_is_said_before_and_neither_best_nor_a_stop(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A validation split of normal images only."""
    generate(tmp_path / "data", num_images=12, size_hw=(96, 96))
    names = sorted(path.stem for path in (tmp_path / "data" / "images").iterdir())
    for name in names[:4]:
        (tmp_path / "data" / "labels" / f"{name}.txt").write_text("", encoding="utf-8")
    images = [path.name for path in sorted((tmp_path / "data" / "images").iterdir())]
    lists = {"val": images[:4], "train": images[4:10], "test": images[10:]}
    for split, wanted in lists.items():
        (tmp_path / f"{split}.txt").write_text("\n".join(wanted), encoding="utf-8")
    config = write_settings(tmp_path, tmp_path / "data", epochs=3, early_stopping={"patience": 1, "nan_limit": 1})
    values = yaml.safe_load(config.read_text(encoding="utf-8"))
    values["data"]["split_files"] = {split: str(tmp_path / f"{split}.txt") for split in lists}
    config.write_text(yaml.safe_dump(values), encoding="utf-8")
    run_command("train", "--config", config)
    printed = capsys.readouterr()
    log = (tmp_path / "logs" / "training.log").read_text(encoding="utf-8")
    assert log.count("the validation split has no objects: mAP (training.monitor) is undefined") == 1
    assert log.index("has no objects: mAP") < log.index("epoch 1/3")
    assert "set training.monitor=val_loss" in log
    assert "epoch 3/3" in log and "mAP 0.0" not in log and "best so far" not in log
    assert "no best epoch" in log
    assert not (tmp_path / "checkpoints" / "best_model.pth").exists()
    last = tmp_path / "checkpoints" / "last.pth"
    assert f"--checkpoint {last}" in printed.out
    run_command("evaluate", "--config", config, "--split", "test", code=2)
    assert str(last) in capsys.readouterr().err
    run_command("evaluate", "--config", config, "--checkpoint", last, "evaluation.resamples=20")
