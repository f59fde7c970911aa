"""Settings to an MMEngine config: pure, deterministic, and complete, so that the Python file alone repeats the run.

What only the data or the machine can tell is left open (``num_classes=None``, the channels of a user's backbone) and
filled in by the command line before the Runner is built, for YAML and Python configs alike.
"""

from __future__ import annotations

from typing import Any

from mmengine.config import Config, ConfigDict

from anomdet.config import presets
from anomdet.config.augmentations import to_albumentations
from anomdet.config.schema import AugmentationSettings, DataSettings, Settings, effective_model_name

META_KEYS = ("img_id", "img_path", "file_name", "ori_shape", "img_shape", "scale_factor")
_WARMUP_START = 0.01


def to_mmengine(settings: Settings) -> Config:
    """The MMEngine config of a run.

    Args:
        settings: validated settings.

    Returns:
        A config for ``Runner.from_cfg``, once the classes are filled in.

    Raises:
        UserError: the model's name is unknown.
    """
    model, load_from = _model(settings)
    training, logs = settings.training, settings.logging
    val_loader = _eval_loader(settings, "val")
    return Config(
        dict(
            default_scope="mmdet",
            custom_imports=dict(imports=["anomdet.registry"], allow_failed_imports=False),
            runner_type="anomdet.InspectionRunner",
            model=model,
            train_dataloader=_train_loader(settings),
            val_dataloader=val_loader,
            test_dataloader=_eval_loader(settings, "test"),
            train_cfg=dict(type="EpochBasedTrainLoop", max_epochs=training.epochs, val_interval=training.val_interval),
            val_cfg=dict(type="ValLoop"),
            test_cfg=dict(type="TestLoop"),
            val_evaluator=_evaluator(settings),
            test_evaluator=_evaluator(settings),
            optim_wrapper=_optim_wrapper(settings),
            param_scheduler=[dict(type="anomdet.IterationSchedule", convert_to_iter_based=True, **_schedule(settings))],
            default_hooks=_default_hooks(logs.checkpoint_dir),
            custom_hooks=_hooks(settings),
            env_cfg=dict(
                cudnn_benchmark=False,
                mp_cfg=dict(mp_start_method="fork", opencv_num_threads=0),
                dist_cfg=dict(backend="nccl"),
            ),
            channels_last=training.channels_last,
            randomness=dict(seed=training.seed, deterministic=False),
            log_level=logs.log_level,
            work_dir=logs.log_dir,
            load_from=load_from,
            resume=False,
        )
    )


def _model(settings: Settings) -> tuple[ConfigDict, str | None]:
    """The model dict, and the address of COCO weights where the settings want them."""
    wanted = settings.model
    if wanted.custom_model_file:
        model = ConfigDict(
            type="anomdet.FileModel",
            file=wanted.custom_model_file,
            config=settings.model_dump(mode="json"),
            num_classes=_num_classes(settings),
        )
        return model, None
    name = effective_model_name(settings)
    model = presets.load_model(name)
    own_backbone = _set_backbone(model, settings)
    load_from = presets.coco_weights(name) if wanted.pretrained and own_backbone else None
    if load_from or not wanted.pretrained:
        presets.forget_weights(model)  # COCO weights hold the backbone too: nothing else need be fetched
    for node in presets.walk(model):
        if "num_classes" in node:
            node["num_classes"] = _num_classes(settings)
    model.data_preprocessor = _data_preprocessor(settings.data, model.data_preprocessor, coco=load_from is not None)
    presets.fit_queries(model, size_hw(settings.data.image_size))
    _merge(model, wanted.overrides)
    if not wanted.pretrained and not presets.has_weights(model.backbone):
        presets.thaw(model.backbone)
    return model, load_from


def _num_classes(settings: Settings) -> int | None:
    if settings.model.num_classes is not None:
        return settings.model.num_classes
    return len(settings.data.classes) if settings.data.classes else None


