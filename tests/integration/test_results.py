"""``anomdet evaluate``, ``visualize`` and ``browse`` on a trained run."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import pytest
import yaml

from tests.integration.conftest import CLASSES, Trained, named_files, run_command, write_settings
from tests.unit.evaluation.pycocotools_oracle import class_aps, single_threshold_aps, twelve_numbers

Capture = pytest.CaptureFixture[str]
FILES = ["ground_truth.json", "predictions.json", "metrics.json", "details.json", "metrics.csv", "per_image.csv"]
FILES += ["report.html"]
OVERALL = ("mAP", "mAP_50", "mAP_75", "mAP_small", "mAP_medium", "mAP_large", "AR_100", "mAP_95")
COUNTED = ("precision", "recall", "f1_score", "mean_iou")


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def evaluated(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results on the test split, in a folder of this worker's own."""
    folder = tmp_path_factory.mktemp("evaluated")
    run_command("evaluate", "-c", trained.config, "--out", folder)
    return folder


def test_metrics_has_the_keys(evaluated: Path) -> None:
    metrics = read(evaluated / "metrics.json")
    assert set(OVERALL) | set(COUNTED) <= set(metrics)
    assert (metrics["score_threshold"], metrics["matching_iou_threshold"]) == (0.05, 0.5)
    assert set(metrics["per_class"]) == set(CLASSES.values())
    for number, name in CLASSES.items():
        row = metrics["per_class"][name]
        assert {"AP", "AP_50", "num_gt", *COUNTED} <= set(row)
        assert row["class_num"] == number
    assert metrics["num_images"] == 4
    assert metrics["num_gt"] > 0


def test_predictions_are_coco_in_original_pixels_and_the_users_numbers(evaluated: Path) -> None:
    truth, predictions = read(evaluated / "ground_truth.json"), read(evaluated / "predictions.json")
    images = {image["id"]: image for image in truth["images"]}
    assert [(entry["id"], entry["name"]) for entry in truth["categories"]] == list(CLASSES.items())
    assert len(predictions) > 0
    for entry in predictions:
        assert {"image_id", "category_id", "bbox", "score", "file_name"} <= set(entry)
        assert entry["file_name"] == images[entry["image_id"]]["file_name"]
        assert entry["category_id"] in CLASSES
        x, y, width, height = entry["bbox"]
        assert 0 <= x <= x + width <= 96.01
        assert 0 <= y <= y + height <= 96.01


def assert_equal_pycocotools(folder: Path) -> None:
    metrics = read(folder / "metrics.json")
    files = (folder / "ground_truth.json", folder / "predictions.json")
    by_hand = twelve_numbers(*files)
    by_hand.update(zip(("mAP_50", "mAP_75", "mAP_95"), single_threshold_aps(*files, (0.5, 0.75, 0.95)), strict=True))
    for key in OVERALL:
        assert metrics[key] == pytest.approx(by_hand[key], abs=1e-6), key
    for number, (ap, ap_50) in class_aps(*files).items():
        row = metrics["per_class"][CLASSES[number]]
        assert row["AP"] == pytest.approx(ap, abs=1e-6)
        assert row["AP_50"] == pytest.approx(ap_50, abs=1e-6)


def test_metrics_equal_pycocotools_on_the_written_files(evaluated: Path) -> None:
    assert_equal_pycocotools(evaluated)


