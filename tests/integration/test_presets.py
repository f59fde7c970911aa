"""Each preset trains a step and predicts, on images with and without objects."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from mmdet.structures import DetDataSample
from mmdet.structures.bbox import HorizontalBoxes
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmengine.structures import InstanceData

from anomdet.config import presets
from anomdet.config.load import load_settings
from anomdet.config.preset_names import PRESETS
from anomdet.config.translate import to_mmengine
from anomdet.engine.predict_with_loss import predict_with_loss
from anomdet.registry import MODELS
from anomdet.workflows.runs.build import complete

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def in_the_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def config_of(*overrides: str) -> Config:
    return to_mmengine(load_settings(None, ("data.classes={1: a, 2: b, 5: c}", *overrides)))


def sample(size_px: int, bboxes_xyxy: list[list[float]]) -> DetDataSample:
    shapes = dict(
        img_shape=(size_px, size_px),
        ori_shape=(size_px, size_px),
        pad_shape=(size_px, size_px),
        scale_factor=(1.0, 1.0),
    )
    boxes = HorizontalBoxes(torch.tensor(bboxes_xyxy).view(-1, 4).float())
    instances = InstanceData(bboxes=boxes, labels=torch.arange(len(bboxes_xyxy)) % 3)
    ignored = InstanceData(bboxes=HorizontalBoxes(torch.zeros(0, 4)), labels=torch.zeros(0, dtype=torch.long))
    return DetDataSample(metainfo=shapes, gt_instances=instances, ignored_instances=ignored)


def batch(size_px: int, *bboxes_of_images: list[list[float]]) -> dict[str, Any]:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (len(bboxes_of_images), 3, size_px, size_px), generator=generator).byte()
    return dict(inputs=list(images), data_samples=[sample(size_px, boxes) for boxes in bboxes_of_images])


def build(*overrides: str) -> torch.nn.Module:
    """The model that the command line would build, from random weights."""
    config = config_of("model.pretrained=false", "data.image_size=64", *overrides)
    with DefaultScope.overwrite_default_scope("mmdet"):
        config.train_dataloader.dataset.type = "CocoDataset"  # the classes are given: no data need be read
        config = complete(config)
        _few_proposals(config.model)
        model = MODELS.build(config.model)
    logging.disable(logging.INFO)  # MMEngine writes a paragraph for each parameter
    model.init_weights()
    logging.disable(logging.NOTSET)
    return model


def _few_proposals(model: Any) -> None:
    """Two-stage heads on the CPU spend their time on hundreds of random proposals."""
    for node in presets.walk(model):
        if node.get("type") == "RandomSampler":
            node["num"] = 16
        for key in ("rpn", "rpn_proposal"):
            if "max_per_img" in node.get(key, {}):
                node[key]["max_per_img"] = 30


def assert_trains_and_predicts(model: torch.nn.Module, size_px: int = 64, dtype: Any = torch.float32) -> None:
    two_objects = [[4.0, 4.0, 30.0, 40.0], [20.0, 8.0, 60.0, 50.0]]
    size_px = max(size_px, 96) if dtype == torch.bfloat16 else size_px  # see anomdet/engine/mixed_precision.py
    with DefaultScope.overwrite_default_scope("mmdet"):
        model.train()
        for boxes in ([two_objects, []], [[], []]):
            data = model.data_preprocessor(batch(size_px, *boxes), training=True)
            with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
                total, _ = model.parse_losses(model(**data, mode="loss"))
            assert torch.isfinite(total)
            total.backward()
        gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
        assert len(gradients) > 20
        assert all(torch.isfinite(gradient).all() for gradient in gradients)
        model.eval()
        with torch.no_grad():
            first, second = model.test_step(batch(size_px, [], []))
        assert_validates(model, batch(size_px, two_objects, []), first)
    for result in (first.pred_instances, second.pred_instances):
        assert len(result.bboxes) == len(result.scores) == len(result.labels) <= 100
        assert torch.isfinite(result.bboxes).all()
        assert ((result.labels >= 0) & (result.labels < 3)).all()


def assert_validates(model: torch.nn.Module, data: dict[str, Any], predicted: DetDataSample) -> None:
    """The loss in validation changes nothing: not the statistics, not the predictions, not the mode."""
    before = {key: value.clone() for key, value in model.state_dict().items()}
    data = model.data_preprocessor(data, training=False)
    with torch.no_grad():
        (first, _), losses = predict_with_loss(model, data["inputs"], data["data_samples"])
    total, _ = model.parse_losses(losses)
    assert torch.isfinite(total)
    assert torch.equal(first.pred_instances.scores, predicted.pred_instances.scores)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert not any(module.training for module in model.modules())


# fasterrcnn_resnet50_fpn is the same network as faster_rcnn.
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["fp32", "bf16"])
@pytest.mark.parametrize("name", [name for name in PRESETS if name != "fasterrcnn_resnet50_fpn"])
def test_trains_and_predicts(name: str, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    assert_trains_and_predicts(build(f"model.name={name}"), dtype=dtype)


SMALL = "model.overrides={neck: {out_channels: 32}, bbox_head: {in_channels: 32, feat_channels: 32}}"


@pytest.mark.parametrize(
    "backbone", ["backbone=resnet18", "backbone=efficientnet_lite0", "backbone=timm:resnet18", "backbone=vgg16"]
)
@pytest.mark.parametrize("name", ["retinanet", "rtmdet_tiny"])
def test_trains_on_other_backbones(name: str, backbone: str) -> None:
    torch.manual_seed(0)
    assert_trains_and_predicts(build(f"model.name={name}", f"model.{backbone}", SMALL))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["fp32", "bf16"])
@pytest.mark.parametrize("example", ["mobilenet_v2", "efficientnet_lite0"])
@pytest.mark.parametrize("name", ["atss", "faster_rcnn"])
def test_trains_on_a_backbone_from_a_file(name: str, example: str, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    file = f"model.custom_backbone_file=examples/custom_backbone_{example}.py"
    assert_trains_and_predicts(build(f"model.name={name}", file), dtype=dtype)


SLOW_BFLOAT16 = pytest.param(torch.bfloat16, marks=pytest.mark.slow, id="bf16")  # where it is emulated


@pytest.mark.parametrize("dtype", [pytest.param(torch.float32, id="fp32"), SLOW_BFLOAT16])
def test_trains_a_model_from_a_file(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    model = build("model.custom_model_file=examples/custom_model_torchvision.py")
    assert model.num_classes == 3
    assert_trains_and_predicts(model, dtype=dtype)


SSDLITE = """
from torch import nn
from torchvision.models.detection import ssdlite320_mobilenet_v3_large

