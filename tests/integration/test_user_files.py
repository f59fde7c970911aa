"""Backbones and models from a user's file: an interruption, bfloat16, many processes, evaluation and pictures."""

from __future__ import annotations

import json
import math
import re
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from anomdet.data.synth.generate import generate
from anomdet.engine.checkpoint import load_checkpoint
from anomdet.engine.mixed_precision import MixedPrecision
from tests.integration.conftest import CLASSES, ROOT, named_files, run_command
from tests.integration.test_distributed import run_torchrun
from tests.integration.test_train import assert_same_state, signal_at

TORCHVISION = """
from torch import nn
from torchvision.models import detection
from torchvision.ops import MultiScaleRoIAlign

class CustomModel(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.detector = detection.{make}(
            weights=None, weights_backbone=None, num_classes=config["model"]["num_classes"] + 1, {arguments}
        )

    def forward(self, images, targets=None):
        return self.detector(images, targets)
"""
FASTER_RCNN = TORCHVISION.format(
    make="fasterrcnn_mobilenet_v3_large_320_fpn",
    arguments="""min_size=64, max_size=64, rpn_post_nms_top_n_train=20, box_batch_size_per_image=8,
            box_score_thresh=0.0, box_roi_pool=MultiScaleRoIAlign(["0", "1", "pool"], 2, 2)""",
)
# Small heads: the backbones are what is tried.
DENSE = {"neck": {"out_channels": 64}, "bbox_head": {"in_channels": 64, "feat_channels": 64}}
TWO_STAGE = {
    "neck": {"out_channels": 32},
    "rpn_head": {"in_channels": 32, "feat_channels": 32},
    "roi_head": {"bbox_roi_extractor": {"out_channels": 32}, "bbox_head": {"in_channels": 32, "fc_out_channels": 32}},
    "train_cfg": {"rpn_proposal": {"max_per_img": 20}, "rcnn": {"sampler": {"num": 8}}},
}
MOBILENET, LITE0 = (
    str(ROOT / "examples" / f"custom_backbone_{name}.py") for name in ("mobilenet_v2", "efficientnet_lite0")
)
MODELS: dict[str, dict[str, Any]] = {
    "torchvision's faster r-cnn": {"custom_model_file": FASTER_RCNN},
    "mobilenet_v2 under faster_rcnn": {
        "name": "faster_rcnn", "custom_backbone_file": MOBILENET, "overrides": TWO_STAGE
    },
    "efficientnet_lite0 under atss": {"name": "atss", "custom_backbone_file": LITE0, "overrides": DENSE},
}  # fmt: skip


BFLOAT16 = "mobilenet_v2 under faster_rcnn"  # alone: emulated where the CPU lacks it, several times slower


pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """12 images, 8 of them for training."""
    folder = tmp_path_factory.mktemp("few")
    generate(folder, num_images=12, size_hw=(96, 96))
    return folder


def write_run(folder: Path, data_dir: Path, name: str) -> Path:
    """One epoch of four steps of two images."""
    given = MODELS[name]
    if "custom_model_file" in given:
        (folder / "model.py").write_text(given["custom_model_file"], encoding="utf-8")
        given = {"custom_model_file": str(folder / "model.py")}
    settings = {
        "model": {"pretrained": False, **given},
        "training": {
            "epochs": 1,
            "batch_size": 2,
            "use_amp": name == BFLOAT16,
            "amp_dtype": "bfloat16",
            "ema": "overrides" in given,
        },
        "data": {"data_dir": str(data_dir), "classes": CLASSES, "image_size": 96, "num_workers": 0},
        "metrics": {"score_threshold": 0.0},
        "logging": {"log_dir": str(folder / "logs"), "checkpoint_dir": str(folder / "checkpoints")},
    }
    path = folder / "run.yaml"
    path.write_text(yaml.safe_dump(settings), encoding="utf-8")
    return path


@pytest.fixture
def precisions(monkeypatch: pytest.MonkeyPatch) -> set[torch.dtype]:
    """Those that the training steps ran in."""
    seen: set[torch.dtype] = set()
    update = MixedPrecision.update_params

    def noting(self: MixedPrecision, *args: Any, **kwargs: Any) -> None:
        seen.add(self.dtype)
        update(self, *args, **kwargs)

    monkeypatch.setattr(MixedPrecision, "update_params", noting)
    return seen


@pytest.mark.parametrize("name", MODELS)
def test_goes_on_after_an_interruption_then_is_measured_and_drawn(
    name: str, few: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, precisions: set[torch.dtype]
) -> None:
    config = write_run(tmp_path, few, name)
    whole = (f"logging.log_dir={tmp_path / 'whole'}", f"logging.checkpoint_dir={tmp_path / 'whole'}")
    run_command("train", "-c", config, *whole)
    with monkeypatch.context() as patch:
        signal_at(patch, signal.SIGINT, iteration=1)
        run_command("train", "-c", config, code=130)
    last = tmp_path / "checkpoints" / "last.pth"
    assert load_checkpoint(last)["meta"]["batch"] == 2
    run_command("train", "-c", config, "--resume")
    assert precisions == ({torch.bfloat16} if name == BFLOAT16 else set())
    assert_same_state(load_checkpoint(tmp_path / "whole" / "last.pth"), load_checkpoint(last))
    run_command("evaluate", "-c", config)
    predictions = json.loads((tmp_path / "logs" / "evaluation" / "predictions.json").read_text(encoding="utf-8"))
    assert predictions or "custom_backbone_file" in MODELS[name]  # the presets leave out low scores
    assert {one["category_id"] for one in predictions} <= set(CLASSES)
    if "custom_model_file" in MODELS[name]:
        checkpoint, own = tmp_path / "checkpoints" / "best_model.pth", ("--custom-file", tmp_path / "model.py")
        run_command("export", checkpoint, "--out", tmp_path / "out", "--config", config, *own)
        assert json.loads((tmp_path / "out" / "parity.json").read_text(encoding="utf-8"))["num_rows"] > 0
    run_command("visualize", "-c", config, "--limit", "2")
    assert list((tmp_path / "logs" / "visualization").glob("part_*.jpg"))


@pytest.mark.parametrize("name", ["torchvision's faster r-cnn", "efficientnet_lite0 under atss"])
def test_trains_in_two_processes(name: str, few: Path, tmp_path: Path) -> None:
    output = run_torchrun(write_run(tmp_path, few, name))
    (loss,) = re.findall(r"epoch 1/1  loss (\S+)", output)
    assert math.isfinite(float(loss))
    assert all(path.is_file() for path in named_files(output))
    last = load_checkpoint(tmp_path / "checkpoints" / "last.pth")
    assert last["meta"]["iter"] == 2  # 8 images, 2 in a step of each of two processes
    assert not any(name.startswith("module.") for name in last["state_dict"])
