"""``model:`` to MMDetection's model config."""

from __future__ import annotations

from typing import Any

from mmengine.config import ConfigDict

from anomdet.addresses import forget_weights, has_weights, hide_secrets
from anomdet.config import presets
from anomdet.config.schema import NO_BOXES, NORMAL_ONLY, Settings, effective_model_name
from anomdet.config.schema_data import DataSettings
from anomdet.config.translate_data import size_hw


def model_config(settings: Settings) -> tuple[ConfigDict, str | None]:
    """The model dict, and the weights to start from: those of the settings, or COCO's where they want these."""
    wanted = settings.model
    if effective_model_name(settings) == NORMAL_ONLY:
        return ConfigDict(type=NO_BOXES, data_preprocessor=dict(type="DetDataPreprocessor")), None
    if wanted.custom_model_file:
        model = ConfigDict(
            type="anomdet.FileModel",
            file=wanted.custom_model_file,
            config=_for_a_file(settings),
            num_classes=_num_classes(settings),
        )
        return model, wanted.weights
    name = effective_model_name(settings)
    model = presets.load_model(name)
    own_backbone = _set_backbone(model, settings)
    coco_weights = presets.coco_weights(name) if wanted.pretrained and own_backbone else None
    load_from = wanted.weights or coco_weights
    if load_from or not wanted.pretrained:
        forget_weights(model)  # these weights hold the backbone too: nothing else need be fetched
    for node in presets.walk(model):
        if "num_classes" in node:
            node["num_classes"] = _num_classes(settings)
    model.data_preprocessor = _data_preprocessor(settings.data, model.data_preprocessor, coco=coco_weights is not None)
    presets.fit_queries(model, size_hw(settings.data.image_size))
    _merge(model, wanted.overrides)
    if not (wanted.pretrained or wanted.weights) and not has_weights(model.backbone):
        presets.thaw(model.backbone)
    return model, load_from


def _for_a_file(settings: Settings) -> dict[str, Any]:
    """The settings as a user's file sees them, and as its checkpoints keep them: no secret of an address in them."""
    hidden: dict[str, Any] = hide_secrets(settings.model_dump(mode="json"))
    return hidden


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
            type="anomdet.FileBackbone", file=wanted.custom_backbone_file, config=_for_a_file(settings)
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
    """The settings' normalisation, in RGB; COCO weights get the order of colours and the pixels that they know."""
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
