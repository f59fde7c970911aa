"""``anomdet evaluate`` on any detector's COCO files, and ``anomdet compare``."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tests.integration.conftest import ROOT, run_command
from tests.unit.evaluation.cases import Case, draw_case
from tests.unit.evaluation.pycocotools_oracle import twelve_numbers

Capture = pytest.CaptureFixture[str]
CASE = Case(seed=3, num_images=40, boxes_per_image=4, predictions_per_gt=1.5)


def write_case(folder: Path, case: Case = CASE) -> tuple[Path, Path]:
    """A detector's results as COCO files: ground truth, predictions."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = folder / "truth.json", folder / "found.json"
    for path, content in zip(paths, draw_case(case), strict=True):
        path.write_text(json.dumps(content), encoding="utf-8")
    return paths


def run_files(truth: Path, found: Path, *arguments: str | Path) -> dict[str, Any]:
    out = truth.parent / "out"
    quick = ("evaluation.resamples=50", "evaluation.report=false")
    run_command("evaluate", "--ground-truth", truth, "--predictions", found, "--out", out, *quick, *arguments)
    return json.loads((out / "metrics.json").read_text(encoding="utf-8"))


def test_the_numbers_are_pycocotools(tmp_path: Path) -> None:
    truth, found = write_case(tmp_path)
    metrics = run_files(truth, found)
    assert 0.05 < metrics["mAP"] < 0.95
    for name, value in twelve_numbers(truth, found).items():
        assert metrics[name] == pytest.approx(value, abs=1e-9), name


def test_without_validation_files_nothing_is_chosen_on_the_test_split(tmp_path: Path, capsys: Capture) -> None:
    metrics = run_files(*write_case(tmp_path))
    point = metrics["operating_point"]
    assert (point["chosen_on"], point["score_threshold"]) == ("default", 0.3)
    assert "--val-ground-truth" in point["note"]
    assert "no validation results to choose on" in capsys.readouterr().out


def test_the_validation_files_choose(tmp_path: Path) -> None:
    truth, found = write_case(tmp_path / "test")
    val_truth, val_found = write_case(tmp_path / "val", Case(seed=4, num_images=40))
    val = ("--val-ground-truth", val_truth, "--val-predictions", val_found)
    first = run_files(truth, found, *val)["operating_point"]
    assert (first["by"], first["chosen_on"]) == ("costs", "val")
    assert first["per_class"].keys() == {"class -1", "class 0", "class 7", "class 1000"}
    by_recall = run_files(truth, found, *val, "evaluation.operating_point={by: min_recall, min_recall: 0.2}")
    assert by_recall["operating_point"]["score_threshold"] != first["score_threshold"]
    assert run_files(truth, found, *val, "metrics.score_threshold=0.7")["score_threshold"] == 0.7


def test_images_of_one_part_are_judged_together(tmp_path: Path) -> None:
    truth, found = write_case(tmp_path)
    single = run_files(truth, found)["part_level"]
    grouped = run_files(truth, found, r"data.group_by='part_(\d)'")["part_level"]
    assert (single["unit"], single["num_good"] + single["num_defective"]) == ("image", 40)
    assert (grouped["unit"], grouped["num_good"] + grouped["num_defective"]) == ("part", 10)


def test_the_tables_hold_the_same_numbers(tmp_path: Path) -> None:
    metrics = run_files(*write_case(tmp_path))
    with (tmp_path / "out" / "metrics.csv").open(encoding="utf-8", newline="") as file:
        rows = {(row["scope"], row["metric"]): row for row in csv.DictReader(file)}
    assert float(rows["all", "mAP"]["value"]) == metrics["mAP"]
    assert [float(rows["all", "mAP"][key]) for key in ("low", "high")] == metrics["intervals"]["mAP"]
    with (tmp_path / "out" / "per_image.csv").open(encoding="utf-8", newline="") as file:
        images = list(csv.DictReader(file))
    assert len(images) == metrics["num_images"]
    assert sum(int(row["num_gt"]) for row in images) == metrics["num_gt"]
    assert sum(row["verdict"] == "escape" for row in images) == metrics["part_level"]["escapes"]


