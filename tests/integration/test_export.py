"""A trained detector leaves PyTorch behind, and decides as before."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import anomdet
from tests.integration.conftest import ROOT, Trained, run_command

pytest.importorskip("onnxruntime")
# None of these is in the environment of `pip install anomdet[runtime]`; importing one ends the process.
ABSENT = ("torch", "torchvision", "mmengine", "mmcv", "mmdet", "albumentations", "onnx", "timm", "openvino")
_BLOCK = f"""
import sys
from importlib.abc import MetaPathFinder
class Absent(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {ABSENT!r}:
            raise SystemExit("imported " + name)
sys.meta_path.insert(0, Absent())
from anomdet.cli.main import main
main(sys.argv[1:])
"""


def run_without_torch(*arguments: str | Path, cwd: Path) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", _BLOCK, *map(str, arguments)]
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def exported(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("export") / "exported"
    run_command("export", trained.checkpoint_dir / "best_model.pth", "--out", folder, "--config", trained.config)
    return folder


def test_the_folder_is_whole_and_says_what_was_compared(exported: Path) -> None:
    names = ["export.html", "manifest.json", "model.onnx", "parity.json"]
    assert sorted(path.name for path in exported.iterdir()) == names
    page = (exported / "export.html").read_text(encoding="utf-8")
    assert page.count("<td>onnx fp32</td>") == page.count("<td>torch fp32</td>") == 1
    parity = json.loads((exported / "parity.json").read_text(encoding="utf-8"))
    assert parity["passed"]
    assert parity["num_images"] > 0
    assert parity["verdicts"] == []


def test_it_finds_what_the_checkpoint_finds(exported: Path, trained: Trained, data_dir: Path) -> None:
    names = sorted((data_dir / "images").iterdir())
    reference = anomdet.load(trained.checkpoint_dir / "best_model.pth")
    network = anomdet.load(exported)
    assert network.classes == reference.classes
    for one, other in zip(reference.predict(names), network.predict(names), strict=True):
        assert one.verdict == other.verdict
        assert len(one) == len(other)
        assert abs(one.part_score - other.part_score) < 1e-4


def test_predict_evaluate_and_report_need_no_torch(
    exported: Path, trained: Trained, data_dir: Path, tmp_path: Path
) -> None:
    said = run_without_torch("predict", exported, data_dir / "images", "--out", tmp_path / "out", cwd=tmp_path)
    assert "24 images" in said
    assert len((tmp_path / "out" / "results.jsonl").read_text(encoding="utf-8").splitlines()) == 24
    evaluation = trained.log_dir.parent / "for_files"
    run_command("evaluate", "-c", trained.config, "--out", evaluation, "evaluation.resamples=0")
    files = ["--predictions", evaluation / "predictions.json", "--ground-truth", evaluation / "ground_truth.json"]
    run_without_torch("evaluate", *files, "--out", tmp_path / "e", "evaluation.resamples=20", cwd=tmp_path)
    (tmp_path / "e" / "report.html").unlink()
    run_without_torch("report", tmp_path / "e", cwd=tmp_path)
    assert (tmp_path / "e" / "report.html").is_file()


@pytest.mark.parametrize("nms", ["inside", "outside"])
def test_the_reference_without_anomdet_finds_the_same(
    nms: str, exported: Path, trained: Trained, data_dir: Path, tmp_path: Path
) -> None:
    """examples/plain_python.py, with suppression in the graph and by its own."""
    images, folder = sorted((data_dir / "images").iterdir())[:4], tmp_path / nms
    if nms == "inside":
        shutil.copytree(exported, folder)
    else:
        more = ("--nms", nms, "--images", data_dir / "images")
        run_command("export", trained.checkpoint_dir / "best_model.pth", "--out", folder, *more)
    # The network has learned too little to reach its own threshold.
    least = 0.8 * anomdet.load(folder)(images[0], min_score=0.0).part_score
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    manifest["artifact"]["operating_point"].update(score_threshold=least, per_class=None)
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    detector, compared = anomdet.load(folder), 0
    for path in images:
        command = [sys.executable, ROOT / "examples" / "plain_python.py", folder, path]
        found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True, timeout=300).stdout)
        own = detector(path)
        assert found["verdict"] == own.verdict
        assert [row["class_num"] for row in found["detections"]] == own.class_nums.tolist()
        for row, box, score in zip(found["detections"], own.bboxes_xyxy, own.scores, strict=True):
            assert row["bbox_xyxy"] == pytest.approx(box.tolist(), abs=1e-3)
            assert row["score"] == pytest.approx(float(score), abs=1e-6)
        compared += len(own)
    assert compared > 0


def test_a_model_repository_of_triton_is_written_too(trained: Trained, data_dir: Path, tmp_path: Path) -> None:
    images = ("--images", data_dir / "images")
    run_command(
        "export", trained.checkpoint_dir / "best_model.pth", "--out", tmp_path / "out", "--triton", "defects", *images
    )
    assert (tmp_path / "out" / "triton" / "defects" / "config.pbtxt").is_file()
    copy = tmp_path / "out" / "triton" / "defects" / "1" / "model.onnx"
    assert copy.read_bytes() == (tmp_path / "out" / "model.onnx").read_bytes()
    assert anomdet.load(tmp_path / "out").classes


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda folder: (folder / "model.onnx").write_bytes(b"another"), "expected the hash"),
        (lambda folder: (folder / "model.onnx").unlink(), "a file of the exported network, got nothing there"),
        (lambda folder: (folder / "manifest.json").write_text("{", encoding="utf-8"), "expected JSON"),
        (lambda folder: (folder / "manifest.json").write_text("{}", encoding="utf-8"), "written by another version"),
        (lambda folder: (folder / "manifest.json").unlink(), "a folder that anomdet export wrote"),
    ],
)
def test_a_changed_folder_is_refused(exported: Path, tmp_path: Path, change: object, said: str) -> None:
    folder = tmp_path / "copy"
    folder.mkdir()
    for path in exported.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    change(folder)  # type: ignore[operator]
    with pytest.raises(anomdet.UserError, match=said):
        anomdet.load(folder)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda content: content["network"].update(with_nms=False),
            "expected a network of images, sizes with 2 outputs",
        ),
        (lambda content: content["network"].update(floor=1.0), "floor: expected a number from 0, below 1, got 1.0"),
        (
            lambda content: content["artifact"]["preprocessing"].update(pad_multiple=1),
            "a network that runs on images as",
        ),
        (
            lambda content: _of_one_class(content["artifact"]),
            "expected a network of 1 classes, got a detection of class",
        ),
    ],
)
def test_a_manifest_of_another_network_is_refused_in_one_sentence(
    exported: Path, tmp_path: Path, change: Any, said: str
) -> None:
    """The files have their hashes, and do not belong together."""
    folder = shutil.copytree(exported, tmp_path / "copy")
    content = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    change(content)
    (folder / "manifest.json").write_text(json.dumps(content), encoding="utf-8")
    image = np.full((50, 90, 3), 128, np.uint8)
    with pytest.raises(anomdet.UserError, match=said):
        anomdet.load(folder)(image, min_score=0.0)


def _of_one_class(artifact: dict[str, Any]) -> None:
    artifact.update(class_nums=artifact["class_nums"][:1], class_names=artifact["class_names"][:1])
    artifact["operating_point"].update(per_class=None, score_threshold=0.5)


def test_a_network_that_decides_otherwise_is_not_written(
    trained: Trained, data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from anomdet.exporting.graph import Graph

    monkeypatch.setattr("anomdet.workflows.exports.parity._LEAST_SCORE", 0.0)  # the network has learned too little
    monkeypatch.setattr(Graph, "normalised", _without_normalisation(Graph.normalised))
    with pytest.raises(anomdet.UserError, match="first difference: prepare: the normalisation"):
        anomdet.export(trained.checkpoint_dir / "best_model.pth", tmp_path / "out", images=data_dir / "images")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["parity.json"]


def _without_normalisation(own: object) -> object:
    return lambda self, images, sizes: own(self, images, sizes) * 0.5  # type: ignore[operator]
