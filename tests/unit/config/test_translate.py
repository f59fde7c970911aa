"""Settings to an MMEngine config: pure, as the golden files say, and no key of the settings is lost on the way."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mmengine.config import Config

from anomdet.config.describe import flat_keys
from anomdet.config.load import load_settings
from anomdet.config.translate import to_mmengine
from anomdet.errors import UserError
from tests.golden.update import CASES, FOLDER, translate

LOADERS = ("train_dataloader", "val_dataloader", "test_dataloader")
ROOT = Path(__file__).parents[3]
BACKBONE_FILE, MODEL_FILE = "examples/custom_backbone_mobilenet_v2.py", "examples/custom_model_torchvision.py"
FASTER = "model.name=faster_rcnn"
WARM = "training.scheduler.name=cosine_annealing_warm_restarts"


@pytest.fixture(autouse=True)
def in_the_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def config_of(*overrides: str) -> Config:
    return to_mmengine(load_settings(None, overrides))


def pipeline(config: Config, kind: str, loader: str = "train_dataloader") -> Any:
    found = [step for step in config[loader].dataset.pipeline if step.type == kind]
    assert len(found) == 1 or kind == "anomdet.FitInside", kind
    return found[-1]


def transform(config: Config, kind: str) -> Any:
    found = [item for item in pipeline(config, "anomdet.AlbumentationsAugment").transforms if item.type == kind]
    return found[0] if found else None


def mixing(config: Config, kind: str) -> Any:
    found = [step for step in config.train_dataloader.dataset.pipeline if step.type == kind]
    return found[0] if found else None


def hook(config: Config, kind: str) -> Any:
    return next((item for item in config.custom_hooks if item.type == kind), None)


@pytest.mark.parametrize("name", CASES)
def test_golden(name: str) -> None:
    wanted = (FOLDER / f"{name}.txt").read_text(encoding="utf-8")
    assert translate(name) == wanted, "if this change is meant: python -m tests.golden.update"


def test_no_golden_file_without_a_case() -> None:
    assert {path.stem for path in FOLDER.glob("*.txt")} == set(CASES)


@pytest.mark.parametrize("name", CASES)
def test_pure(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load_settings(None, CASES[name])
    before = settings.model_dump_json()
    monkeypatch.chdir(tmp_path)
    first, second = to_mmengine(settings), to_mmengine(settings)
    assert first.to_dict() == second.to_dict()
    # Whatever happens to the config later, the settings stay.
    first.model.clear()
    for loader in LOADERS:
        first[loader].dataset.pipeline.clear()
    first.test_evaluator.iou_thresholds.append(0.1)
    assert settings.model_dump_json() == before
    assert to_mmengine(settings).to_dict() == second.to_dict()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", CASES)
def test_the_python_text_is_the_config(name: str) -> None:
    config = config_of(*CASES[name])
    assert Config.fromstring(config.pretty_text, ".py").to_dict() == config.to_dict()


@pytest.mark.parametrize("folder", ["it's data", 'say "cheese"', "C:\\new\\table", "d\u00e4ta/\u6587", "100%"])
def test_any_path_survives_the_python_text(folder: str) -> None:
    settings = load_settings(None)
    data = settings.data.model_copy(update={"data_dir": folder})
    config = to_mmengine(settings.model_copy(update={"data": data}))
    assert Config.fromstring(config.pretty_text, ".py").train_dataloader.dataset.data_root == folder


Row = tuple[tuple[str, ...], Callable[[Config], Any], Any]
AUG = "data.augmentations."
STOPPING = "anomdet.EarlyStopping"
# Each key of the settings: the overrides that change it, where the change is seen, and what is seen there.
ROWS: dict[str, Row] = {
    "model.name": (("model.name=retinanet",), lambda c: c.model.type, "RetinaNet"),
    "model.detection_model": (("model.detection_model=fcos",), lambda c: c.model.type, "FCOS"),
    "model.pretrained": (("model.pretrained=false",), lambda c: c.load_from, None),
    "model.weights": (("model.weights=mine.pth",), lambda c: c.load_from, "mine.pth"),
    "model.num_classes": (("model.num_classes=7",), lambda c: c.model.roi_head.bbox_head.num_classes, 7),
    "model.backbone": ((FASTER, "model.backbone=resnet18"), lambda c: c.model.backbone.depth, 18),
    "model.custom_backbone_file": (
        (FASTER, f"model.custom_backbone_file={BACKBONE_FILE}"),
        lambda c: (c.model.backbone.type, c.model.backbone.file),
        ("anomdet.FileBackbone", BACKBONE_FILE),
    ),
    "model.custom_model_file": (
        (f"model.custom_model_file={MODEL_FILE}",),
        lambda c: (c.model.type, c.model.file),
        ("anomdet.FileModel", MODEL_FILE),
    ),
    "model.overrides": (("model.overrides={neck: {num_outs: 6}}",), lambda c: c.model.neck.num_outs, 6),
    "training.minutes": (("training.minutes=7.5",), lambda c: c.minutes, 7.5),
    "training.epoch_images": (("training.epoch_images=64",), lambda c: c.train_dataloader.sampler.num_samples, 64),
    "training.epochs": (("training.epochs=3",), lambda c: c.train_cfg.max_epochs, 3),
    "training.batch_size": (("training.batch_size=5",), lambda c: [c[name].batch_size for name in LOADERS], [5] * 3),
    "training.learning_rate": (("training.learning_rate=0.25",), lambda c: c.optim_wrapper.optimizer.lr, 0.25),
    "training.backbone_lr_mult": (
        ("training.backbone_lr_mult=0.5",),
        lambda c: c.optim_wrapper.get("paramwise_cfg"),
        {"custom_keys": {"backbone": {"lr_mult": 0.5}}},
    ),
    "training.weight_decay": (("training.weight_decay=0.5",), lambda c: c.optim_wrapper.optimizer.weight_decay, 0.5),
    "training.optimizer": (
        ("training.optimizer=sgd",),
        lambda c: (c.optim_wrapper.optimizer.type, c.optim_wrapper.optimizer.momentum),
        ("SGD", 0.9),
    ),
    "training.scheduler.name": (("training.scheduler.name=constant",), lambda c: c.param_scheduler[0].name, "constant"),
    "training.scheduler.T_0": ((WARM, "training.scheduler.T_0=4"), lambda c: c.param_scheduler[0].T_0, 4),
    "training.scheduler.T_mult": ((WARM, "training.scheduler.T_mult=3"), lambda c: c.param_scheduler[0].T_mult, 3),
    "training.scheduler.eta_min": (
        (WARM, "training.scheduler.eta_min=1e-6"),
        lambda c: c.param_scheduler[0].eta_min,
        1e-6,
    ),
    "training.scheduler.step_size": (
        ("training.scheduler={name: step_lr, step_size: 8}",),
        lambda c: c.param_scheduler[0].step_size,
        8,
    ),
    "training.scheduler.gamma": (
        ("training.scheduler={name: step_lr, gamma: 0.7}",),
        lambda c: c.param_scheduler[0].gamma,
        0.7,
    ),
    "training.scheduler.warmup_iterations": (
        ("training.scheduler.warmup_iterations=9",),
        lambda c: c.param_scheduler[0].warmup_iterations,
        9,
    ),
    "training.seed": (
        ("training.seed=3",),
        lambda c: (c.randomness.seed, c.train_dataloader.sampler.seed, hook(c, "anomdet.IterationSeedHook").seed),
        (3, 3, 3),
    ),
    "training.use_amp": (("training.use_amp=false",), lambda c: c.optim_wrapper.type, "OptimWrapper"),
    "training.amp_dtype": (
        ("training.amp_dtype=bfloat16",),
        lambda c: (c.optim_wrapper.type, c.optim_wrapper.dtype),
        ("anomdet.MixedPrecision", "bfloat16"),
    ),
    "training.accumulation_steps": (
        ("training.accumulation_steps=4",),
        lambda c: c.optim_wrapper.accumulative_counts,
        4,
    ),
    "training.val_loss": (("training.val_loss=false",), lambda c: c.val_cfg.with_loss, False),
    "training.monitor": (
        ("training.monitor=val_loss",),
        lambda c: [c.default_hooks[n].monitor for n in ("checkpoint", "logger")] + [hook(c, STOPPING).monitor],
        ["val_loss"] * 3,
    ),
    "training.hooks": (
        ("training.hooks=[{type: EmptyCacheHook, after_epoch: true}]",),
        lambda c: hook(c, "EmptyCacheHook").after_epoch,
        True,
    ),
    "training.gradient_clip_norm": (
        ("training.gradient_clip_norm=2",),
        lambda c: c.optim_wrapper.clip_grad.max_norm,
        2.0,
    ),
    "training.ema": (("training.ema=true",), lambda c: hook(c, "anomdet.AverageHook") is not None, True),
    "training.channels_last": (("training.channels_last=true",), lambda c: c.channels_last, True),
    "report.title": (("report.title=Line 3",), lambda c: c.report.title, "Line 3"),
    "training.nan_limit": (("training.nan_limit=3",), lambda c: c.train_cfg.nan_limit, 3),
    "training.val_interval": (("training.val_interval=4",), lambda c: c.train_cfg.val_interval, 4),
    "training.early_stopping.enabled": (
        ("training.early_stopping.enabled=false",),
        lambda c: hook(c, "anomdet.EarlyStopping"),
        None,
    ),
    "training.early_stopping.patience": (
        ("training.early_stopping.patience=2",),
        lambda c: hook(c, "anomdet.EarlyStopping").patience,
        2,
    ),
    "training.early_stopping.min_delta": (
        ("training.early_stopping.min_delta=0.01",),
        lambda c: hook(c, "anomdet.EarlyStopping").min_delta,
        0.01,
    ),
    "training.early_stopping.warmup_epochs": (
        ("training.early_stopping.warmup_epochs=6",),
        lambda c: hook(c, STOPPING).warmup_epochs,
        6,
    ),
    "training.early_stopping.nan_limit": (
        ("training.early_stopping.nan_limit=7",),
        lambda c: hook(c, STOPPING).nan_limit,
        7,
    ),
    "training.class_imbalance_handling.replacement": (
        ("training.class_imbalance_handling.replacement=false",),
        lambda c: c.train_dataloader.sampler.replacement,
        False,
    ),
    "training.class_imbalance_handling.repeat_threshold": (
        ("training.class_imbalance_handling={method: repeat_factor, repeat_threshold: 0.4}",),
        lambda c: (c.train_dataloader.sampler.type, c.train_dataloader.sampler.threshold),
        ("anomdet.RepeatFactorSampler", 0.4),
    ),
    "training.class_imbalance_handling.method": (
        ("training.class_imbalance_handling.method=none",),
        lambda c: (c.train_dataloader.sampler.type, c.train_dataloader.sampler.shuffle),
        ("anomdet.DrawSampler", True),
    ),
    "training.class_imbalance_handling.normal_ratio": (
        ("training.class_imbalance_handling.normal_ratio=0.4",),
        lambda c: c.train_dataloader.sampler.normal_ratio,
        0.4,
    ),
    "training.class_imbalance_handling.hard_normals": (
        ("training.class_imbalance_handling.hard_normals=0.3", "data.data_dir=/d"),
        lambda c: (c.train_dataloader.sampler.hard_normals, c.train_dataloader.dataset.hard_normals),
        (0.3, "/d/hard_normals.txt"),
    ),
    "training.class_imbalance_handling.hard_normals_file": (
        ("training.class_imbalance_handling={hard_normals: 0.3, hard_normals_file: examples/plugin.py}",),
        lambda c: c.train_dataloader.dataset.hard_normals,
        "examples/plugin.py",
    ),
    "data.data_dir": (("data.data_dir=/d",), lambda c: [c[name].dataset.data_root for name in LOADERS], ["/d"] * 3),
    "data.classes": (
        ("data.classes={9: b, -1: a}",),
        lambda c: ([c[name].dataset.classes for name in LOADERS], c.model.roi_head.bbox_head.num_classes),
        ([[[-1, "a"], [9, "b"]]] * 3, 2),
    ),
    "data.image_size": (
        ("data.image_size=[200, 300]",),
        lambda c: [step.size_hw for name in LOADERS for step in c[name].dataset.pipeline if "size_hw" in step],
        [(200, 300)] * 4,
    ),
    "data.missing_labels": (
        ("data.missing_labels=normal",),
        lambda c: [c[name].dataset.missing_labels for name in LOADERS],
        ["normal"] * 3,
    ),
    "data.verify_images": (
        ("data.verify_images=decode",),
        lambda c: [c[name].dataset.verify_images for name in LOADERS],
        ["decode"] * 3,
    ),
    "data.bit_depth": (
        ("data.bit_depth=12",),
        lambda c: [c[name].dataset.pipeline[0].bit_depth for name in LOADERS],
        [12] * 3,
    ),
    "data.max_image_megapixels": (
        ("data.max_image_megapixels=400",),
        lambda c: [
            (c[name].dataset.max_image_megapixels, c[name].dataset.pipeline[0].max_megapixels) for name in LOADERS
        ],
        [(400, 400)] * 3,
    ),
    "data.dataset": (
        ("data.dataset={type: Other, max_refetch: 7}",),
        lambda c: [(c[name].dataset.type, c[name].dataset.max_refetch) for name in LOADERS],
        [("Other", 7)] * 3,
    ),
    "data.transforms": (
        ("data.transforms=[{type: Glare, p: 0.5}]",),
        lambda c: [[s.p for s in c[name].dataset.pipeline if s.type == "Glare"] for name in LOADERS],
        [[0.5], [], []],
    ),
    "data.cache_gb": (
        ("data.cache_gb=2",),
        lambda c: [c[name].dataset.pipeline[0].get("cache_gb") for name in LOADERS],
        [2.0, 2.0, None],
    ),
    "data.num_workers": (
        ("data.num_workers=0",),
        lambda c: [(c[name].num_workers, c[name].persistent_workers) for name in LOADERS],
        [(0, False)] * 3,
    ),
    "data.augmentations": (
        ("data.augmentations=[{type: Blur, p: 0.1}]",),
        lambda c: pipeline(c, "anomdet.AlbumentationsAugment").transforms,
        [{"type": "Blur", "p": 0.1}],
    ),
    AUG + "horizontal_flip": ((AUG + "horizontal_flip=false",), lambda c: transform(c, "HorizontalFlip"), None),
    AUG + "horizontal_flip_prob": (
        (AUG + "horizontal_flip_prob=0.2",),
        lambda c: transform(c, "HorizontalFlip").p,
        0.2,
    ),
    AUG + "vertical_flip": ((AUG + "vertical_flip=false",), lambda c: transform(c, "VerticalFlip"), None),
    AUG + "vertical_flip_prob": ((AUG + "vertical_flip_prob=0.2",), lambda c: transform(c, "VerticalFlip").p, 0.2),
    AUG + "rotation": ((AUG + "rotation=false",), lambda c: transform(c, "Rotate"), None),
    AUG + "rotation_degrees": (
        (AUG + "rotation_degrees=30",),
        lambda c: tuple(transform(c, "Rotate").limit),
        (-30.0, 30.0),
    ),
    AUG + "rotation_prob": ((AUG + "rotation_prob=0.2",), lambda c: transform(c, "Rotate").p, 0.2),
    AUG + "color_jitter": ((AUG + "color_jitter=false",), lambda c: transform(c, "ColorJitter"), None),
    AUG + "brightness": ((AUG + "brightness=0.31",), lambda c: transform(c, "ColorJitter").brightness, 0.31),
    AUG + "contrast": ((AUG + "contrast=0.32",), lambda c: transform(c, "ColorJitter").contrast, 0.32),
    AUG + "saturation": ((AUG + "saturation=0.33",), lambda c: transform(c, "ColorJitter").saturation, 0.33),
    AUG + "hue": ((AUG + "hue=0.34",), lambda c: transform(c, "ColorJitter").hue, 0.34),
    AUG + "color_jitter_prob": ((AUG + "color_jitter_prob=0.2",), lambda c: transform(c, "ColorJitter").p, 0.2),
    AUG + "random_crop": ((AUG + "random_crop=true",), lambda c: transform(c, "RandomCrop") is not None, True),
    AUG + "crop_height": (
        (AUG + "random_crop=true", AUG + "crop_height=64"),
        lambda c: transform(c, "RandomCrop").height,
        64,
    ),
    AUG + "crop_width": (
        (AUG + "random_crop=true", AUG + "crop_width=65"),
        lambda c: transform(c, "RandomCrop").width,
        65,
    ),
    AUG + "random_crop_prob": (
        (AUG + "random_crop=true", AUG + "random_crop_prob=0.2"),
        lambda c: transform(c, "RandomCrop").p,
        0.2,
    ),
    AUG + "copy_paste": ((AUG + "copy_paste=0.3",), lambda c: mixing(c, "anomdet.CopyPaste").prob, 0.3),
    AUG + "copy_paste_onto_defects": (
        (AUG + "copy_paste=0.3", AUG + "copy_paste_onto_defects=0.7"),
        lambda c: mixing(c, "anomdet.CopyPaste").onto_defects,
        0.7,
    ),
    AUG + "copy_paste_most": (
        (AUG + "copy_paste=0.3", AUG + "copy_paste_most=5"),
        lambda c: mixing(c, "anomdet.CopyPaste").most,
        5,
    ),
    AUG + "mosaic": ((AUG + "mosaic=0.3",), lambda c: mixing(c, "anomdet.InspectionMosaic").prob, 0.3),
    AUG + "mosaic_until": (
        (AUG + "mosaic=0.3", AUG + "mosaic_until=0.5", "training.epochs=5", "training.epoch_images=70"),
        lambda c: [mixing(c, "anomdet.InspectionMosaic")[key] for key in ("end", "epoch_draws", "size_hw")],
        [2.5, 70, (640, 640)],
    ),
    AUG + "crop": (
        (AUG + "crop=0.4", "data.image_size=[320, 480]"),
        lambda c: [mixing(c, "anomdet.CropAroundDefect")[key] for key in ("prob", "size_hw")],
        [0.4, (320, 480)],
    ),
    "data.normalize_mean": (
        ("data.normalize_mean=[0.1, 0.2, 0.3]",),
        lambda c: c.model.data_preprocessor.mean,
        [25.5, 51.0, 76.5],
    ),
    "data.normalize_std": (
        ("data.normalize_std=[0.2, 0.4, 0.6]",),
        lambda c: c.model.data_preprocessor.std,
        [51.0, 102.0, 153.0],
    ),
    "metrics.matching_iou_threshold": (
        ("metrics.matching_iou_threshold=0.4",),
        lambda c: (c.val_evaluator.matching_iou_threshold, c.test_evaluator.matching_iou_threshold),
        (0.4, 0.4),
    ),
    "metrics.iou_thresholds": (
        ("metrics.iou_thresholds=[0.6]",),
        lambda c: (c.val_evaluator.iou_thresholds, c.test_evaluator.iou_thresholds),
        ([0.6], [0.6]),
    ),
    "training.scale_lr": (("training.scale_lr={base_batch_size: 8}",), lambda c: c.scale_lr, {"base_batch_size": 8}),
    "training.scale_lr.base_batch_size": (
        ("training.scale_lr={base_batch_size: 4}",),
        lambda c: c.scale_lr.base_batch_size if c.scale_lr else None,
        4,
    ),
    **{
        f"distributed.{key}": ((f"distributed.{key}={value}",), lambda c, key=key: c.distributed[key], value)
        for key, value in {
            "backend": "gloo",
            "timeout_minutes": 3.0,
            "find_unused_parameters": True,
            "sync_bn": False,
            "static_graph": True,
            "gradient_compression": "bfloat16",
        }.items()
    },
    "evaluation.batch_size": (
        ("evaluation.batch_size=5", "training.batch_size=3"),
        lambda c: [c[name].batch_size for name in LOADERS],
        [3, 5, 5],
    ),
    "evaluation.tta": (
        ("evaluation.tta=true",),
        lambda c: c.get("tta"),
        {"flips": ["horizontal"], "scales": []},
    ),
    "evaluation.tta.flips": (
        ("evaluation.tta={flips: [both]}",),
        lambda c: (c.get("tta") or {}).get("flips"),
        ["both"],
    ),
    "evaluation.tta.scales": (
        ("evaluation.tta={scales: [1.5]}",),
        lambda c: (c.get("tta") or {}).get("scales"),
        [1.5],
    ),
    "evaluation.resamples": (("evaluation.resamples=7",), lambda c: c.evaluation.resamples, 7),
    "evaluation.confidence": (("evaluation.confidence=0.9",), lambda c: c.evaluation.confidence, 0.9),
    "evaluation.review": (
        ("evaluation.review=examples/plugin.py",),
        lambda c: c.evaluation.review,
        "examples/plugin.py",
    ),
    "evaluation.report": (("evaluation.report=false",), lambda c: c.evaluation.report, False),
    "metrics.score_threshold": (
        ("metrics.score_threshold=0.9",),
        lambda c: (c.val_evaluator.score_threshold, c.test_evaluator.score_threshold),
        (0.9, 0.9),
    ),
    "metrics.include_metrics": (
        ("metrics.include_metrics=[iou]",),
        lambda c: (c.val_evaluator.include_metrics, c.test_evaluator.include_metrics),
        (["iou"], ["iou"]),
    ),
    "metrics.extra": (
        ("metrics.extra=[{type: CountError}]",),
        lambda c: [[metric.type for metric in c[name]] for name in ("val_evaluator", "test_evaluator")],
        [["anomdet.InspectionMetric", "CountError"]] * 2,
    ),
    "data.group_by": (
        ("data.group_by=^(a+)_",),
        lambda c: (c.val_evaluator.group_by, c.test_evaluator.group_by),
        ("^(a+)_", "^(a+)_"),
    ),
    "logging.trackers": (
        ("logging.trackers=[tensorboard]", "logging.log_dir=here"),
        lambda c: (c.visualizer.vis_backends[-1].save_dir, hook(c, "anomdet.TrackerHook") is not None),
        ("here/tensorboard", True),
    ),
    "plugins": (
        ("plugins=[a.b]",),
        lambda c: c.custom_imports.imports,
        ["anomdet.registry", "a.b"],
    ),
    "logging.log_dir": (("logging.log_dir=here",), lambda c: c.work_dir, "here"),
    "logging.checkpoint_dir": (
        ("logging.checkpoint_dir=there",),
        lambda c: c.default_hooks.checkpoint.out_dir,
        "there",
    ),
    "logging.log_level": (("logging.log_level=ERROR",), lambda c: c.log_level, "ERROR"),
}
_POINT = {
    **{"by": ("costs", "costs"), "per_class": (True, "max_f1"), "min_recall": (0.5, "min_recall")},
    **{"max_false_alarms": (3.0, "max_false_alarms"), "escape_cost": (4.0, "costs"), "overkill_cost": (5.0, "costs")},
}
for _key, (_value, _by) in _POINT.items():
    ROWS[f"evaluation.operating_point.{_key}"] = (
        (f"evaluation.operating_point.by={_by}", f"evaluation.operating_point.{_key}={str(_value).lower()}"),
        lambda c, k=_key: [c[name].operating_point[k] for name in ("val_evaluator", "test_evaluator")],  # type: ignore[misc]
        [_value] * 2,
    )
for _key, _value in {"images": 3, "interval": 2, "split": "train"}.items():
    ROWS[f"logging.visualize.{_key}"] = (
        ("logging.visualize.enabled=true", f"logging.visualize.{_key}={_value}"),
        lambda c, k=_key: hook(c, "anomdet.VisualizeHook")[k],  # type: ignore[misc]
        _value,
    )
ROWS["logging.visualize.enabled"] = (
    ("logging.visualize.enabled=false",),
    lambda c: hook(c, "anomdet.VisualizeHook") is None,
    True,
)
_SPLIT = {"by": "group", "group_regex": "^(a+)_", "stratify": False, "seed": 8, "on_leak": "group"}
for _key, _value in _SPLIT.items():
    ROWS[f"data.split.{_key}"] = (
        (f"data.split.{_key}={str(_value).lower()}", *(("data.group_by=(b)",) if _key == "by" else ())),
        lambda c, k=_key: [c[name].dataset.split_rule[k] for name in LOADERS],  # type: ignore[misc]
        [_value] * 3,
    )
# The command reads these from the settings, once everything is measured.
_RATIOS = ("data.train_split=0.5", "data.val_split=0.3", "data.test_split=0.2")
_LISTS = ("README.md", "LICENSE", "Makefile")  # files that exist; what they hold is not read here
_TILES: dict[str, tuple[str, Any]] = {
    "size": ("size_hw", [96, 128]),
    "overlap": ("overlap_hw", [48, 64]),
    "min_visible": ("min_visible", 0.6),
    "empty_share": ("empty_share", 0.25),
    "include_whole": ("include_whole", True),
    "cache_gb": ("cache_gb", 2.5),
}
_TILED = (
    "data.tiles={size: [96, 128], overlap: 0.5, min_visible: 0.6, empty_share: 0.25, include_whole: true, "
    "cache_gb: 2.5}"
)
for _key, (_seen, _value) in _TILES.items():
    ROWS[f"data.tiles.{_key}"] = ((_TILED,), lambda c, s=_seen: (c.tiles or {}).get(s), _value)  # type: ignore[misc]
ROWS["data.tiles"] = (("data.tiles=auto",), lambda c: c.get("tiles"), "auto")
_FILES = ("data.split_files={train: README.md, val: LICENSE, test: Makefile}",)
for _position, _split in enumerate(("train", "val", "test")):
    ROWS[f"data.{_split}_split"] = (
        _RATIOS,
        lambda c, i=_position: [c[name].dataset.ratios[i] for name in LOADERS],  # type: ignore[misc]
        [(0.5, 0.3, 0.2)[_position]] * 3,
    )
    ROWS[f"data.split_files.{_split}"] = (
        _FILES,
        lambda c, s=_split: [c[name].dataset.split_files[s] for name in LOADERS],  # type: ignore[misc]
        [_LISTS[_position]] * 3,
    )
_ANOMALY: dict[str, tuple[str, Any]] = {
    "enabled": ("true", True),
    "features": ("efficientnet_lite0", "efficientnet_lite0"),
    "layers": ("[4, 10]", [4, 10]),
    "image_size": ("128", 128),
    "method": ("padim", "padim"),
    "memory": ("500", 500),
    "overkill": ("0.05", 0.05),
    "regions": ("false", False),
}
for _key, (_text, _value) in _ANOMALY.items():
    _change = (f"anomaly.{_key}={_text}",)
    ROWS[f"anomaly.{_key}"] = (_change, lambda c, k=_key: c.anomaly[k], _value)  # type: ignore[misc]
ROWS["data.split_files"] = (_FILES, lambda c: c.val_dataloader.dataset.split_files is not None, True)


def test_every_key_has_a_row() -> None:
    assert set(ROWS) == set(flat_keys()), "a new key of the settings needs a row: where does the config show it?"
    assert len(ROWS) >= 86


@pytest.mark.parametrize("key", ROWS)
def test_every_key_reaches_the_config(key: str) -> None:
    overrides, seen, expected = ROWS[key]
    changed = seen(config_of(*overrides))
    assert changed == pytest.approx(expected) if isinstance(expected, float) else changed == expected
    base = () if key not in ("training.scheduler.step_size",) else ("training.scheduler={name: step_lr}",)
    try:
        before = seen(config_of(*base))
    except (AttributeError, KeyError, TypeError):
        return  # there is no such place without the change
    if key != "anomaly.features":  # which has one value so far
        assert before != expected, f"the row of {key} shows no change"


def test_each_loader_has_its_split() -> None:
    config = config_of()
    assert [config[name].dataset.split for name in LOADERS] == ["train", "val", "test"]
    assert [config[name].dataset.test_mode for name in LOADERS] == [False, True, True]


def test_only_training_is_augmented_and_balanced() -> None:
    config = config_of()
    for name in LOADERS[1:]:
        assert [step.type for step in config[name].dataset.pipeline] == [
            "anomdet.LoadInspectionImage",
            "LoadAnnotations",
            "anomdet.FitInside",
            "anomdet.PackInspectionInputs",
        ]
        sampler = config[name].sampler
        assert (sampler.type, sampler.shuffle, sampler.round_up) == ("anomdet.DrawSampler", False, False)


def test_no_augmentation_leaves_no_augment_step() -> None:
    kinds = [step.type for step in config_of("data.augmentations=[]").train_dataloader.dataset.pipeline]
    assert "anomdet.AlbumentationsAugment" not in kinds


def test_what_is_mixed_in_comes_before_the_other_augmentations() -> None:
    given = [AUG + f"{key}=0.3" for key in ("copy_paste", "mosaic", "crop")]
    kinds = [step.type for step in config_of(*given).train_dataloader.dataset.pipeline]
    assert kinds[:7] == [
        "anomdet.LoadInspectionImage",
        "LoadAnnotations",
        "anomdet.CopyPaste",
        "anomdet.InspectionMosaic",
        "anomdet.CropAroundDefect",
        "anomdet.FitInside",
        "anomdet.AlbumentationsAugment",
    ]


def test_images_of_a_mosaic_may_be_fitted_before() -> None:
    kinds = [step.type for step in config_of(AUG + "mosaic=0.3").train_dataloader.dataset.pipeline]
    assert kinds[2:5] == ["anomdet.FitInside", "anomdet.InspectionMosaic", "anomdet.AlbumentationsAugment"]
    kinds = [
        step.type for step in config_of(AUG + "mosaic=0.3", AUG + "random_crop=true").train_dataloader.dataset.pipeline
    ]
    assert kinds[2:4] == ["anomdet.InspectionMosaic", "anomdet.AlbumentationsAugment"], "a crop is of the stored image"


def test_an_image_is_made_smaller_before_what_takes_any_size() -> None:
    """Cropping and a user's own transforms are in pixels of the stored image."""

    def smaller_first(*overrides: str) -> bool:
        steps = config_of(*overrides).train_dataloader.dataset.pipeline
        kinds = [step.type for step in steps]
        assert kinds[-2:] == ["anomdet.FitInside", "anomdet.PackInspectionInputs"] and "enlarge" not in steps[-2]
        if kinds.count("anomdet.FitInside") == 1:
            return False
        at = kinds.index("anomdet.AlbumentationsAugment")
        assert (kinds[at - 1], steps[at - 1].enlarge) == ("anomdet.FitInside", False)
        return True

    assert smaller_first() and smaller_first(AUG + "mosaic=0.3", AUG + "crop=0.3")
    assert not smaller_first(AUG + "random_crop=true")
    square, other = "data.image_size=96", "data.image_size=[96, 128]"
    d4, flip = "data.augmentations=[D4]", "data.augmentations=[HorizontalFlip, {type: Rotate, limit: 9}]"
    assert smaller_first(d4, square) and smaller_first(flip, other)
    assert not smaller_first(d4, other)  # turned, it would fit another way
    assert not smaller_first("data.augmentations=[D4, {type: GaussNoise}]", square)
    assert not smaller_first("data.augmentations=[{type: Rotate, crop_border: true}]", square)
    assert not smaller_first("data.transforms=[{type: RandomFlip, prob: 0.5}]")


