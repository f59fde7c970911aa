"""Test-time augmentation from the settings to the exported file: what was measured is what predict finds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

import anomdet
from anomdet.boxes import xywh_to_xyxy
from tests.integration.conftest import Trained, run_command, shared, write_settings

TTA = {"flips": ["horizontal", "both"], "scales": [1.25]}
PASSES = 6


def settings_with(folder: Path, data_dir: Path, tta: object, tiles: object = None) -> Path:
    path = write_settings(folder, data_dir)
    settings = yaml.safe_load(path.read_text(encoding="utf-8"))
    settings["evaluation"] = {"tta": tta, "report": False}
    settings["data"]["tiles"] = tiles
    del settings["metrics"]  # the validation chooses the thresholds
    path.write_text(yaml.safe_dump(settings), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def seen_often(tmp_path_factory: pytest.TempPathFactory, data_dir: Path) -> Trained:
    """One epoch, with views. Read only."""

    def train(folder: Path) -> None:
        anomdet.train(settings_with(folder, data_dir, TTA))

    folder = shared(tmp_path_factory, "views", train)
    return Trained(folder / "run.yaml", folder / "logs", folder / "checkpoints", "")


def document(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = torch.load(path, weights_only=True)["meta"]["inference"]
    return found


def assert_predict_finds_the_same(found: anomdet.Evaluation, folder: Path, checkpoint: Path, data_dir: Path) -> None:
    """Every box of the evaluation from the median score on, bit for bit, at the same batch size."""
    truth = json.loads((folder / "ground_truth.json").read_text(encoding="utf-8"))
    images = truth["images"]
    least = float(np.median([row["score"] for row in found.predictions]))
    detector = anomdet.load(checkpoint, device="cpu")
    sources = [data_dir / "images" / image["file_name"] for image in images]
    results = [detector.predict_batch(sources[at : at + 4], min_score=least) for at in range(0, len(sources), 4)]
    num_equal = 0
    for image, result in zip(images, [one for batch in results for one in batch], strict=True):
        rows = [row for row in found.predictions if row["image_id"] == image["id"] and row["score"] >= least]
        rows.sort(key=lambda row: -row["score"])
        assert [row["score"] for row in rows] == result.scores.astype(float).tolist()
        wanted = xywh_to_xyxy(np.array([row["bbox"] for row in rows]).reshape(-1, 4))
        same = np.sort(wanted.astype(np.float32), axis=0) == np.sort(result.bboxes_xyxy, axis=0)
        assert same.all()
        num_equal += len(rows)
    assert num_equal > 20


def test_the_checkpoint_carries_the_views_and_the_log_says_what_they_cost(seen_often: Trained) -> None:
    assert document(seen_often.checkpoint_dir / "best_model.pth")["tta"] == {
        "flips": ("horizontal", "both"),
        "scales": (1.25,),
    }
    log = (seen_often.log_dir / "training.log").read_text(encoding="utf-8")
    assert f"flips horizontal, both; scales 1.25 ({PASSES} passes): each validation and each prediction costs" in log


def test_predict_finds_what_was_evaluated_bit_for_bit(seen_often: Trained, data_dir: Path, tmp_path: Path) -> None:
    """The settings of the evaluation do not name the views: the checkpoint knows them, and its thresholds."""
    settings = yaml.safe_load(seen_often.config.read_text(encoding="utf-8"))
    del settings["evaluation"]["tta"]
    settings["logging"]["log_dir"] = str(tmp_path / "logs")
    checkpoint = seen_often.checkpoint_dir / "best_model.pth"
    found = anomdet.evaluate(settings, checkpoint=checkpoint, split="train", out=tmp_path / "out")
    assert_predict_finds_the_same(found, tmp_path / "out", checkpoint, data_dir)
    chosen = found.metrics["operating_point"]
    assert chosen["score_threshold"] == document(checkpoint)["operating_point"]["score_threshold"]
    assert "choosing the operating point" not in (tmp_path / "logs/evaluation.log").read_text(encoding="utf-8")


def test_other_views_are_measured_with_thresholds_of_their_own_and_upgrade_keeps_them(
    seen_often: Trained, data_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint, new = seen_often.checkpoint_dir / "best_model.pth", tmp_path / "new.pth"
    other = ["evaluation.tta={flips: [vertical]}", f"logging.log_dir={tmp_path}"]
    found = anomdet.evaluate(seen_often.config, other, checkpoint=checkpoint, out=tmp_path / "out", split="train")
    log = (tmp_path / "evaluation.log").read_text(encoding="utf-8")
    assert "choosing the operating point on the validation split" in log
    run_command("upgrade", checkpoint, "--config", seen_often.config, "--out", new, *other)
    said = capsys.readouterr()
    assert "flips vertical (2 passes), but" in said.err + said.out
    assert document(new)["tta"] == {"flips": ("vertical",), "scales": ()}
    point = document(new)["operating_point"]
    assert point["per_class"] or point["score_threshold"] == found.metrics["operating_point"]["score_threshold"]
    assert point["per_class"] != document(checkpoint)["operating_point"]["per_class"] or point["per_class"] is None
    again = anomdet.evaluate(seen_often.config, other, checkpoint=new, out=tmp_path / "again", split="train")
    assert again.predictions == found.predictions
    assert again.metrics["operating_point"] == found.metrics["operating_point"]
    assert_predict_finds_the_same(found, tmp_path / "out", new, data_dir)


def test_false_looks_once_whatever_the_checkpoint_says(
    seen_often: Trained, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    log_dir = f"logging.log_dir={tmp_path}"
    often = anomdet.evaluate(seen_often.config, [log_dir], split="val", out=tmp_path / "a")
    once = anomdet.evaluate(seen_often.config, ["evaluation.tta=false", log_dir], split="val", out=tmp_path / "b")
    assert often.predictions != once.predictions
    assert "evaluation.tta: none, but" in caplog.text
    assert often.metrics["about"]["tta"] == f"flips horizontal, both; scales 1.25 ({PASSES} passes)"
    assert "tta" not in once.metrics["about"]


def test_tiles_in_views_are_merged_within_each_tile_first(data_dir: Path, tmp_path: Path) -> None:
    config = settings_with(tmp_path, data_dir, True, {"size": 64, "overlap": 16})
    anomdet.train(config)
    out = tmp_path / "out"
    found = anomdet.evaluate(config, split="train", out=out)
    known = document(tmp_path / "checkpoints/best_model.pth")
    assert known["tta"] == {"flips": ("horizontal",), "scales": ()}
    assert known["tiles"]["size_hw"] == (64, 64)
    assert found.predictions


def test_an_exported_detector_looks_as_often_and_finds_the_same(trained: Trained, tmp_path: Path) -> None:
    """Two epochs give scores near 0; all raised alike, there is something to compare."""
    content = torch.load(trained.checkpoint_dir / "best_model.pth", weights_only=True)
    for name, value in content["state_dict"].items():
        if "rtm_cls" in name and name.endswith("bias"):
            value += 3
    content["meta"]["inference"]["tta"] = {"flips": ["horizontal"], "scales": [1.25]}
    torch.save(content, tmp_path / "often.pth")
    run_command("export", tmp_path / "often.pth", "--out", tmp_path / "exported", "--config", trained.config)
    parity = json.loads((tmp_path / "exported/parity.json").read_text(encoding="utf-8"))
    assert parity["passed"] and parity["num_rows"] > 0
    assert anomdet.load(tmp_path / "exported").info["tta"] == anomdet.load(tmp_path / "often.pth").info["tta"]
