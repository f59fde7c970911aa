"""Configs of MMDetection's with COCO data: trained, evaluated, used and exported as they are."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch

import anomdet
from anomdet.cli import mmdet_tools
from anomdet.errors import UserError
from anomdet.views import Views
from anomdet.workflows import mmdet_options as parsers
from anomdet.workflows.mmdet_options import overrides_of
from anomdet.workflows.runs.build import complete
from anomdet.workflows.runs.fit_machine import for_machine
from anomdet.workflows.runs.libraries import load_libraries
from anomdet.workflows.runs.run_config import load_run
from anomdet.workflows.runs.views import views_of
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


def run_train(*arguments: str | Path, code: int = 0) -> None:
    with pytest.raises(SystemExit) as ended:
        mmdet_tools.train([str(argument) for argument in arguments])
    assert (ended.value.code or 0) == code


def fitted(config: Path, *overrides: str) -> Any:
    """The config that a Runner would be built from."""
    load_libraries()
    return for_machine(complete(load_run(config, overrides).config))[0]


def learning_rate(log_dir: Path) -> float:
    """The highest of the steps."""
    lines = map(json.loads, (log_dir / "scalars.json").read_text().splitlines())
    return float(max(line["lr"] for line in lines if "lr" in line))


def test_auto_scale_lr_uses_the_batch_of_the_config_and_of_its_base(coco: Path, tmp_path: Path) -> None:
    """MMDetection's Faster R-CNN means its rate of 0.02 for 16 images; the tiny runs have 4 and a constant rate."""
    config = write_config(tmp_path, coco, "faster_rcnn")
    with config.open("a", encoding="utf-8") as file:
        file.write("param_scheduler = []\n")
    run_train(config, "--work-dir", tmp_path / "scaled", "--auto-scale-lr")
    assert learning_rate(tmp_path / "scaled") == pytest.approx(0.02 * 4 / 16)
    again = tmp_path / "scaled" / "config.py"  # of the run: it repeats it
    assert fitted(again).optim_wrapper.optimizer.lr == pytest.approx(0.02 * 4 / 16)
    own = tmp_path / "own.py"
    own.write_text(f"{config.read_text()}auto_scale_lr = dict(enable=True, base_batch_size=2)\n", encoding="utf-8")
    scaled = fitted(own, "auto_scale_lr.base_batch_size=8")
    assert scaled.optim_wrapper.optimizer.lr == pytest.approx(0.02 * 4 / 8)
    assert not scaled.auto_scale_lr.enable  # else MMEngine's Runner would scale it again


def test_auto_scale_lr_without_a_batch_leaves_nothing_and_its_hint_works(
    coco: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = write_config(tmp_path, coco, "faster_rcnn")
    with config.open("a", encoding="utf-8") as file:
        file.write("auto_scale_lr = None\n")
    run_train(config, "--auto-scale-lr", code=2)
    error = capsys.readouterr().err
    assert "expected auto_scale_lr.base_batch_size: the batch that the learning rate is meant for, got none" in error
    assert [path.name for path in tmp_path.iterdir()] == [config.name]
    (hint,) = re.findall(r"write in CONFIG: (auto_scale_lr = .*)", error)
    config.write_text(config.read_text().replace("auto_scale_lr = None", hint), encoding="utf-8")
    config_with = overrides_of(parsers.train().parse_args([str(config), "--auto-scale-lr"]))
    assert fitted(config, *config_with).optim_wrapper.optimizer.lr == pytest.approx(0.02 * 4 / 16)


def test_tta_of_a_config_of_mmdetections(coco: Path, tmp_path: Path) -> None:
    config = write_config(tmp_path, coco, "rtmdet")
    options = parsers.test().parse_args([str(config), "best_model.pth", "--tta"])
    assert views_of(fitted(config, *overrides_of(options))) == Views(("horizontal",), ())
    config.write_text(f"{config.read_text()}tta = dict(flips=['vertical'])\n", encoding="utf-8")
    assert views_of(fitted(config, *overrides_of(options))) == Views(("vertical",), ())


def test_other_images_are_not_taken_for_those_that_were_converted(
    coco: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same COCO file beside another folder of images: the run would have learned from the images of before."""
    config = write_config(tmp_path, coco, "rtmdet")
    load_run(config)
    other = tmp_path / "other"
    other.symlink_to(coco / "images")
    folders = [f"{name}_dataloader.dataset.data_prefix.img={other}" for name in ("train", "val", "test")]
    with pytest.raises(UserError, match="expected the data of this config, got that of other COCO files or images"):
        load_run(config, folders)


@pytest.mark.parametrize(
    ("resize", "size"),
    [
        ("type='Resize', scale=64", 64),
        ("type='FixShapeResize', width=96, height=64", [64, 96]),
        (
            "type='Resize', scale_factor=0.5",
            "val_dataloader: Resize: expected a size in pixels, as scale=.*=0.5; write",
        ),
    ],
)
def test_the_image_size_is_the_one_of_any_step_that_resizes(resize: str, size: Any, coco: Path, tmp_path: Path) -> None:
    config = write_config(tmp_path, coco, "rtmdet")
    config.write_text(config.read_text().replace("type='Resize', scale=(96, 96), keep_ratio=True", resize))
    if isinstance(size, str):
        with pytest.raises(UserError, match=size):
            load_run(config)
        return
    fit = next(step for step in load_run(config).config.test_dataloader.dataset.pipeline if "size_hw" in step)
    assert list(fit.size_hw) == ([size, size] if isinstance(size, int) else size)
