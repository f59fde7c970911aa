"""Defects that nobody labelled: a run learns what normal parts look like, and its checkpoint alone judges by it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import yaml

import anomdet
from anomdet.data.synth.generate import generate
from tests.integration.conftest import ROOT, run_command, write_settings

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
    printed = capsys.readouterr().out
    assert "with the normal-only score" in printed and "; by the boxes alone " in printed
    metrics = json.loads(next(trained.rglob("metrics.json")).read_text())
    unseen, parts = metrics["unseen"], metrics["part_level"]
    boxes = metrics["part_level_of_boxes"]
    assert (unseen["detector"]["escapes"], unseen["detector"]["overkill"]) == (boxes["escapes"], boxes["overkill"])
    assert (unseen["fused"]["escapes"], unseen["fused"]["overkill"]) == (parts["escapes"], parts["overkill"])
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


@pytest.fixture(scope="module", params=["onnx", "openvino"])
def exported(trained: Path, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("onnxruntime" if request.param == "onnx" else "openvino")
    folder = tmp_path_factory.mktemp(request.param) / "exported"
    images = ["--images", trained / "data/images"]
    run_command("export", checkpoint_of(trained), "--out", folder, "--format", request.param, *images)
    return folder


def test_an_exported_detector_rejects_what_the_checkpoint_rejects(exported: Path, trained: Path) -> None:
    """Unknown parts among them, which no box shows; its comparison held the scores against each other."""
    noise = np.random.default_rng(2).integers(0, 255, (300, 200, 3), dtype=np.uint8)
    images = [*sorted((trained / "data/images").iterdir())[:20], noise]
    ours, theirs = anomdet.load(checkpoint_of(trained)), anomdet.load(exported)
    for one, other in zip(ours.predict_batch(images), theirs.predict_batch(images), strict=True):
        assert one.anomaly is not None and other.anomaly is not None
        assert one.verdict == other.verdict and one.anomaly.is_unknown == other.anomaly.is_unknown
        assert other.anomaly.score == pytest.approx(one.anomaly.score, abs=1e-3 * one.anomaly.threshold)
    assert other.reasons[-1].startswith("unknown: ")
    parity = json.loads((exported / "parity.json").read_text())
    assert parity["passed"] and 0 <= parity["worst_anomaly"] <= 1e-3


def test_an_exported_score_needs_no_torch(exported: Path, trained: Path, tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['torch'] = None; import anomdet, cv2; "
        f"result = anomdet.load({str(exported)!r})(cv2.imread(sys.argv[1])); print(result.anomaly.score)"
    )
    image = next((trained / "data/images").iterdir())
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", code, str(image)]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) > 0


def test_a_folder_that_lost_its_score_is_refused(exported: Path, tmp_path: Path) -> None:
    """Parts would pass there that the checkpoint rejects."""
    copy = tmp_path / "copy"
    shutil.copytree(exported, copy)
    manifest = json.loads((copy / "manifest.json").read_text())
    (copy / "manifest.json").write_text(json.dumps({**manifest, "unseen": None}))
    with pytest.raises(anomdet.UserError, match="expected the files of the normal-only score, got null"):
        anomdet.load(copy)
    (copy / "manifest.json").write_text(json.dumps(manifest))
    (copy / "unseen.npz").write_bytes(b"something else")
    with pytest.raises(anomdet.UserError, match=r"unseen\.npz: expected the hash"):
        anomdet.load(copy)
