"""A detector with tiles in a watched folder, behind HTTP, and quantised: it needs no option anywhere."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import anomdet
from anomdet.boxes import pairwise_iou
from tests.integration.conftest import Trained, run_command
from tests.integration.test_serve import ask, serving
from tests.integration.test_tiles import large_images, tiled

__all__ = ["large_images", "tiled"]  # fixtures

TILING = {"size_hw": (96, 96), "overlap_hw": (32, 32), "include_whole": False}


def first_images(large_images: Path, count: int = 3) -> list[Path]:
    return sorted((large_images / "images").iterdir())[:count]


def test_a_watched_folder_gets_results_of_whole_images(tiled: Trained, large_images: Path, tmp_path: Path) -> None:
    model, arriving, out = tiled.checkpoint_dir / "best_model.pth", tmp_path / "arriving", tmp_path / "out"
    arriving.mkdir()
    for path in first_images(large_images):
        shutil.copy(path, arriving / path.name)
    run_command("predict", model, arriving, "--watch", "--idle", "4", "--out", out, "--threshold", "0.05")
    lines = (out / "results.jsonl").read_text(encoding="utf-8").splitlines()
    own = anomdet.load(model, device="cpu", threshold=0.05)
    assert len(lines) == 3
    for document in map(json.loads, lines):
        assert document["size_hw"] == [200, 260]
        assert len(document["detections"]) == len(own(arriving / document["key"]))


def test_the_server_says_of_a_whole_image_what_the_detector_says(
    tiled: Trained, large_images: Path, tmp_path: Path
) -> None:
    pytest.importorskip("onnxruntime")
    pytest.importorskip("fastapi")
    model, images = tiled.checkpoint_dir / "best_model.pth", large_images / "images"
    run_command("export", model, "--out", tmp_path / "onnx", "--images", images)
    detector = anomdet.load(tmp_path / "onnx")
    least = float(detector(first_images(large_images)[0], min_score=0).scores[10])
    with serving(tmp_path / "onnx", "--batch", "3") as (_, port):
        for path in first_images(large_images):
            status, body = ask(port, f"/predict?min_score={least}", path.read_bytes())
            found = json.loads(body)
            assert status == 200, body
            assert found["size_hw"] == [200, 260]
            assert len(found["detections"]) == len(detector(path, min_score=least)) > 0


def test_in_openvino_it_tiles_as_its_checkpoint(tiled: Trained, large_images: Path, tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    model, images = tiled.checkpoint_dir / "best_model.pth", large_images / "images"
    run_command("export", model, "--out", tmp_path / "ov", "--format", "openvino", "--images", images)
    exported, own = anomdet.load(tmp_path / "ov"), anomdet.load(model, device="cpu")
    assert exported.info["tiles"] == TILING
    image = first_images(large_images)[0]
    least = float(own(image, min_score=0).scores[10])
    found, wanted = (one.with_threshold(least)(image) for one in (exported, own))
    assert len(wanted) == len(found) > 10
    assert pairwise_iou(wanted.bboxes_xyxy.astype(float), found.bboxes_xyxy.astype(float)).max(axis=1).min() > 0.98
