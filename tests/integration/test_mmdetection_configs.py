"""Configs of MMDetection's with COCO data: trained, evaluated, used and exported as they are."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

import anomdet
from tests.integration.conftest import run_command

pytestmark = pytest.mark.slow
SMALL = {
    "faster_rcnn": (
        "mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py",
        "model = dict(backbone=dict(depth=18, init_cfg=None), neck=dict(in_channels=[64, 128, 256, 512]))",
    ),
    "rtmdet": (
        "mmdet::rtmdet/rtmdet_tiny_8xb32-300e_coco.py",
        "model = dict(backbone=dict(init_cfg=None, norm_cfg=dict(type='BN')), neck=dict(norm_cfg=dict(type='BN')), "
        "bbox_head=dict(norm_cfg=dict(type='BN')))",
    ),
    "yolox": ("mmdet::yolox/yolox_tiny_8xb8-300e_coco.py", ""),
}


@pytest.fixture(scope="module")
def coco(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A COCO file of eight images with its folder of images."""
    folder = tmp_path_factory.mktemp("coco")
    run_command("convert", data_dir, "--from", "anomdet", "--to", "coco", "--out", folder / "all")
    (found,) = [path for path in (folder / "all").rglob("*.json") if "annotations" in path.read_text()]
    content = json.loads(found.read_text())
    kept = [image for image in content["images"]][:8]
    ids = {image["id"] for image in kept}
    boxes = [one for one in content["annotations"] if one["image_id"] in ids]
    (folder / "eight.json").write_text(json.dumps({**content, "images": kept, "annotations": boxes}))
    (folder / "images").symlink_to(data_dir / "images")
    return folder


def write_config(folder: Path, coco: Path, name: str) -> Path:
    """MMDetection's own config over which the user has set the data, 96 px and one epoch."""
    base, model = SMALL[name]
    dataset = f"dict(data_root='{coco}/', ann_file='eight.json', data_prefix=dict(img='images/'))"
    wrapped = f"dict(dataset={dataset})" if name == "yolox" else dataset
    test = f"[dict(type='LoadImageFromFile'), dict(type='Resize', scale=(96, 96), keep_ratio=True), {PACK}]"
    own = f"dict(data_root='{coco}/', ann_file='eight.json', data_prefix=dict(img='images/'), pipeline={test})"
    path = folder / f"{name}.py"
    path.write_text(
        f"_base_ = '{base}'\n{model}\n"
        f"train_dataloader = dict(batch_size=4, num_workers=0, persistent_workers=False, dataset={wrapped})\n"
        f"val_dataloader = dict(batch_size=4, num_workers=0, persistent_workers=False, dataset={own})\n"
        "test_dataloader = val_dataloader\n"
        f"train_cfg = dict(max_epochs=1)\nwork_dir = '{folder / 'work'}'\n"
    )
    return path


PACK = "dict(type='PackDetInputs', meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor'))"


@pytest.mark.parametrize("name", SMALL)
def test_train_evaluate_predict_export(name: str, coco: Path, tmp_path: Path, data_dir: Path) -> None:
    config = write_config(tmp_path, coco, name)
    run_command("train", "-c", config)
    best = tmp_path / "work" / "best_model.pth"
    run_command("evaluate", "-c", config)
    ours = json.loads((tmp_path / "work" / "evaluation" / "metrics.json").read_text())
    assert (ours["num_images"], set(ours["per_class"])) == (8, {"1", "2", "3", "4"})
    theirs = as_mmdetections(best, tmp_path / "epoch_1.pth", config)
    run_command("evaluate", "-c", config, "--checkpoint", theirs, "--out", tmp_path / "again", "--split", "val")
    again = json.loads((tmp_path / "again" / "metrics.json").read_text())
    assert again["mAP"] == ours["mAP"]
    threshold = "test_evaluator.score_threshold=0.3"  # a checkpoint of MMDetection's has chosen none
    run_command("upgrade", theirs, "--config", config, "--out", tmp_path / "alone.pth", threshold)
    image = sorted((data_dir / "images").iterdir())[0]
    found, wanted = (anomdet.load(path)(image, min_score=0) for path in (tmp_path / "alone.pth", best))
    assert found.scores.tolist() == wanted.scores.tolist()
    some = tmp_path / "some"
    some.mkdir()
    for path in sorted((data_dir / "images").iterdir())[:8]:
        (some / path.name).symlink_to(path)
    run_command("export", tmp_path / "alone.pth", "--out", tmp_path / "exported", "--images", some)
    parity = json.loads((tmp_path / "exported" / "parity.json").read_text())
    assert (parity["passed"], parity["num_images"]) == (True, 8)
    assert list((tmp_path / "exported").glob("*.onnx"))


def as_mmdetections(checkpoint: Path, path: Path, config: Path) -> Path:
    """The weights as MMDetection's Runner saves them: the classes without numbers, no document of the detector."""
    content = torch.load(checkpoint, weights_only=True)
    classes = tuple(content["meta"]["dataset_meta"]["classes"])
    meta = {"dataset_meta": {"classes": classes}, "epoch": 1, "iter": 2, "cfg": config.read_text()}
    torch.save({"state_dict": content["state_dict"], "meta": meta}, path)
    return path


def test_what_is_missing_is_asked_for(coco: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = write_config(tmp_path, coco, "rtmdet")
    run_command("train", "-c", config, "train_dataloader.dataset.ann_file=none.json", code=2)
    error = capsys.readouterr().err
    assert "train_dataloader.dataset: expected a COCO file and its folder of images, got " in error
    assert "none.json" in error
    assert not (tmp_path / "work_data").exists()
