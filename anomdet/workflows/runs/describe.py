"""A complete config to the document that its checkpoints carry: what a detector needs to stand alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from anomdet.addresses import forget_weights
from anomdet.config.presets import walk
from anomdet.config.schema import NO_BOXES, Settings, effective_model_name
from anomdet.defaults import MAX_IMAGE_MEGAPIXELS, MIDDLE_SCORE
from anomdet.engine.contracts import split_hashes
from anomdet.file_hash import sha256
from anomdet.inference.artifact import Artifact, CustomFile, ModelInfo, OperatingPoint, Preprocessing
from anomdet.workflows.runs.bit_depth import bit_depth_of
from anomdet.workflows.runs.provenance import versions
from anomdet.workflows.runs.tiles import PACK as _PACK_TILES
from anomdet.workflows.runs.tiles import tiling_of
from anomdet.workflows.runs.views import PACK_VIEWS as _PACK_VIEWS
from anomdet.workflows.runs.views import views_of

_PACKAGES = (
    *("torch", "torchvision", "numpy", "onedl-mmengine", "onedl-mmdetection", "onedl-mmcv"),
    *("opencv-python", "opencv-python-headless", "timm"),
)
_OWN_PLUGIN = "anomdet.registry"
_FILE_KEYS = {"anomdet.FileBackbone": "model.custom_backbone_file", "anomdet.FileModel": "model.custom_model_file"}
_LOAD, _FIT, _PACK = "anomdet.LoadInspectionImage", "anomdet.FitInside", "anomdet.PackInspectionInputs"
_UNUSED_IN_TESTS = ("LoadAnnotations",)
_PREPROCESSORS = ("DetDataPreprocessor", "mmdet.DetDataPreprocessor")
_PREPROCESSOR_KEYS = {
    *("type", "mean", "std", "bgr_to_rgb", "rgb_to_bgr", "pad_size_divisor", "pad_value"),
    *("pad_mask", "mask_pad_value", "batch_augments"),  # of the training only
}


_NO_POINT = OperatingPoint("fixed", "default", MIDDLE_SCORE, note="no class was learned, so no box has a score")


class NotDescribedError(Exception):
    """A Python config that prepares images in a way of its own: its checkpoints need it beside them."""


def let_stand_alone(runner: Any, config: Any, settings: Settings | None) -> list[str]:
    """Hand a run's document to its Runner, which puts it into each checkpoint.

    Returns:
        A note for the log, where the checkpoints will not stand alone.
    """
    try:
        dataset = runner.train_dataloader.dataset
        runner.inference = describe(config, settings, split_hashes(dataset)).to_dict()
    except NotDescribedError as error:
        return [f"checkpoints of this run are evaluated with their config, and cannot be loaded alone: {error}"]
    return []


def describe(config: Any, settings: Settings | None, split_hashes: Mapping[str, str]) -> Artifact:
    """The document of a run.

    Args:
        config: complete, its classes filled in.
        settings: behind it; None: a Python config.
        split_hashes: of the data set.

    Raises:
        NotDescribedError: with the reason, a sentence without its end.
    """
    classes = config.test_dataloader.dataset.get("classes")
    if not classes and config.model.type != NO_BOXES:
        raise NotDescribedError(f"its data set {config.test_dataloader.dataset.get('type')} names no class numbers")
    plugins = config.get("custom_imports", {}).get("imports", ())
    return Artifact(
        model=ModelInfo(
            name=str(config.model.type) if settings is None else effective_model_name(settings),
            config=_without_folders(network(config.model)),
            channels_last=bool(config.get("channels_last", False)),
            plugins=tuple(name for name in plugins if name != _OWN_PLUGIN),
            custom_file=_custom_file(config.model),
        ),
        preprocessing=_preprocessing(config),
        class_nums=tuple(int(number) for number, _ in classes or ()),
        class_names=tuple(str(name) for _, name in classes or ()),
        operating_point=fixed_point(config.test_evaluator) if classes else _NO_POINT,
        versions=versions(_PACKAGES),
        split_hashes=dict(split_hashes),
        tiles=tiling_of(config),
        tta=views_of(config),
    )


def network(model: Any) -> dict[str, Any]:
    """A model's config as plain containers, without any address or file of pretrained weights."""
    from mmengine.config import ConfigDict

    plain: dict[str, Any] = model.to_dict() if isinstance(model, ConfigDict) else dict(model)
    forget_weights(plain)
    return plain