def _merge(base: dict[str, Any], changes: dict[str, Any]) -> None:
    """Deep merge in place; ``_delete_: true`` inside a mapping replaces it, as in MMEngine's configs.

    Not by MMEngine's own merge: it refuses a mapping where the preset has a null (``init_cfg``).
    """
    for key, value in changes.items():
        if isinstance(value, dict) and isinstance(base.get(key), dict) and not value.get("_delete_"):
            _merge(base[key], value)
        elif isinstance(value, dict):
            base[key] = ConfigDict({name: item for name, item in value.items() if name != "_delete_"})
        else:
            base[key] = value


def _set_backbone(model: ConfigDict, settings: Settings) -> bool:
    """Put the wanted backbone under the detector; returns whether it is still the preset's own."""
    wanted = settings.model
    if wanted.custom_backbone_file:
        model.backbone = ConfigDict(
            type="anomdet.FileBackbone", file=wanted.custom_backbone_file, config=settings.model_dump(mode="json")
        )
        return False
    name = wanted.backbone
    if name is None or name == presets.default_backbone(model):
        return True
    if name.startswith("resnet"):
        presets.set_resnet(model, int(name.removeprefix("resnet")))
    elif name.startswith("timm:"):
        model.backbone = ConfigDict(
            type="anomdet.TimmBackbone", name=name.removeprefix("timm:"), pretrained=wanted.pretrained
        )
    elif name == "efficientnet_lite0":
        model.backbone = ConfigDict(type="anomdet.EfficientNetLite0", pretrained=wanted.pretrained)
    else:
        checkpoint = "torchvision://vgg16" if wanted.pretrained else None
        model.backbone = ConfigDict(type="anomdet.VGG16", checkpoint=checkpoint)
    return False


def _data_preprocessor(data: DataSettings, preset: dict[str, Any], *, coco: bool) -> dict[str, Any]:
    """The settings' normalisation, in RGB. COCO weights get the order of colours that they know, and raw pixels if so."""
    rgb = preset.get("bgr_to_rgb", False) or not coco
    order = 1 if rgb else -1  # the same numbers for each colour
    normalize = dict(
        mean=[round(255 * value, 3) for value in data.normalize_mean[::order]],
        std=[round(255 * value, 3) for value in data.normalize_std[::order]],
    )
    return dict(
        type="DetDataPreprocessor",
        **({} if coco and not preset.get("mean") else normalize),  # YOLOX's COCO weights know pixels as they are
        bgr_to_rgb=rgb,
        pad_size_divisor=preset.get("pad_size_divisor", 32),
    )


def size_hw(image_size: int | tuple[int, int]) -> tuple[int, int]:
    """``(height, width)`` of the settings' ``image_size``."""
    return (image_size, image_size) if isinstance(image_size, int) else image_size


def _dataset(settings: Settings, split: str, pipeline: list[dict[str, Any]]) -> dict[str, Any]:
    data = settings.data
    return dict(
        type="anomdet.TextLabelDataset",
        data_root=data.data_dir,
        split=split,
        ratios=(data.train_split, data.val_split, data.test_split),
        split_seed=data.split_seed,
        split_files=data.split_files.model_dump() if data.split_files else None,
        classes=[[number, name] for number, name in sorted(data.classes.items())] if data.classes else None,
        missing_labels=data.missing_labels,
        verify_images=data.verify_images,
        pipeline=pipeline,
        test_mode=split != "train",
    )


def _loader(settings: Settings, **parts: Any) -> dict[str, Any]:
    workers = settings.data.num_workers
    return dict(batch_size=settings.training.batch_size, num_workers=workers, persistent_workers=workers > 0, **parts)


