"""``data:`` to MMEngine's data loaders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from anomdet.config.augmentations import take_any_size, to_albumentations, to_mixing
from anomdet.config.schema import EvaluationSettings, Settings, TtaSettings
from anomdet.config.schema_data import AugmentationSettings, DataSettings
from anomdet.layout import HARD_NORMALS, VAL

META_KEYS = ("img_id", "img_path", "file_name", "ori_shape", "img_shape", "scale_factor")


def size_hw(image_size: int | tuple[int, int]) -> tuple[int, int]:
    """``(height, width)`` of the settings' ``image_size``."""
    return (image_size, image_size) if isinstance(image_size, int) else image_size


def tile_arguments(data: DataSettings) -> dict[str, Any] | str | None:
    """The tiles in pixels; ``auto`` where the data decides; None where there are none."""
    tiles = data.tiles
    if tiles is None or isinstance(tiles, str):
        return tiles
    sides = size_hw(tiles.size or data.image_size)
    share = tiles.overlap
    overlaps = [int(share) if share >= 1 else max(round(side * share), 1) for side in sides]
    return dict(
        size_hw=list(sides),
        overlap_hw=[min(overlap, side - 1) for overlap, side in zip(overlaps, sides, strict=True)],
        include_whole=tiles.include_whole,
        min_visible=tiles.min_visible,
        empty_share=tiles.empty_share,
        cache_gb=tiles.cache_gb,
    )


def view_arguments(evaluation: EvaluationSettings) -> dict[str, Any] | bool | None:
    """The views of a test-time augmentation; False: none, whatever a checkpoint says; None where nothing is said."""
    tta = TtaSettings() if evaluation.tta is True else evaluation.tta
    return tta.model_dump() if isinstance(tta, TtaSettings) else tta


def split_arguments(data: DataSettings) -> dict[str, Any]:
    """What says how images are shared out among the splits, with what null stands for filled in."""
    split = data.split
    by = split.by or ("files" if data.split_files else "group" if split.group_regex else "ratio")
    group_regex = split.group_regex or (data.group_by if by == "group" else None)
    shares_out_val = data.split_files is not None and data.split_files.test is None
    parts = {"part_regex": data.group_by} if shares_out_val and data.group_by else {}
    return dict(
        ratios=(data.train_split, data.val_split, data.test_split),
        split_files=data.split_files.model_dump() if data.split_files else None,
        split_rule={**split.model_dump(), "by": by, "group_regex": group_regex, **parts},
    )


def _dataset(settings: Settings, split: str, pipeline: list[dict[str, Any]]) -> dict[str, Any]:
    data = settings.data
    own = dict(
        type="anomdet.TextLabelDataset",
        data_root=data.data_dir,
        split=split,
        **split_arguments(data),
        classes=[[number, name] for number, name in sorted(data.classes.items())] if data.classes else None,
        missing_labels=data.missing_labels,
        verify_images=data.verify_images,
        max_image_megapixels=data.max_image_megapixels,
        pipeline=pipeline,
        test_mode=split != "train",
    )
    return {**own, **data.dataset}


def _load_step(data: DataSettings, *, again: bool) -> dict[str, Any]:
    """``again``: each image is read in more than one epoch."""
    kept = dict(cache_gb=data.cache_gb) if again and data.cache_gb else {}
    most = data.max_image_megapixels
    return dict(type="anomdet.LoadInspectionImage", max_megapixels=most, bit_depth=data.bit_depth, **kept)


def _loader(settings: Settings, batch_size: int, **parts: Any) -> dict[str, Any]:
    workers = settings.data.num_workers
    return dict(batch_size=batch_size, num_workers=workers, persistent_workers=workers > 0, **parts)


def train_loader(settings: Settings) -> dict[str, Any]:
    data, imbalance = settings.data, settings.training.class_imbalance_handling
    styled = data.augmentations
    transforms = to_albumentations(styled) if isinstance(styled, AugmentationSettings) else styled
    length = settings.training.epochs, settings.training.epoch_images
    seen_hw = size_hw(data.image_size)
    fit = dict(type="anomdet.FitInside", size_hw=seen_hw)
    first = bool(transforms) and take_any_size(transforms, seen_hw) and not data.transforms
    mixing = to_mixing(styled, seen_hw, *length) if isinstance(styled, AugmentationSettings) else []
    smaller = [dict(fit, enlarge=False)] if first else []
    # A mosaic fits its images itself: those that are fitted before can be large ones that are kept so.
    is_mosaic = [step["type"] for step in mixing] == ["anomdet.InspectionMosaic"]
    pipeline: list[dict[str, Any]] = [
        _load_step(data, again=True),
        dict(type="LoadAnnotations", with_bbox=True),
        *([*smaller, *mixing] if is_mosaic else [*mixing, *smaller]),
        *([dict(type="anomdet.AlbumentationsAugment", transforms=transforms)] if transforms else []),
        *data.transforms,
        fit,
        dict(type="anomdet.PackInspectionInputs", meta_keys=META_KEYS),
    ]
    samplers: dict[str, dict[str, Any]] = {
        "none": dict(type="anomdet.DrawSampler", shuffle=True),
        "balanced_sampler": dict(
            type="anomdet.BalancedSampler", normal_ratio=imbalance.normal_ratio, replacement=imbalance.replacement
        ),
        "repeat_factor": dict(type="anomdet.RepeatFactorSampler", threshold=imbalance.repeat_threshold),
    }
    sampler = dict(**samplers[imbalance.method], seed=settings.training.seed)
    if settings.training.epoch_images is not None:
        sampler["num_samples"] = settings.training.epoch_images
    dataset = _dataset(settings, "train", pipeline)
    if imbalance.hard_normals is not None:
        sampler["hard_normals"] = imbalance.hard_normals
        dataset["hard_normals"] = imbalance.hard_normals_file or str(Path(data.data_dir) / HARD_NORMALS)
    return _loader(settings, settings.training.batch_size, sampler=sampler, dataset=dataset)


def eval_loader(settings: Settings, split: str) -> dict[str, Any]:
    data = settings.data
    pipeline: list[dict[str, Any]] = [
        _load_step(data, again=split == VAL),
        dict(type="LoadAnnotations", with_bbox=True),  # for the loss; the metric reads `instances`, in original pixels
        dict(type="anomdet.FitInside", size_hw=size_hw(data.image_size)),
        dict(type="anomdet.PackInspectionInputs", meta_keys=(*META_KEYS, "instances")),
    ]
    sampler = dict(type="anomdet.DrawSampler", shuffle=False, seed=0, round_up=False)
    batch_size = settings.evaluation.batch_size or settings.training.batch_size
    return _loader(settings, batch_size, sampler=sampler, dataset=_dataset(settings, split, pipeline))