def use_normalization(model: Any, trained: Preprocessing) -> str:
    """Give a model's config the normalisation that weights were trained with, in place.

    Returns:
        What was changed, for the log; empty: nothing, or the config's data_preprocessor is of a kind of its own.
    """
    try:
        own = _normalization(_preprocessor(model))
    except NotDescribedError:
        return ""
    wanted = (trained.mean, trained.std, trained.channel_order)
    if own == wanted or "data_preprocessor" not in model:
        return ""
    model.data_preprocessor.update(
        mean=list(trained.mean) or None, std=list(trained.std) or None, bgr_to_rgb=trained.channel_order == "rgb"
    )
    return (
        f"its own normalisation is used: {trained.channel_order.upper()}, mean {list(trained.mean)}, "
        f"std {list(trained.std)}; the settings have {own[2].upper()}, mean {list(own[0])}, std {list(own[1])}"
    )


def _normalization(given: Mapping[str, Any]) -> tuple[tuple[float, ...], tuple[float, ...], Literal["rgb", "bgr"]]:
    mean, std = (tuple(float(value) for value in given.get(key) or ()) for key in ("mean", "std"))
    return mean, std, "rgb" if given.get("bgr_to_rgb") or given.get("rgb_to_bgr") else "bgr"


def _without_folders(model: dict[str, Any]) -> dict[str, Any]:
    for node in walk(model):
        if node.get("type") in _FILE_KEYS:
            node["file"] = Path(node["file"]).name
            given = node.get("config")  # the settings, for the user's file; where a run writes is no part of a network
            if isinstance(given, dict) and isinstance(given.get("logging"), dict):
                node["config"] = {**given, "logging": {**given["logging"], "log_dir": "", "checkpoint_dir": ""}}
    return model


def _custom_file(model: Any) -> CustomFile | None:
    for node in walk(model):
        key = _FILE_KEYS.get(str(node.get("type")))
        if key is not None:
            path = Path(node["file"]).expanduser()
            return CustomFile(key, path.name, sha256(path))
    return None


def _preprocessing(config: Any) -> Preprocessing:
    steps = {str(step.type): step for step in config.test_dataloader.dataset.get("pipeline", ())}
    kinds = [kind for kind in steps if kind not in _UNUSED_IN_TESTS]
    if kinds not in ([_LOAD, _FIT, _PACK], [_LOAD, _PACK_TILES], [_LOAD, _PACK_VIEWS]):
        raise NotDescribedError(f"its test pipeline is {', '.join(kinds)}, not {_LOAD}, {_FIT}, {_PACK}")
    given = _preprocessor(config.model)
    mean, std, channel_order = _normalization(given)
    height, width = steps[kinds[1]].size_hw
    return Preprocessing(
        size_hw=(int(height), int(width)),
        mean=mean,
        std=std,
        channel_order=channel_order,
        pad_multiple=int(given.get("pad_size_divisor", 1)),
        pad_value=float(given.get("pad_value", 0)),
        bit_depth=bit_depth_of(config),
        max_megapixels=float(steps[_LOAD].get("max_megapixels", MAX_IMAGE_MEGAPIXELS)),
    )


def _preprocessor(model: Any) -> Mapping[str, Any]:
    given: Mapping[str, Any] | None = model.get("data_preprocessor")
    if given is None and model.type == "anomdet.FileModel":
        from anomdet.models.file_model import PREPROCESSOR

        return PREPROCESSOR
    if given is None or given["type"] not in _PREPROCESSORS:
        raise NotDescribedError(f"its data_preprocessor is {given and given['type']}, not DetDataPreprocessor")
    strange = set(given) - _PREPROCESSOR_KEYS
    if strange:
        raise NotDescribedError(f"its data_preprocessor has {', '.join(sorted(strange))}, which no detector knows")
    return given


def fixed_point(evaluator: Any) -> OperatingPoint | None:
    """A threshold that the settings give; one that is chosen comes with the first validation."""
    metric = evaluator[0] if isinstance(evaluator, (list, tuple)) else evaluator
    score_threshold = metric.get("score_threshold")
    if isinstance(score_threshold, Mapping):
        per_class = {int(num): float(value) for num, value in score_threshold.items()}
        return OperatingPoint("fixed", "settings", None, per_class)
    return None if score_threshold is None else OperatingPoint("fixed", "settings", float(score_threshold))
