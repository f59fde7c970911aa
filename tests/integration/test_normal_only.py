"""A folder of normal images alone, from ``anomdet init`` to a verdict."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

import anomdet
from anomdet.data.synth.generate import generate
from anomdet.errors import UserError
from tests.integration.conftest import run_command

SMALL = ("anomaly.image_size=128", "anomaly.memory=200", "anomaly.overkill=0.1", "data.num_workers=0")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with normal images and a finished run on them."""
    folder = tmp_path_factory.mktemp("normals")
    generate(folder / "data", num_images=45, normal_share=0.9, size_hw=(96, 128))
    for label in (folder / "data/labels").iterdir():
        if label.read_text():
            next((folder / "data/images").glob(f"{label.stem}.*")).unlink()
            label.unlink()
    places = [f"logging.{name}={folder / name}" for name in ("log_dir", "checkpoint_dir")]
    run_command("init", folder / "data", *SMALL, *places, "--out", folder / "run.yaml", "--device", "cpu")
    run_command("train", "--config", folder / "run.yaml")
    return folder


def test_the_checkpoint_stands_alone_and_judges_by_the_score(trained: Path) -> None:
    detector = anomdet.load(trained / "checkpoint_dir/best_model.pth")
    assert detector.classes == {}
    normal = detector(next((trained / "data/images").iterdir()))
    strange = detector(np.random.default_rng(0).integers(0, 255, (96, 128, 3), dtype=np.uint8))
    assert normal.verdict == "accept" and normal.part_score < 0.5
    assert strange.verdict == "reject" and strange.part_score >= 0.5 and len(strange) == 0
    assert strange.reasons[0].startswith("unknown: ")


def test_a_threshold_of_boxes_is_refused(trained: Path) -> None:
    with pytest.raises(UserError, match="threshold: expected none for a model that learned no class"):
        anomdet.load(trained / "checkpoint_dir/best_model.pth", threshold=0.3)


def test_evaluate_without_a_defect_says_what_is_undefined_and_why(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_command("evaluate", "--config", trained / "run.yaml", "--out", tmp_path)
    assert "AUROC and escapes are undefined: the split has no defective images" in capsys.readouterr().out
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    level = metrics["part_level"]
    assert (level["auroc"], level["escape_rate"], level["num_defective"]) == (None, None, 0)
    assert level["overkill"] == metrics["unseen"]["normal_only"]["overkill"] and "mAP" not in metrics
    assert (tmp_path / "report.html").is_file()


def test_evaluate_with_defects_counts_escapes_by_the_score(trained: Path, tmp_path: Path) -> None:
    shutil.copytree(trained / "data", tmp_path / "data")
    names = (trained / "log_dir/splits/test.txt").read_text().split()
    for name in names[:4]:
        label = (tmp_path / "data/labels" / name).with_suffix(".txt")
        label.write_text("3 20 20 30 30\n")
    lists = {split: trained / f"log_dir/splits/{split}.txt" for split in ("train", "val", "test")}
    files = [f"data.split_files.{split}={path}" for split, path in lists.items()]
    run_command(
        *("evaluate", "--config", trained / "run.yaml", f"data.data_dir={tmp_path / 'data'}", *files),
        *("--out", tmp_path / "out"),
    )
    metrics = json.loads((tmp_path / "out/metrics.json").read_text())
    with (tmp_path / "out/per_image.csv").open() as file:
        verdicts = {row["file_name"]: row["verdict"] for row in csv.DictReader(file)}
    level = metrics["part_level"]
    assert level["num_defective"] == 4 and metrics["per_class"]["3"]["num_defective"] == 4
    assert list(verdicts.values()).count("escape") == level["escapes"]
    assert list(verdicts.values()).count("overkill") == level["overkill"]
    detector = anomdet.load(trained / "checkpoint_dir/best_model.pth")
    rejected = {name for name in names if detector(tmp_path / "data/images" / name).verdict == "reject"}
    assert rejected == {name for name, verdict in verdicts.items() if verdict in ("detected", "overkill")}


def test_predict_writes_verdicts_and_label_files_of_good_parts_alone(trained: Path, tmp_path: Path) -> None:
    arguments = ["--out", tmp_path / "out", "--save", "csv,labels"]
    run_command("predict", trained / "checkpoint_dir/best_model.pth", trained / "data/images", *arguments)
    with (tmp_path / "out/results.csv").open() as file:
        rows = list(csv.DictReader(file))
    accepted = {Path(row["image"]).stem for row in rows if row["verdict"] == "accept"}
    assert len(rows) == len(list((trained / "data/labels").iterdir())) and accepted == {
        path.stem for path in (tmp_path / "out/labels").iterdir()
    }


def test_a_network_without_objects_is_refused_unless_the_score_is_wanted(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = f"data.data_dir={trained / 'data'}"
    places = [f"logging.{name}={tmp_path / name}" for name in ("log_dir", "checkpoint_dir")]
    (tmp_path / "run.yaml").write_text("model: {name: rtmdet_tiny}\n")
    command = ["train", "--config", tmp_path / "run.yaml", data, *places, *SMALL]
    run_command(*command, code=2)
    assert "only the normal-only score is learned: model.name=null" in capsys.readouterr().err
    run_command(*command, "anomaly.enabled=auto")
    assert "no object in any label file; only the normal-only score is learned" in capsys.readouterr().err
    assert anomdet.load(tmp_path / "checkpoint_dir/best_model.pth").classes == {}


def test_resume_leaves_a_score_that_is_there(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (trained / "checkpoint_dir/best_model.pth").read_bytes()
    run_command("train", "--config", trained / "run.yaml", "--resume")
    assert "nothing is left to do" in capsys.readouterr().out
    assert (trained / "checkpoint_dir/best_model.pth").read_bytes() == before


def test_a_resume_does_not_take_a_detector_for_the_score(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A checkpoint folder of another run: "nothing is left to do" would be untrue."""
    shutil.copytree(trained / "checkpoint_dir", tmp_path / "checkpoints")
    best = tmp_path / "checkpoints/best_model.pth"
    again = ("train", "--config", trained / "run.yaml", "--resume", f"logging.checkpoint_dir={best.parent}")
    run_command(*again, f"logging.log_dir={tmp_path / 'logs'}")
    assert f"nothing is left to do: {best} holds the normal-only score" in capsys.readouterr().out
    content = torch.load(best, weights_only=True)
    content["meta"]["inference"]["model"]["name"] = "rtmdet_tiny"
    torch.save(content, best)
    run_command(*again, f"logging.log_dir={tmp_path / 'logs'}", code=2)
    assert f"expected the checkpoint of a run without a network, got {best}, a detector's" in capsys.readouterr().err
