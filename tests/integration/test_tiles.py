"""One tiling setting from training to the exported file: results are of whole images, in their own pixels."""

from __future__ import annotations

import json
import multiprocessing
import os
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

import anomdet
from anomdet.boxes import pairwise_iou, xywh_to_xyxy
from anomdet.data.synth.generate import generate
from tests.integration.conftest import (
    ROOT,
    Trained,
    assert_same_weights,
    run_command,
    shared,
    weights,
    write_settings,
)
from tests.integration.test_distributed import finished, start

Capture = pytest.CaptureFixture[str]
TILES = {"size": 96, "overlap": 32}


@pytest.fixture(scope="session")
def large_images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """12 images of 260 x 200 px: 12 tiles of 96 px each. Read only."""
    return shared(tmp_path_factory, "large", lambda folder: generate(folder, num_images=12, size_hw=(200, 260)))


def settings_with(folder: Path, data_dir: Path, tiles: object, **training: object) -> Path:
    path = write_settings(folder, data_dir, **training)
    settings = yaml.safe_load(path.read_text(encoding="utf-8"))
    settings["data"]["tiles"] = tiles
    path.write_text(yaml.safe_dump(settings), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def tiled(tmp_path_factory: pytest.TempPathFactory, large_images: Path) -> Trained:
    """Two epochs on tiles. Read only."""

    def train(folder: Path) -> None:
        anomdet.train(settings_with(folder, large_images, TILES, epochs=2))

    folder = shared(tmp_path_factory, "tiled", train)
    return Trained(folder / "run.yaml", folder / "logs", folder / "checkpoints", "")


def test_the_log_counts_images_and_tiles(tiled: Trained) -> None:
    log = (tiled.log_dir / "training.log").read_text(encoding="utf-8")
    assert "training images in " in log
    num_images = int(log.split(" training images in ")[0].split()[-1])
    assert f"{num_images} training images in {12 * num_images} tiles" in log
    assert "tiles with each class, in the data -> drawn in an epoch" in log


def test_the_checkpoint_carries_the_tiles(tiled: Trained) -> None:
    document = torch.load(tiled.checkpoint_dir / "best_model.pth", weights_only=False)["meta"]["inference"]
    assert document["tiles"] == {"size_hw": (96, 96), "overlap_hw": (32, 32), "include_whole": False}


def test_evaluation_gives_whole_images_and_is_what_predict_finds(tiled: Trained, tmp_path: Path) -> None:
    """The settings of the evaluation do not name the tiles: the checkpoint knows them."""
    settings = yaml.safe_load(tiled.config.read_text(encoding="utf-8"))
    del settings["data"]["tiles"]
    settings["logging"]["log_dir"] = str(tmp_path / "logs")
    found = anomdet.evaluate(settings, checkpoint=tiled.checkpoint_dir / "best_model.pth", split="train")
    coco = json.loads((tmp_path / "logs/evaluation/ground_truth.json").read_text(encoding="utf-8"))
    assert {(image["height"], image["width"]) for image in coco["images"]} == {(200, 260)}
    boxes = xywh_to_xyxy(np.array([row["bbox"] for row in found.predictions]))
    assert boxes[:, 2].max() > 150, "boxes reach beyond the first tile"
    assert not (boxes < -0.01).any() and not (boxes > [260.01, 200.01, 260.01, 200.01]).any()
    detector = anomdet.load(tiled.checkpoint_dir / "best_model.pth", device="cpu")
    images_dir = Path(settings["data"]["data_dir"]) / "images"
    least = float(np.quantile([row["score"] for row in found.predictions], 0.9))
    for image in coco["images"][:4]:
        rows = [row for row in found.predictions if row["image_id"] == image["id"] and row["score"] >= least]
        result = detector.with_threshold(least)(images_dir / image["file_name"])
        assert rows
        assert len(result) == len(rows)
        wanted = xywh_to_xyxy(np.array([row["bbox"] for row in rows]))
        assert pairwise_iou(wanted, result.bboxes_xyxy.astype(float)).max(axis=1).min() > 0.999


def test_tiles_off_measures_the_same_checkpoint_on_whole_images(tiled: Trained, tmp_path: Path) -> None:
    out = {"logging.log_dir": str(tmp_path)}
    overrides = [f"{key}={value}" for key, value in out.items()]
    tiles = anomdet.evaluate(tiled.config, overrides, out=tmp_path / "tiles", split="train")
    line = "tiles as trained: 96 x 96 px, overlap 32 x 32 px; --tiles off measures on whole images"
    assert (tmp_path / "evaluation.log").read_text(encoding="utf-8").count(line) == 1
    off = anomdet.evaluate(tiled.config, overrides, out=tmp_path / "off", split="train", tiles="off")
    assert (tmp_path / "evaluation.log").read_text(encoding="utf-8").count(line) <= 1, "whole images are no tiles"
    assert [row["bbox"] for row in tiles.predictions] != [row["bbox"] for row in off.predictions]
    with pytest.raises(anomdet.UserError, match="--tiles: expected as-trained, off or compare, got 'on'"):
        anomdet.evaluate(tiled.config, overrides, out=tmp_path / "no", tiles="on")


def test_other_tiles_than_the_checkpoints_are_refused(tiled: Trained, tmp_path: Path) -> None:
    with pytest.raises(anomdet.UserError, match=r"data.tiles: expected size \[96, 96\], overlap \[32, 32\] px, as in"):
        anomdet.evaluate(tiled.config, ["data.tiles={size: 64}", f"logging.log_dir={tmp_path}"])


def test_the_same_weights_with_workers_and_without(tiled: Trained, large_images: Path, tmp_path: Path) -> None:
    config = settings_with(tmp_path, large_images, TILES, epochs=2)
    before = multiprocessing.active_children()
    anomdet.train(config, ["data.num_workers=2"])
    assert multiprocessing.active_children() == before, "processes that load images outlive their run"
    assert_same_weights(tiled.checkpoint_dir / "last.pth", tmp_path / "checkpoints/last.pth")


def test_a_resumed_run_equals_an_uninterrupted_one(tiled: Trained, large_images: Path, tmp_path: Path) -> None:
    """Stopped after the first of two epochs, as a schedule of two has it."""
    config = settings_with(tmp_path, large_images, TILES, epochs=2)
    stop = tmp_path / "stop.py"
    stop.write_text(
        "from mmengine.hooks import Hook\nfrom mmengine.registry import HOOKS\n\n\n@HOOKS.register_module()\n"
        "class StopAfterOne(Hook):\n    priority = 'LOWEST'\n\n    def before_train_epoch(self, runner):\n"
        "        if runner.epoch == 1:\n            raise KeyboardInterrupt\n",
        encoding="utf-8",
    )
    import sys

    sys.path.insert(0, str(tmp_path))
    try:
        with pytest.raises(KeyboardInterrupt):
            anomdet.train(config, ["plugins=[stop]", "training.hooks=[{type: StopAfterOne}]"])
    finally:
        sys.path.remove(str(tmp_path))
    anomdet.train(config, resume=True)
    assert_same_weights(tiled.checkpoint_dir / "last.pth", tmp_path / "checkpoints/last.pth")


def test_null_and_auto_where_no_tiles_are_needed_are_bitwise_equal(data_dir: Path, tmp_path: Path) -> None:
    """On images that show their defects well enough, ``auto`` says why and trains as without the key."""
    for name, tiles in (("null", None), ("auto", "auto")):
        anomdet.train(settings_with(tmp_path / name, data_dir, tiles, epochs=1))
    assert_same_weights(tmp_path / "null/checkpoints/last.pth", tmp_path / "auto/checkpoints/last.pth")
    assert len(weights(tmp_path / "null/checkpoints/last.pth")) > 100
    assert "data.tiles: auto: no tiles: " in (tmp_path / "auto/logs/training.log").read_text(encoding="utf-8")
    left = yaml.safe_load((tmp_path / "auto/logs/settings.yaml").read_text(encoding="utf-8"))
    assert left["data"]["tiles"] is None
    assert "tiles" not in (tmp_path / "null/logs/config.py").read_text(encoding="utf-8")


def test_the_config_beside_the_outputs_trains_to_the_same_weights(tiled: Trained, tmp_path: Path) -> None:
    text = (tiled.log_dir / "config.py").read_text(encoding="utf-8")
    config = tmp_path / "config.py"
    config.write_text(text.replace(str(tiled.log_dir.parent), str(tmp_path)), encoding="utf-8")
    anomdet.train(config)
    assert_same_weights(tiled.checkpoint_dir / "last.pth", tmp_path / "checkpoints/last.pth")


def test_predict_uses_the_tiles_without_an_option(tiled: Trained, tmp_path: Path, large_images: Path) -> None:
    model, images = tiled.checkpoint_dir / "best_model.pth", large_images / "images"
    run_command("predict", model, images, "--out", tmp_path / "out", "--threshold", "0.05")
    lines = (tmp_path / "out/results.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 12
    assert all(json.loads(line)["size_hw"] == [200, 260] for line in lines)


def test_an_exported_network_tiles_as_its_checkpoint(tiled: Trained, tmp_path: Path, large_images: Path) -> None:
    pytest.importorskip("onnxruntime")
    model, images = tiled.checkpoint_dir / "best_model.pth", large_images / "images"
    run_command("export", model, "--out", tmp_path / "onnx", "--images", images)
    exported, own = anomdet.load(tmp_path / "onnx"), anomdet.load(model, device="cpu")
    assert (
        exported.info["tiles"]
        == own.info["tiles"]
        == {"size_hw": (96, 96), "overlap_hw": (32, 32), "include_whole": False}
    )
    image = sorted(images.iterdir())[0]
    least = float(own(image, min_score=0).scores[10])
    found, wanted = (one.with_threshold(least)(image) for one in (exported, own))
    assert len(wanted) == len(found) > 10
    assert pairwise_iou(wanted.bboxes_xyxy.astype(float), found.bboxes_xyxy.astype(float)).max(axis=1).min() > 0.99


def test_the_comparison_measures_one_checkpoint_both_ways(tiled: Trained, tmp_path: Path, capsys: Capture) -> None:
    out = tmp_path / "out"
    run_command("evaluate", "-c", tiled.config, f"logging.log_dir={tmp_path}", "--tiles", "compare", "--out", out)
    printed = capsys.readouterr().out
    assert "the same on whole images:" in printed
    assert (out / "metrics.json").is_file() and (out / "untiled/metrics.json").is_file()
    numbers = json.loads((out / "untiled/comparison.json").read_text(encoding="utf-8"))["numbers"]
    assert "mAP_50" in numbers


def test_a_comparison_needs_a_checkpoint_with_tiles(trained: Trained, tmp_path: Path, capsys: Capture) -> None:
    arguments = ("evaluate", "-c", trained.config, f"logging.log_dir={tmp_path}", "--tiles", "compare")
    run_command(*arguments, code=2)
    assert "--tiles compare: expected a checkpoint that was trained on tiles" in capsys.readouterr().err


RECORDER = """
import hashlib
import json
import os
from pathlib import Path

from mmengine.hooks import Hook
from mmengine.registry import HOOKS


@HOOKS.register_module()
class RecordTiles(Hook):
    priority = "LOWEST"

    def __init__(self, out, stop_before=None):
        self.out, self.stop_before = Path(out), stop_before

    def before_train_epoch(self, runner):
        if runner.epoch == self.stop_before:
            raise KeyboardInterrupt

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        for pixels, sample in zip(data_batch["inputs"], data_batch["data_samples"]):
            boxes = sample.gt_instances.bboxes.tensor.tolist()
            seen = hashlib.sha256(pixels.numpy().tobytes() + json.dumps(boxes).encode()).hexdigest()
            with (self.out / f"{os.environ.get('RANK', 0)}.txt").open("a") as file:
                file.write(f"{runner.iter} {seen}\\n")
"""


@pytest.mark.slow
def test_two_processes_see_the_tiles_of_one_and_resume_bitwise(
    large_images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One tile each of two processes are two tiles of one, at each step; ``test_ranks`` has their gradients."""
    (tmp_path / "recorder.py").write_text(RECORDER, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    path = os.pathsep.join([str(tmp_path), str(ROOT)])

    def run(name: str, batch_size: int, stop_before: int | None = None) -> tuple[Path, list[str]]:
        out = tmp_path / name
        (out / "seen").mkdir(parents=True)
        config = settings_with(out, large_images, TILES, epochs=2, batch_size=batch_size, epoch_images=8)
        hook = f"{{type: RecordTiles, out: {str(out / 'seen')!r}, stop_before: {stop_before or 'null'}}}"
        return config, ["plugins=[recorder]", f"training.hooks=[{hook}]"]

    def seen(name: str) -> list[str]:
        files = (tmp_path / name / "seen").iterdir()
        return sorted(line for file in files for line in file.read_text(encoding="utf-8").splitlines())

    config, overrides = run("alone", batch_size=2)
    anomdet.train(config, overrides)
    script = ROOT / "tools/dist_train.sh"
    config, overrides = run("both", batch_size=1)
    finished(start("bash", script, config, "2", "--cfg-options", *overrides, PYTHONPATH=path))
    assert len(seen("alone")) == 2 * 8 and len(set(seen("alone"))) > 8
    assert seen("both") == seen("alone")
    config, overrides = run("stopped", batch_size=1, stop_before=1)
    finished(start("bash", script, config, "2", "--cfg-options", *overrides, PYTHONPATH=path), code=1)
    overrides = [overrides[0], overrides[1].replace("stop_before: 1", "stop_before: null")]
    finished(start("bash", script, config, "2", "--resume", "--cfg-options", *overrides, PYTHONPATH=path))
    assert seen("stopped") == seen("both")
    assert_same_weights(tmp_path / "both/checkpoints/last.pth", tmp_path / "stopped/checkpoints/last.pth")
