"""Small networks with random weights whose scores are spread out, so that rows differ where anything differs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import nn

from anomdet.addresses import forget_weights
from anomdet.config.load import load_settings
from anomdet.config.translate import to_mmengine
from anomdet.inference.artifact import Artifact, ModelInfo, OperatingPoint, Preprocessing
from anomdet.inference.preprocess import Batch
from anomdet.workflows.runs.build import _fit_backbone, _scope, _set_num_classes
from anomdet.workflows.runs.libraries import load_libraries

CLASSES = {3: "dent", 7: "scratch"}
PRESETS = {
    "rtmdet_tiny": (),
    "retinanet": ("model.backbone=resnet18",),
    "fcos": ("model.backbone=resnet18",),
    "atss": ("model.backbone=resnet18",),
    "yolox_tiny": (),
    "faster_rcnn": ("model.backbone=resnet18",),
    "cascade_rcnn": ("model.backbone=resnet18",),
    "dino": ("model.overrides={num_queries: 100, encoder: {num_layers: 1}, decoder: {num_layers: 2}}",),
}
OF_QUERIES = ("dino",)  # right at one size that the image fills
OWN = "own"  # a user's file, torchvision's Faster R-CNN
_SCORE_LAYERS = ("rtm_cls", "retina_cls", "atss_cls", "conv_cls", "multi_level_conv_cls", "fc_cls", "cls_branches")


def make_network(preset: str) -> Any:
    """MMDetection's model of a preset for two classes."""
    load_libraries()
    if preset == OWN:
        return _own_model()
    from mmdet.registry import MODELS

    settings = [f"model.name={preset}", "model.pretrained=false", *PRESETS.get(preset, ())]
    config = to_mmengine(load_settings({}, settings))
    _set_num_classes(config.model, len(CLASSES))
    forget_weights(config.model)
    with _scope():
        if str(config.model.backbone.type).startswith("anomdet."):
            _fit_backbone(config)
        torch.manual_seed(0)
        model = MODELS.build(config.model).eval()
    for name, weights in model.named_parameters():
        if name.endswith("level_embed"):  # DINO's, until a Runner initialises it: memory as it was found
            nn.init.normal_(weights)
    _spread_scores(model)
    return model


def _own_model() -> Any:
    from anomdet.models.file_model import FileModel

    torch.manual_seed(0)
    file = Path(__file__).parents[3] / "examples" / "custom_model_torchvision.py"
    model = FileModel(str(file), {"model": {"pretrained": False}, "data": {"image_size": 128}}, len(CLASSES)).eval()
    model.model.detector.roi_heads.score_thresh = 0.01
    _keep_signal(model)
    return model


@torch.no_grad()
def _keep_signal(model: nn.Module) -> None:
    """Scale each layer's weights, in the order of the computation, so that its output has a deviation of 1."""
    seen: set[nn.Module] = set()

    def scaled(layer: Any, _inputs: Any, out: torch.Tensor) -> torch.Tensor:
        factor = 1.0 if layer in seen else 1.0 / float(out.std())
        seen.add(layer)
        layer.weight.mul_(factor)
        return out * factor

    layers = [layer for layer in model.modules() if isinstance(layer, (nn.Conv2d, nn.Linear))]
    for layer in layers:
        if layer.bias is not None:
            layer.bias.zero_()
    hooks = [layer.register_forward_hook(scaled) for layer in layers]
    batch = make_batch((128, 128), 1)
    model(torch.from_numpy(batch.images).permute(0, 3, 1, 2).float() / 255)
    for hook in hooks:
        hook.remove()


def _spread_scores(model: nn.Module) -> None:
    """Scale the last layers of the classes, so that their outputs have a deviation of 1.5 around -2."""
    seen: dict[nn.Module, torch.Tensor] = {}
    layers = [
        module
        for name, module in model.named_modules()
        if any(part in _SCORE_LAYERS for part in name.split(".")) and isinstance(module, (nn.Conv2d, nn.Linear))
    ]
    hooks = [layer.register_forward_hook(lambda mod, _in, out: seen.setdefault(mod, out)) for layer in layers]
    batch = make_batch((128, 128), 1)
    backend_inputs = torch.from_numpy(batch.images).permute(0, 3, 1, 2).float() / 255
    with torch.no_grad():
        features = model.extract_feat(backend_inputs)
        if hasattr(model, "num_queries"):
            model.bbox_head(**model.forward_transformer(features, [_whole(batch)]))
        elif hasattr(model, "roi_head"):
            rois = torch.tensor([[0, 4.0 * i, 4.0 * i, 40 + 5.0 * i, 60 + 4.0 * i] for i in range(10)])
            stages = getattr(model.roi_head, "num_stages", None)
            for stage in range(stages or 1):
                model.roi_head._bbox_forward(*([stage] if stages else []), features, rois)
        else:
            model.bbox_head(features)
        for layer, out in seen.items():
            layer.weight.mul_(1.5 / out.std())  # type: ignore[operator, union-attr]
            layer.bias.fill_(-2.0 if not isinstance(layer, nn.Linear) else 0.0)  # type: ignore[operator, union-attr]
        for name, layer in model.named_modules():
            if "rtm_reg" in name.split(".") and isinstance(layer, nn.Conv2d):
                layer.bias.fill_(1.0)  # type: ignore[union-attr]  # distances to the sides, in strides
    for hook in hooks:
        hook.remove()


def _whole(batch: Batch) -> Any:
    from mmdet.structures import DetDataSample

    size_hw = batch.images.shape[1:3]
    return DetDataSample(metainfo={"batch_input_shape": size_hw, "img_shape": size_hw})


def make_batch(size_hw: tuple[int, int], count: int, seed: int = 0) -> Batch:
    """Smooth random images in the upper left of ones padded to multiples of 32."""
    rng = np.random.default_rng(seed)
    height, width = (-(-side // 32) * 32 for side in size_hw)
    images = np.zeros((count, height, width, 3), np.uint8)
    for image in images:
        coarse = rng.integers(0, 255, (size_hw[0] // 8, size_hw[1] // 8, 3), dtype=np.uint8)
        image[: size_hw[0], : size_hw[1]] = cv2.resize(coarse, size_hw[::-1], interpolation=cv2.INTER_CUBIC)
    sizes = np.array([size_hw] * count, np.int64)
    return Batch(images, sizes, sizes.copy())


def make_artifact(preset: str, model: Any) -> Artifact:
    """The document that a checkpoint of the network would carry."""
    own = model.data_preprocessor
    preprocessing = Preprocessing(
        size_hw=(128, 128),
        mean=tuple(own.mean.flatten().tolist()),
        std=tuple(own.std.flatten().tolist()),
        channel_order="rgb" if own._channel_conversion else "bgr",
        pad_multiple=32 if preset not in (OWN, *OF_QUERIES) else 1,
        pad_value=float(own.pad_value),
    )
    point = OperatingPoint("fixed", "settings", 0.3)
    info = ModelInfo(preset, {"type": type(model).__name__})
    return Artifact(info, preprocessing, tuple(CLASSES), tuple(CLASSES.values()), point)