def test_torch_is_not_imported(tmp_path: Path) -> None:
    truth, found = write_case(tmp_path)
    code = (
        "import sys\n"
        "from anomdet.cli.main import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit as done: assert not done.code, done.code\n"
        "heavy = [name for name in ('torch', 'mmengine', 'mmcv', 'mmdet', 'albumentations') if name in sys.modules]\n"
        "assert not heavy, heavy\n"
    )
    arguments = ["evaluate", "--ground-truth", truth, "--predictions", found, "evaluation.resamples=20"]
    command = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "evaluation" / "report.html").is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "--config: expected a YAML or Python file, got nothing; or --predictions and --ground-truth"),
        (("--predictions", "found.json"), "--ground-truth: expected a COCO file, got nothing; it goes with"),
        (
            ("--ground-truth", "truth.json", "--predictions", "none.json"),
            "none.json: expected a JSON file, got no such",
        ),
        (
            ("--ground-truth", "found.json", "--predictions", "found.json"),
            "found.json: expected a JSON object with images, annotations and categories, got list",
        ),
        (
            ("--ground-truth", "truth.json", "--predictions", "found.json", "--images", "nowhere"),
            "--images: expected a folder of images, got nowhere",
        ),
        (
            ("--ground-truth", "truth.json", "--predictions", "found.json", "--val-predictions", "found.json"),
            "--val-ground-truth: expected a COCO file",
        ),
    ],
)
def test_bad_files(
    arguments: tuple[str, ...], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    write_case(tmp_path)
    monkeypatch.chdir(tmp_path)
    run_command("evaluate", *arguments, code=2)
    assert message in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["found.json", "truth.json"]


@pytest.mark.parametrize("name", ["{at}.png", "../{at}.png", "{root}/{at}.png", "a/../../{at}.png"])
def test_the_page_shows_images_inside_of_the_folder_only(tmp_path: Path, name: str) -> None:
    """A stranger's ground truth may name any file."""
    truth, found = write_case(tmp_path, Case(seed=3, num_images=4))
    content = json.loads(truth.read_text())
    (tmp_path / "images" / "a").mkdir(parents=True)
    for at, image in enumerate(content["images"]):
        image["file_name"] = name.format(at=at, root=tmp_path)
        pixels = np.zeros((image["height"], image["width"], 3), np.uint8)
        cv2.imwrite(str((tmp_path / "images" if name == "{at}.png" else tmp_path) / f"{at}.png"), pixels)
    truth.write_text(json.dumps(content))
    arguments = ("--ground-truth", truth, "--predictions", found, "--images", tmp_path / "images")
    run_command("evaluate", *arguments, "--out", tmp_path / "out", "evaluation.resamples=9")
    assert (b"data:image/jpeg" in (tmp_path / "out" / "report.html").read_bytes()) == (name == "{at}.png")


def test_compare_tells_a_better_detector(tmp_path: Path, capsys: Capture) -> None:
    truth, found = write_case(tmp_path / "good")
    run_files(truth, found)
    worse = json.loads(found.read_text(encoding="utf-8"))
    for i, prediction in enumerate(worse):
        if i % 3 == 0:
            prediction["bbox"][0] += 500
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "truth.json").write_text(truth.read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "bad" / "found.json").write_text(json.dumps(worse), encoding="utf-8")
    run_files(tmp_path / "bad" / "truth.json", tmp_path / "bad" / "found.json")
    capsys.readouterr()
    folders = (tmp_path / "bad" / "out", tmp_path / "good" / "out")
    run_command("compare", *folders, "--resamples", "200", "--out", tmp_path / "c")
    printed = capsys.readouterr().out
    assert "mAP_50: B is better, by 0." in printed
    assert "escapes: A " in printed and " defective images" in printed
    page = (tmp_path / "c" / "comparison.html").read_text(encoding="utf-8")
    assert "mAP_50: B is better, by 0." in page and "Escapes" in page
    table = json.loads((tmp_path / "c" / "comparison.json").read_text(encoding="utf-8"))["numbers"]["mAP_50"]
    assert table["difference"] == pytest.approx(table["second"] - table["first"])
    assert 0 < table["interval"][0] <= table["difference"] <= table["interval"][1]
    run = tmp_path / "run"  # of a run, which holds its evaluation
    run.mkdir()
    folders[1].rename(run / "evaluation")
    run_command("compare", run, run / "evaluation", "--resamples", "50")
    assert "mAP_50: no difference is shown" in capsys.readouterr().out


def test_compare_wants_one_test_set(tmp_path: Path, capsys: Capture) -> None:
    for name, seed in (("a", 1), ("b", 2)):
        run_files(*write_case(tmp_path / name, Case(seed=seed)))
    run_command("compare", tmp_path / "a" / "out", tmp_path / "b" / "out", code=2)
    assert "expected the same test set in both folders, got other objects" in capsys.readouterr().err
    run_command("compare", tmp_path / "a" / "out", tmp_path / "nowhere", code=2)
    assert "compare: expected a folder that anomdet evaluate wrote, got" in capsys.readouterr().err
