"""Defects that nobody labelled: a run learns what normal parts look like, and its checkpoint alone judges by it."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import yaml

import anomdet
from anomdet.data.synth.generate import generate
from tests.integration.conftest import run_command, write_settings

MAX_MEGABYTES = 25


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data and a finished run that learned the score."""
    folder = tmp_path_factory.mktemp("anomaly")
    generate(folder / "data", num_images=60, normal_share=0.6)
    config = write_settings(folder, folder / "data", epochs=1)
    settings = yaml.safe_load(config.read_text())
    settings["anomaly"] = {"enabled": True, "image_size": 128, "memory": 200, "overkill": 0.05}
    config.write_text(yaml.safe_dump(settings))
    run_command("train", "--config", config)
    return folder


def checkpoint_of(folder: Path) -> Path:
    return next(folder.rglob("best_model.pth"))


def test_the_log_says_what_the_threshold_promises(trained: Path) -> None:
    log = next(trained.rglob("training.log")).read_text()
    assert "normal-only score from" in log and "of good parts (95 % confidence" in log


def test_the_checkpoint_holds_it_in_plain_tensors(trained: Path) -> None:
    content = torch.load(checkpoint_of(trained), weights_only=True)
    parts = [*content["anomaly"]["arrays"].values(), *content["anomaly"]["backbone"].values()]
    assert sum(part.nbytes for part in parts) < MAX_MEGABYTES * 1e6
    assert content["meta"]["inference"]["anomaly"]["num_normals"] >= 10


def test_a_part_unlike_all_normal_ones_is_rejected_with_a_reason_and_a_place(trained: Path) -> None:
    detector = anomdet.load(checkpoint_of(trained), threshold=1.0)  # no box counts
    image = np.random.default_rng(0).integers(0, 255, (320, 320, 3), dtype=np.uint8)
    result = detector(image)
    assert result.verdict == "reject"
    assert result.reasons[0].startswith("unknown: ") and result.reasons[0].endswith(" times the threshold")
    region = result.to_dict()["anomaly"]["regions"][0]
    assert region["class_num"] is None and region["class_name"] == "unknown"
    assert anomdet.Result.from_dict(json.loads(result.to_json())).reasons == result.reasons


def test_most_normal_parts_of_the_training_are_accepted(trained: Path) -> None:
    detector = anomdet.load(checkpoint_of(trained), threshold=1.0)
    labels = [path for path in (trained / "data/labels").iterdir() if not path.read_text().strip()]
    images = [next((trained / "data/images").glob(f"{path.stem}.*")) for path in labels]
    verdicts = [result.verdict for result in detector.predict_batch(images)]
    assert verdicts.count("reject") <= 0.2 * len(verdicts)


def test_evaluate_says_what_the_score_adds(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_command("evaluate", "--config", trained / "run.yaml", "--split", "val")
    assert "with the normal-only score" in capsys.readouterr().out
    metrics = json.loads(next(trained.rglob("metrics.json")).read_text())
    unseen, parts = metrics["unseen"], metrics["part_level"]
    assert (unseen["detector"]["escapes"], unseen["detector"]["overkill"]) == (parts["escapes"], parts["overkill"])
    assert unseen["fused"]["escapes"] <= unseen["detector"]["escapes"]
    assert unseen["fused"]["overkill"] >= unseen["normal_only"]["overkill"]


def test_predict_never_calls_an_unknown_part_a_normal_one(trained: Path, tmp_path: Path) -> None:
    """No empty label file for it; its reason stands in the table; its regions are drawn."""
    noise = np.random.default_rng(1).integers(0, 255, (320, 320, 3), dtype=np.uint8)
    (tmp_path / "in").mkdir()
    assert cv2.imwrite(str(tmp_path / "in/strange.png"), noise)
    arguments = ["--threshold", "1", "--out", tmp_path / "out"]
    run_command("predict", checkpoint_of(trained), tmp_path / "in", *arguments, "--save", "csv,labels,pictures")
    assert not (tmp_path / "out/labels/strange.txt").exists()
    assert "unknown: " in (tmp_path / "out/results.csv").read_text()
    assert (tmp_path / "out/pictures/strange.jpg").is_file()
