"""``anomdet report``: the page again, from the files of an evaluation alone."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from anomdet.workflows.report import report
from tests.integration.conftest import run_command
from tests.integration.test_evaluate_files import write_case


@pytest.fixture
def evaluated(tmp_path: Path) -> Path:
    """The folder of an evaluation with a report and images."""
    truth, found = write_case(tmp_path)
    images = tmp_path / "images"
    for entry in json.loads(truth.read_text())["images"]:
        path = images / entry["file_name"]
        path.parent.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(entry["id"]).integers(
            0, 255, (entry["height"], entry["width"], 3), dtype=np.uint8
        )
        cv2.imwrite(str(path), noise)
    files = ("--ground-truth", truth, "--predictions", found, "--images", images)
    run_command("evaluate", *files, "--out", tmp_path / "out", "evaluation.resamples=20")
    return tmp_path / "out"


def test_the_page_is_the_same_again(evaluated: Path) -> None:
    first = (evaluated / "report.html").read_bytes()
    assert b"data:image/jpeg" in first
    (evaluated / "report.html").unlink()
    run_command("report", evaluated)
    assert (evaluated / "report.html").read_bytes() == first


def test_a_page_that_is_there_is_kept(evaluated: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (evaluated / "report.html").write_text("with my notes", encoding="utf-8")
    run_command("report", evaluated)
    kept = list((evaluated / "previous").rglob("report.html"))
    assert [path.read_text(encoding="utf-8") for path in kept] == ["with my notes"]
    assert "earlier page was moved to" in capsys.readouterr().out


def test_on_another_machine(evaluated: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The images are not where they were: the page says so, and --images finds them."""
    moved = (tmp_path / "images").rename(tmp_path / "elsewhere")
    page = tmp_path / "shared" / "page.html"
    run_command("report", evaluated, "--out", page)
    assert "the report shows no images" in capsys.readouterr().err
    assert b"data:image/jpeg" not in page.read_bytes()
    run_command("report", evaluated, "--images", moved, "--out", page)
    assert b"data:image/jpeg" in page.read_bytes()


@pytest.mark.parametrize("name", ["../secret.png", "/{root}/secret.png", "a/../../secret.png"])
def test_no_image_outside_the_folder_is_shown(evaluated: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "images").rename(tmp_path / "gone")
    (tmp_path / "images").mkdir()
    cv2.imwrite(str(tmp_path / "secret.png"), np.zeros((500, 500, 3), np.uint8))
    details = json.loads((evaluated / "details.json").read_text())
    for case in details["cases"]:
        case["file_name"] = name.format(root=tmp_path)
    (evaluated / "details.json").write_text(json.dumps(details))
    assert b"data:image/jpeg" not in report(evaluated).path.read_bytes()


def test_neither_torch_nor_the_evaluation_is_loaded(evaluated: Path) -> None:
    code = (
        "import sys\nfrom anomdet.workflows.report import report\n"
        f"report({str(evaluated)!r})\n"
        "print([name for name in sys.modules if name in ('torch', 'mmengine', 'mmdet', 'anomdet.evaluation.summary')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("file", ["metrics.json", "details.json"])
def test_what_a_stranger_wrote_runs_no_script(evaluated: Path, file: str) -> None:
    """Every text of the files becomes markup: none of it may end up as a tag."""
    attack = "</script><img src=x onerror=alert(1)>"

    def spoil(node: object) -> object:
        if isinstance(node, dict):
            return {key: spoil(value) for key, value in node.items()}
        if isinstance(node, list):
            return [spoil(value) for value in node]
        return attack if isinstance(node, str) else node

    content = spoil(json.loads((evaluated / file).read_text()))
    (evaluated / file).write_text(json.dumps(content))
    assert "<img src=x" not in report(evaluated).path.read_text(encoding="utf-8")


@pytest.mark.parametrize("command", ["evaluate", "report"])
def test_images_of_12_bit_are_not_drawn_dark(tmp_path: Path, command: str) -> None:
    """In files of 16 bit: the same scale as for a data set that is trained on."""
    truth, found = write_case(tmp_path)
    images = tmp_path / "images"
    for entry in json.loads(truth.read_text())["images"]:
        path = (images / entry["file_name"]).with_suffix(".png")
        path.parent.mkdir(parents=True, exist_ok=True)
        size = (entry["height"], entry["width"], 3)
        cv2.imwrite(str(path), np.random.default_rng(entry["id"]).integers(2000, 4096, size).astype(np.uint16))
        path.rename(images / entry["file_name"])
    files = ("--ground-truth", truth, "--predictions", found, "--images", images)
    run_command("evaluate", *files, "--out", tmp_path / "out", "evaluation.resamples=0")
    page = tmp_path / "out" / "report.html"
    if command == "report":  # an older folder does not say the bits
        metrics = json.loads((tmp_path / "out" / "metrics.json").read_text(encoding="utf-8"))
        assert metrics["about"].pop("bit_depth") == 12
        (tmp_path / "out" / "metrics.json").write_text(json.dumps(metrics), encoding="utf-8")
        run_command("report", tmp_path / "out")
    encoded = re.findall(r"data:image/jpeg;base64,([A-Za-z0-9+/=]+)", page.read_text(encoding="utf-8"))
    assert encoded
    pixels = cv2.imdecode(np.frombuffer(base64.b64decode(encoded[0]), np.uint8), cv2.IMREAD_COLOR)
    assert pixels.mean() > 100


def test_a_title_and_a_threshold_for_each_class(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    truth, found = write_case(tmp_path)
    files = ("--ground-truth", truth, "--predictions", found, "--out", tmp_path / "out", "evaluation.resamples=0")
    nums = [category["id"] for category in json.loads(truth.read_text())["categories"]]
    each = "metrics.score_threshold={" + ", ".join(f"{num}: 0.{i + 2}" for i, num in enumerate(nums)) + "}"
    run_command("evaluate", *files, "report.title=Line 3, camera 2", each)
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["score_threshold"] is None
    found_thrs = [row["score_threshold"] for row in metrics["per_class"].values()]
    assert found_thrs == [float(f"0.{i + 2}") for i in range(len(nums))]
    assert "<h1>Line 3, camera 2</h1>" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    run_command("evaluate", *files, "metrics.score_threshold={99: 0.5}", code=2)
    assert "metrics.score_threshold: expected one for each of the classes" in capsys.readouterr().err