class CustomModel(nn.Module):
    def __init__(self, config):
        super().__init__()
        num_classes = config["model"]["num_classes"] + 1
        self.detector = ssdlite320_mobilenet_v3_large(
            weights=None, weights_backbone=None, num_classes=num_classes, detections_per_img=100
        )

    def forward(self, images, targets=None):
        return self.detector(images, targets)
"""


@pytest.mark.parametrize("dtype", [pytest.param(torch.float32, id="fp32"), SLOW_BFLOAT16])
def test_trains_another_of_torchvisions_detectors(dtype: torch.dtype, tmp_path: Path) -> None:
    torch.manual_seed(0)
    file = tmp_path / "ssdlite.py"
    file.write_text(SSDLITE, encoding="utf-8")
    assert_trains_and_predicts(build(f"model.custom_model_file={file}"), dtype=dtype)


def test_efficientnet_from_scratch_trains_every_weight_and_statistic() -> None:
    given = ("model.name=rtmdet_tiny", "model.backbone=efficientnet_lite0")
    for pretrained in (True, False):
        config = config_of(*given, f"model.pretrained={str(pretrained).lower()}")
        backbone = MODELS.build(config.model.backbone)
        backbone.train()
        norms = [module for module in backbone.modules() if isinstance(module, torch.nn.BatchNorm2d)]
        assert len(norms) > 30
        assert all(norm.training is not pretrained for norm in norms)
        assert all(parameter.requires_grad for parameter in backbone.parameters())