def test_square_image_size() -> None:
    assert pipeline(config_of("data.image_size=96"), "anomdet.FitInside").size_hw == (96, 96)


def test_no_classes_are_left_open() -> None:
    config = config_of()
    assert config.model.roi_head.bbox_head.num_classes is None
    assert config.train_dataloader.dataset.classes is None


def test_every_head_gets_the_classes() -> None:
    heads = config_of("model.name=cascade_rcnn", "model.num_classes=5").model.roi_head.bbox_head
    assert [head.num_classes for head in heads] == [5, 5, 5]


def test_no_clipping() -> None:
    assert config_of("training.gradient_clip_norm=null").optim_wrapper.clip_grad is None


def test_overrides_are_merged_deep() -> None:
    before, after = config_of(), config_of("model.overrides={rpn_head: {anchor_generator: {scales: [2, 4]}}}")
    assert after.model.rpn_head.anchor_generator.scales == [2, 4]
    assert after.model.rpn_head.anchor_generator.strides == before.model.rpn_head.anchor_generator.strides
    assert after.model.roi_head == before.model.roi_head


def test_overrides_can_replace() -> None:
    loss = "{_delete_: true, type: GIoULoss}"
    after = config_of(f"model.overrides={{rpn_head: {{loss_bbox: {loss}}}}}")
    assert after.model.rpn_head.loss_bbox == {"type": "GIoULoss"}