def _train_loader(settings: Settings) -> dict[str, Any]:
    data, imbalance = settings.data, settings.training.class_imbalance_handling
    styled = data.augmentations
    transforms = to_albumentations(styled) if isinstance(styled, AugmentationSettings) else styled
    pipeline: list[dict[str, Any]] = [
        dict(type="anomdet.LoadInspectionImage"),
        dict(type="LoadAnnotations", with_bbox=True),
        *([dict(type="anomdet.AlbumentationsAugment", transforms=transforms)] if transforms else []),
        dict(type="anomdet.FitInside", size_hw=size_hw(data.image_size)),
        dict(type="anomdet.PackInspectionInputs", meta_keys=META_KEYS),
    ]
    seed = settings.training.seed
    sampler: dict[str, Any] = dict(type="anomdet.DrawSampler", shuffle=True, seed=seed)
    if imbalance.method == "balanced_sampler":
        sampler = dict(type="anomdet.BalancedSampler", seed=seed, normal_ratio=imbalance.normal_ratio)
    return _loader(settings, sampler=sampler, dataset=_dataset(settings, "train", pipeline))


def _eval_loader(settings: Settings, split: str) -> dict[str, Any]:
    pipeline: list[dict[str, Any]] = [
        dict(type="anomdet.LoadInspectionImage"),
        dict(type="anomdet.FitInside", size_hw=size_hw(settings.data.image_size)),
        dict(type="anomdet.PackInspectionInputs", meta_keys=(*META_KEYS, "instances")),
    ]
    sampler = dict(type="anomdet.DrawSampler", shuffle=False, seed=0, round_up=False)
    return _loader(settings, sampler=sampler, dataset=_dataset(settings, split, pipeline))


def _evaluator(settings: Settings) -> dict[str, Any]:
    return dict(type="anomdet.InspectionMetric", **settings.metrics.model_dump())


def _optim_wrapper(settings: Settings) -> dict[str, Any]:
    training = settings.training
    kinds = {"adam": "Adam", "adamw": "AdamW", "sgd": "SGD"}
    optimizer: dict[str, Any] = dict(
        type=kinds[training.optimizer], lr=training.learning_rate, weight_decay=training.weight_decay
    )
    if training.optimizer == "sgd":
        optimizer["momentum"] = 0.9
    clip = training.gradient_clip_norm
    return dict(
        type="AmpOptimWrapper" if training.use_amp else "OptimWrapper",
        optimizer=optimizer,
        clip_grad=dict(max_norm=clip, norm_type=2) if clip else None,
        constructor="anomdet.TwoGroups",
    )


def _schedule(settings: Settings) -> dict[str, Any]:
    scheduler = settings.training.scheduler.model_dump()
    return dict(**scheduler, warmup_start=_WARMUP_START, max_epochs=settings.training.epochs)


def _default_hooks(checkpoint_dir: str) -> dict[str, Any]:
    return dict(
        runtime_info=dict(type="RuntimeInfoHook"),
        timer=dict(type="IterTimerHook"),
        sampler_seed=dict(type="DistSamplerSeedHook"),
        param_scheduler=dict(type="ParamSchedulerHook"),
        logger=dict(type="anomdet.ProgressHook"),
        checkpoint=dict(type="anomdet.BestAndLastHook", out_dir=checkpoint_dir, monitor="mAP"),
    )


def _hooks(settings: Settings) -> list[dict[str, Any]]:
    training = settings.training
    hooks: list[dict[str, Any]] = [dict(type="anomdet.EpochSeedHook", seed=training.seed)]
    if training.ema:
        # The window of the average grows to 1/momentum = 200 steps. Longer ones lag behind a short training: with 500
        # steps DeepPCB's 12 epochs ended at a validation mAP_50 of 0.839, the plain weights at 0.863.
        hooks.append(dict(type="EMAHook", ema_type="ExpMomentumEMA", momentum=0.005, gamma=50, update_buffers=True))
    if training.early_stopping.enabled:
        stopping = training.early_stopping
        hooks.append(
            dict(
                type="anomdet.EarlyStopping",
                monitor="mAP",
                patience=stopping.patience,
                min_delta=stopping.min_delta,
            )
        )
    return hooks
