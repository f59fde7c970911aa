"""Every preset on backbones of 1, 3, 4 and 5 levels: it is built, has a loss that trains, and predicts."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from torch import nn

from anomdet import ops

ops.install()

import mmdet  # noqa: E402
from mmdet.registry import MODELS as MMDET_MODELS  # noqa: E402
from mmdet.structures import DetDataSample  # noqa: E402
from mmdet.structures.bbox import HorizontalBoxes  # noqa: E402
from mmengine.registry import DefaultScope  # noqa: E402
from mmengine.structures import InstanceData  # noqa: E402

from anomdet.errors import UserError  # noqa: E402
from anomdet.models.fit import fit_to_backbone  # noqa: E402
from anomdet.models.probe import LevelInfo, probe  # noqa: E402
from anomdet.registry import MODELS  # noqa: E402

pytestmark = pytest.mark.slow  # seconds: not a part of `make test-fast`

CONFIGS = Path(mmdet.__file__).parent / ".mim" / "configs"
PRESETS = {
    "faster_rcnn": "faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py",
    "cascade_rcnn": "cascade_rcnn/cascade-rcnn_r50_fpn_1x_coco.py",
    "retinanet": "retinanet/retinanet_r50_fpn_1x_coco.py",
    "fcos": "fcos/fcos_r50-caffe_fpn_gn-head_1x_coco.py",
    "atss": "atss/atss_r50_fpn_1x_coco.py",
    "rtmdet": "rtmdet/rtmdet_tiny_8xb32-300e_coco.py",
    "yolox": "yolox/yolox_tiny_8xb8-300e_coco.py",
    "dino": "dino/dino-4scale_r50_8xb2-12e_coco.py",
}
STRIDES = {1: (16,), 3: (8, 16, 32), 4: (4, 8, 16, 32), 5: (2, 4, 8, 16, 32)}
CHANNELS = (8, 12, 16, 24, 32)
NUM_CLASSES = 3


@MODELS.register_module()
class FakeMobileNet(nn.Module):
    """One strided convolution a level."""

    def __init__(self, strides, out_indices=None):
        super().__init__()
        steps = [b // a for a, b in zip((1, *strides), strides, strict=False)]
        channels = (3, *CHANNELS)
        self.levels = nn.ModuleList(
            nn.Conv2d(channels[i], channels[i + 1], 3, stride=step, padding=1) for i, step in enumerate(steps)
        )
        self.out_indices = out_indices

    def forward(self, x):
        maps = []
        for level in self.levels:
            x = level(x).relu()
            maps.append(x)
        return tuple(maps if self.out_indices is None else (maps[i] for i in self.out_indices))


@pytest.fixture(autouse=True)
def _scope(request: pytest.FixtureRequest):
    logging.getLogger("mmengine").setLevel(logging.ERROR)
    with DefaultScope.overwrite_default_scope("mmdet"):
        yield


def _walk(node, parent=None):
    if isinstance(node, dict):
        yield node
        for value in node.values():
            yield from _walk(value)
    elif isinstance(node, (list, tuple)):
        for value in node:
            yield from _walk(value)


def _model_cfg(preset: str, strides: tuple[int, ...]):
    cfg = Config.fromfile(CONFIGS / PRESETS[preset], import_custom_modules=False).model
    cfg.backbone = {"type": "anomdet.FakeMobileNet", "strides": strides}
    for node in _walk(cfg):
        if "num_classes" in node:
            node["num_classes"] = NUM_CLASSES
        if node.get("type") == "SyncBN":
            node["type"] = "BN"
        if node.get("feedforward_channels"):
            node["feedforward_channels"] = 64
        if node.get("fc_out_channels"):
            node["fc_out_channels"] = 32
        if node.get("type") == "RandomSampler":
            node["num"] = 16
        if "max_per_img" in node:
            node["max_per_img"] = 40
        node.pop("init_cfg", None)
        node.pop("pretrained", None)
    cfg.data_preprocessor.pop("batch_augments", None)
    if preset == "dino":
        cfg.encoder.num_layers, cfg.decoder.num_layers, cfg.num_queries = 1, 1, 40
        cfg.dn_cfg.group_cfg.num_dn_queries = 4
    return cfg


def _batch(size_px: int = 128):
    sample = DetDataSample()
    shape = (size_px, size_px)
    sample.set_metainfo({"img_shape": shape, "ori_shape": shape, "pad_shape": shape, "batch_input_shape": shape})
    sample.set_metainfo({"scale_factor": (1.0, 1.0), "img_id": 0})
    boxes = HorizontalBoxes(torch.tensor([[10.0, 12.0, 60.0, 70.0], [70.0, 30.0, 120.0, 50.0]]))
    sample.gt_instances = InstanceData(bboxes=boxes, labels=torch.tensor([0, 2]))
    image = torch.randint(0, 255, (3, *shape), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    return {"inputs": [image], "data_samples": [sample]}


def _fitted(preset: str, count: int):
    cfg = _model_cfg(preset, STRIDES[count])
    return fit_to_backbone(cfg, probe(MODELS.build(cfg.backbone), (64, 64)))


def _check_trains_and_predicts(cfg) -> None:
    torch.manual_seed(0)
    model = MMDET_MODELS.build(cfg).train()
    model.init_weights()  # as the Runner does: until then DINO's level_embed is memory as it was found
    losses = model(**model.data_preprocessor(_batch(), True), mode="loss")
    total, _ = model.parse_losses(losses)
    total.backward()
    assert torch.isfinite(total)
    assert model.backbone.levels[0].weight.grad.abs().sum() > 0
    with torch.no_grad():
        result = model.eval()(**model.data_preprocessor(_batch(), False), mode="predict")[0].pred_instances
    assert result.bboxes.shape == (len(result.labels), 4)


@pytest.mark.parametrize("count", STRIDES)
@pytest.mark.parametrize("preset", PRESETS)
def test_each_preset_takes_each_number_of_levels(preset: str, count: int) -> None:
    if preset in ("rtmdet", "yolox") and count == 1:
        with pytest.raises(UserError, match=r"expected 3 feature maps.*got 1 with strides \[16\]"):
            _fitted(preset, count)
        return
    _check_trains_and_predicts(_fitted(preset, count))


def test_the_preset_s_own_levels_change_only_the_channels() -> None:
    cfg = _model_cfg("faster_rcnn", STRIDES[4])
    fitted = fit_to_backbone(cfg, [LevelInfo(c, s) for c, s in zip((1, 2, 3, 4), STRIDES[4], strict=True)])
    assert cfg.neck.in_channels == [256, 512, 1024, 2048]  # the given one is untouched
    assert fitted.neck.in_channels == [1, 2, 3, 4] and fitted.neck.start_level == 0
    assert fitted.rpn_head == cfg.rpn_head and fitted.roi_head == cfg.roi_head


def test_anchors_keep_their_pixels_on_other_strides() -> None:
    levels = [LevelInfo(16, 8), LevelInfo(24, 16), LevelInfo(32, 32)]
    fitted = fit_to_backbone(_model_cfg("faster_rcnn", STRIDES[3]), levels)
    assert fitted.rpn_head.anchor_generator.strides == [8, 16, 32, 64, 128]
    assert fitted.roi_head.bbox_roi_extractor.featmap_strides == [8, 16, 32, 64]
    generator = MMDET_MODELS.build(fitted).rpn_head.prior_generator
    widths = [float(anchors[1, 2] - anchors[1, 0]) for anchors in generator.base_anchors]
    assert widths == [32, 64, 128, 256, 512]


def test_one_stage_detectors_leave_out_levels_finer_than_their_own() -> None:
    levels = [LevelInfo(c, s) for c, s in zip(CHANNELS, STRIDES[5], strict=True)]
    fitted = fit_to_backbone(_model_cfg("fcos", STRIDES[5]), levels)
    assert fitted.neck.start_level == 2 and fitted.neck.in_channels == list(CHANNELS)
    assert fitted.bbox_head.strides == [8, 16, 32, 64, 128]
    fitted = fit_to_backbone(_model_cfg("rtmdet", STRIDES[5]), levels)
    assert fitted.backbone.out_indices == [2, 3, 4] and fitted.neck.in_channels == [16, 24, 32]


def test_levels_are_left_out_at_the_backbone_by_its_own_argument() -> None:
    levels = [LevelInfo(24, 4), LevelInfo(40, 8), LevelInfo(112, 16), LevelInfo(320, 32)]
    cfg = _model_cfg("rtmdet", STRIDES[4])
    cfg.backbone = {"type": "anomdet.EfficientNetLite0", "out_blocks": (2, 4, 10, 15)}
    fitted = fit_to_backbone(cfg, levels)
    assert fitted.backbone.out_blocks == [4, 10, 15] and fitted.data_preprocessor.pad_size_divisor == 32
    cfg.backbone = {"type": "ResNet", "depth": 50}
    with pytest.raises(UserError, match=r"ResNet: out_indices: expected 4 numbers"):
        fit_to_backbone(cfg, levels)


@pytest.mark.parametrize("strides", [(), (16, 8), (8, 8)])
def test_levels_that_are_not_a_pyramid_are_refused(strides: tuple[int, ...]) -> None:
    with pytest.raises(UserError, match="ascending strides"):
        fit_to_backbone(_model_cfg("fcos", (8,)), [LevelInfo(8, stride) for stride in strides])


def test_a_neck_of_an_unknown_kind_is_refused() -> None:
    with pytest.raises(UserError, match="DilatedEncoder"):
        fit_to_backbone({"type": "YOLOF", "neck": {"type": "DilatedEncoder", "in_channels": 2048}}, [LevelInfo(8, 32)])