def test_a_user_file_gets_all_settings() -> None:
    """As docs/plugins.md says: ``config["model"]["pretrained"]``."""
    given = (f"model.custom_backbone_file={BACKBONE_FILE}", "model.pretrained=false", "data.image_size=96")
    config = config_of(FASTER, *given).model.backbone.config
    assert (config.model.pretrained, config.model.name, config.data.image_size) == (False, "faster_rcnn", 96)
    custom = config_of(f"model.custom_model_file={MODEL_FILE}", "model.num_classes=4").model
    assert (custom.config.model.num_classes, custom.num_classes) == (4, 4)


def test_a_custom_model_normalises_by_itself() -> None:
    given = (f"model.custom_model_file={MODEL_FILE}", "data.normalize_mean=[0.1, 0.1, 0.1]")
    assert "data_preprocessor" not in config_of(*given).model  # FileModel's own: pixels from 0 to 1


def test_yolox_with_its_weights_sees_pixels_as_they_are() -> None:
    preprocessor = config_of("model.name=yolox_tiny").model.data_preprocessor
    assert "mean" not in preprocessor and preprocessor.bgr_to_rgb is False


@pytest.mark.parametrize("name", ["rtmdet_s", "rtmdet_tiny"])
def test_weights_that_were_trained_on_bgr_get_bgr(name: str) -> None:
    mean, std = [0.5, 0.25, 0.125], [0.25, 0.5, 0.125]
    given = (f"model.name={name}", f"data.normalize_mean={mean}", f"data.normalize_std={std}")
    rgb = config_of(*given, "model.pretrained=false").model.data_preprocessor
    assert rgb.bgr_to_rgb is True
    assert rgb.mean == pytest.approx([255 * x for x in mean], abs=1e-3)
    bgr = config_of(*given).model.data_preprocessor
    assert bgr.bgr_to_rgb is False
    assert (bgr.mean, bgr.std) == (rgb.mean[::-1], rgb.std[::-1])


def test_an_unknown_model_is_refused_with_the_nearest_name() -> None:
    settings = load_settings(None)
    wrong = settings.model.model_copy(update={"name": "faster_rcn"})
    with pytest.raises(UserError, match="did you mean 'faster_rcnn'"):
        to_mmengine(settings.model_copy(update={"model": wrong}))