@pytest.fixture(scope="module")
def oracle(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Settings of a trained model that knows the answers, at twice the images' size."""
    folder = tmp_path_factory.mktemp("oracle")
    config = write_settings(folder, data_dir)
    settings = yaml.safe_load(config.read_text(encoding="utf-8"))
    settings["model"] = {"custom_model_file": str(Path(__file__).with_name("oracle_model.py"))}
    settings["data"]["image_size"] = 192
    config.write_text(yaml.safe_dump(settings), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ORACLE_DATA", str(data_dir))
        patch.setenv("ORACLE_SHAKE", "0")
        run_command("train", "-c", config)
        yield config


def test_right_answers_score_one(oracle: Path) -> None:
    """From the label files through the loader, the model, back to original pixels: nothing shifts a box."""
    run_command("evaluate", "-c", oracle, "--split", "train")
    folder = oracle.parent / "logs" / "evaluation"
    metrics = read(folder / "metrics.json")
    assert [metrics[key] for key in ("mAP", "mAP_95", "AR_100")] == pytest.approx([1.0] * 3, abs=1e-12)
    assert metrics["mean_iou"] == pytest.approx(1, abs=1e-4)
    # COCO's own arithmetic gives a class of one object 1 - 2e-16.
    assert [row["AP"] for row in metrics["per_class"].values()] == pytest.approx([1.0] * 4, abs=1e-12)
    truth, predictions = read(folder / "ground_truth.json"), read(folder / "predictions.json")

    def boxes(entries: list[Any]) -> list[list[float]]:
        return sorted([entry["image_id"], entry["category_id"], *entry["bbox"]] for entry in entries)

    assert len(predictions) == metrics["num_gt"] > 10
    for one, other in zip(boxes(predictions), boxes(truth["annotations"]), strict=True):
        assert one == pytest.approx(other, abs=0.01)


def test_shaken_answers_equal_pycocotools(oracle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORACLE_SHAKE", "0.02")
    run_command("evaluate", "-c", oracle, "--split", "train", "--out", tmp_path)
    metrics = read(tmp_path / "metrics.json")
    assert 0.05 < metrics["mAP"] < 0.9
    assert 0 < metrics["mAP_75"] < metrics["mAP_50"] < 1
    assert_equal_pycocotools(tmp_path)


def test_where_the_numbers_come_from(evaluated: Path, trained: Trained) -> None:
    about = read(evaluated / "metrics.json")["about"]
    assert (about["split"], about["title"]) == ("test", trained.config.stem)
    checkpoint = trained.checkpoint_dir / "best_model.pth"
    assert about["checkpoint_sha256"] == hashlib.sha256(checkpoint.read_bytes()).hexdigest()
    assert set(about["splits"]) == {"train", "val", "test"}
    assert about["splits"]["test"]["num_images"] == read(evaluated / "metrics.json")["num_images"]
    objects = read(evaluated / "metrics.json")["per_class"]
    assert about["splits"]["test"]["num_gt"] == {name: row["num_gt"] for name, row in objects.items()}
    assert yaml.safe_load(about["settings"])["metrics"]["score_threshold"] == 0.05
    assert {"anomdet", "python", "torch", "numpy"} <= set(about["versions"])


def test_the_spreadsheets(evaluated: Path) -> None:
    metrics = read(evaluated / "metrics.json")
    with (evaluated / "per_image.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["file_name"] for row in rows] == [
        i["file_name"] for i in read(evaluated / "ground_truth.json")["images"]
    ]
    assert sum(int(row["num_gt"]) for row in rows) == metrics["num_gt"]
    with (evaluated / "metrics.csv").open(encoding="utf-8", newline="") as file:
        found = {(row["scope"], row["metric"]): row["value"] for row in csv.DictReader(file)}
    assert float(found["all", "mAP"]) == metrics["mAP"]


def test_ground_truth_is_the_label_files(evaluated: Path, data_dir: Path) -> None:
    truth = read(evaluated / "ground_truth.json")
    for image in truth["images"]:
        text = (data_dir / "labels" / image["file_name"]).with_suffix(".txt").read_text(encoding="utf-8")
        wanted = sorted([float(word) for word in line.split()] for line in text.splitlines())
        found = [entry for entry in truth["annotations"] if entry["image_id"] == image["id"]]
        assert sorted([entry["category_id"], *entry["bbox"]] for entry in found) == wanted


def test_evaluate_other_split_checkpoint_and_folder(
    trained: Trained, evaluated: Path, tmp_path: Path, capsys: Capture
) -> None:
    capsys.readouterr()
    out = tmp_path / "here"
    checkpoint = trained.checkpoint_dir / "last.pth"
    run_command("evaluate", "-c", trained.config, "--split", "val", "--checkpoint", checkpoint, "--out", out)
    output = capsys.readouterr().out
    assert named_files(output) == [out / name for name in FILES]
    assert all(path.is_file() for path in named_files(output))
    assert str(checkpoint) in output
    assert "AP_50" in output
    test_images = {image["file_name"] for image in read(evaluated / "ground_truth.json")["images"]}
    val_images = {image["file_name"] for image in read(out / "ground_truth.json")["images"]}
    assert val_images
    assert not test_images & val_images


def test_evaluate_twice_moves_the_first_aside(trained: Trained, tmp_path: Path) -> None:
    for _ in range(2):
        run_command("evaluate", "-c", trained.config, "--out", tmp_path)
    (moved,) = (tmp_path / "previous").iterdir()
    assert {path.name for path in moved.iterdir()} == set(FILES)
    for name in FILES[:-1]:
        assert without_about(moved / name) == without_about(tmp_path / name)


def without_about(path: Path) -> Any:
    """The content of a result file, but for where and when it came about."""
    if path.suffix == ".csv":
        return path.read_text(encoding="utf-8")
    content = read(path)
    return {key: content[key] for key in content if key != "about"} if isinstance(content, dict) else content


def test_evaluate_with_the_python_config_gives_the_same(trained: Trained, evaluated: Path, tmp_path: Path) -> None:
    run_command("evaluate", "-c", trained.log_dir / "config.py", "--out", tmp_path)
    for name in FILES[:-1]:
        assert without_about(tmp_path / name) == without_about(evaluated / name)
    assert read(tmp_path / "metrics.json")["about"]["split"] == "test"


def assert_picture(path: Path) -> None:
    picture = cv2.imread(str(path))
    assert picture is not None, path
    assert min(picture.shape[:2]) >= 64
    assert picture.std() > 5


def test_visualize(trained: Trained, evaluated: Path, capsys: Capture) -> None:
    run_command("visualize", "-c", trained.config, "--limit", "3")
    sheet, folder = named_files(capsys.readouterr().out)
    assert folder == trained.log_dir / "visualization"
    pictures = sorted(path for path in folder.iterdir() if path.suffix == ".jpg" and path != sheet)
    assert len(pictures) == 3
    known = {Path(image["file_name"]).stem for image in read(evaluated / "ground_truth.json")["images"]}
    assert {path.stem for path in pictures} <= known
    for path in (*pictures, sheet):
        assert_picture(path)


def test_visualize_only_errors(trained: Trained, tmp_path: Path, capsys: Capture) -> None:
    """A detector that reports nothing: the defective images are the errors."""
    run_command("visualize", "-c", trained.config, "--only", "errors", "--out", tmp_path, "metrics.score_threshold=1")
    capsys.readouterr()
    run_command("evaluate", "-c", trained.config, "--out", tmp_path / "e", "metrics.score_threshold=1")
    level = read(tmp_path / "e" / "metrics.json")["part_level"]
    assert level["escapes"] == level["num_defective"] > 0
    drawn = [path for path in tmp_path.glob("*.jpg") if path.name != "contact_sheet.jpg"]
    assert len(drawn) == level["escapes"]


def test_browse(trained: Trained, tmp_path: Path, capsys: Capture) -> None:
    run_command("browse", "-c", trained.config, "--limit", "5", "--out", tmp_path)
    sheet, folder = named_files(capsys.readouterr().out)
    assert folder == tmp_path
    assert len([path for path in folder.iterdir() if path.suffix == ".jpg"]) == 6
    for path in folder.glob("[!.]*"):
        assert_picture(path)
    assert sheet.is_file()


def test_no_checkpoint_is_refused(trained: Trained, tmp_path: Path, capsys: Capture) -> None:
    for command in ("evaluate", "visualize"):
        run_command(command, "-c", trained.config, "--checkpoint", tmp_path / "none.pth", code=2)
        assert "none.pth" in capsys.readouterr().err


def test_the_report_knows_how_the_run_went_and_how_long_an_image_takes(trained: Trained, evaluated: Path) -> None:
    with (trained.log_dir / "training.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert {"loss", "lr", "mAP", "val_loss"} <= set(rows[0]) and all(float(row["loss"]) > 0 for row in rows)
    assert read(evaluated / "details.json")["training"]["columns"]["loss"] == [float(row["loss"]) for row in rows]
    speed = read(evaluated / "metrics.json")["about"]["speed"]
    assert 0 < speed["median_ms"] <= speed["p95_ms"] and speed["device"] in ("cpu", "cuda")
    page = (evaluated / "report.html").read_text(encoding="utf-8")
    assert 'id="training"' in page and "(median)" in page
