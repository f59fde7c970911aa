"""Each preset: where its weights come from, and what a backbone changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from mmengine.config import Config

from anomdet.config import presets
from anomdet.config.load import load_settings
from anomdet.config.preset_names import PRESETS
from anomdet.config.schema import Settings
from anomdet.config.translate import to_mmengine
from anomdet.errors import UserError

ROOT = Path(__file__).parents[3]
COCO = "https://download.openmmlab.com/mmdetection/v2.0/"
WEIGHTS = {
    "fasterrcnn_resnet50_fpn": "faster_rcnn/faster_rcnn_r50_fpn_1x_coco/",
    "faster_rcnn": "faster_rcnn/faster_rcnn_r50_fpn_1x_coco/",
    "cascade_rcnn": "cascade_rcnn/cascade_rcnn_r50_fpn_1x_coco/",
    "retinanet": "retinanet/retinanet_r50_fpn_1x_coco/",
    "fcos": None,
    "atss": "atss/atss_r50_fpn_1x_coco/",
    "rtmdet_tiny": "rtmdet/rtmdet_tiny_8xb32-300e_coco/",
    "rtmdet_s": "rtmdet/rtmdet_s_8xb32-300e_coco/",
    "rtmdet_m": "rtmdet/rtmdet_m_8xb32-300e_coco/",
    "rtmdet_l": "rtmdet/rtmdet_l_8xb32-300e_coco/",
    "yolox_tiny": "yolox/yolox_tiny_8x8_300e_coco/",
    "yolox_s": "yolox/yolox_s_8x8_300e_coco/",
    "dino": "dino/dino-4scale_r50_8xb2-12e_coco/",
}


@pytest.fixture(autouse=True)
def in_the_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def config_of(*overrides: str) -> Config:
    return to_mmengine(load_settings(None, ("data.classes={1: a, 2: b, 5: c}", *overrides)))


def addresses(config: Config) -> list[str]:
    """Every weight file that building and loading would read."""
    keys = (node.get("checkpoint") for node in presets.walk(config.model))
    return [address for address in (config.load_from, *keys) if address]


def test_every_preset_is_here() -> None:
    assert set(WEIGHTS) == set(PRESETS)


@pytest.mark.parametrize("name", PRESETS)
def test_pretrained_presets_read_one_file(name: str) -> None:
    """COCO's, which hold the backbone too; else ImageNet's for the backbone."""
    config = config_of(f"model.name={name}")
    if WEIGHTS[name] is None:
        assert addresses(config) == ["torchvision://resnet50"]
        assert config.load_from is None
    else:
        assert len(addresses(config)) == 1
        assert config.load_from.startswith(COCO + WEIGHTS[name]) or WEIGHTS[name].split("/")[1] in config.load_from
        assert config.load_from.endswith(".pth")


def frozen_keys(config: Config) -> dict[str, Any]:
    backbone = config.model.backbone
    keys = ("frozen_stages", "frozen_blocks", "norm_eval", "norm_cfg")
    return {key: backbone[key] for key in keys if key in backbone}


def assert_nothing_frozen(config: Config) -> None:
    frozen = frozen_keys(config)
    assert frozen.get("frozen_stages", -1) == -1
    assert frozen.get("frozen_blocks", 0) == 0
    assert frozen.get("norm_eval", False) is False
    assert frozen.get("norm_cfg", {}).get("requires_grad", True) is True


@pytest.mark.parametrize("name", PRESETS)
def test_from_scratch_reads_nothing_and_freezes_nothing(name: str) -> None:
    config = config_of(f"model.name={name}", "model.pretrained=false")
    assert addresses(config) == []
    assert_nothing_frozen(config)


BACKBONES = {
    "resnet18": ("ResNet", "torchvision://resnet18"),
    "resnet34": ("ResNet", "torchvision://resnet34"),
    "resnet101": ("ResNet", "torchvision://resnet101"),
    "vgg16": ("anomdet.VGG16", "torchvision://vgg16"),
    "efficientnet_lite0": ("anomdet.EfficientNetLite0", None),
    "timm:resnet18": ("anomdet.TimmBackbone", None),
}


@pytest.mark.parametrize("backbone", BACKBONES)
@pytest.mark.parametrize("name", ["faster_rcnn", "rtmdet_tiny", "dino"])
def test_another_backbone_starts_from_imagenet(name: str, backbone: str) -> None:
    given = (f"model.name={name}", f"model.backbone={backbone}")
    kind, address = BACKBONES[backbone]
    config = config_of(*given)
    assert config.model.backbone.type == kind
    assert config.load_from is None
    assert addresses(config) == ([address] if address else [])
    if address is None:
        assert config.model.backbone.pretrained is True
    scratch = config_of(*given, "model.pretrained=false")
    assert addresses(scratch) == []
    assert not scratch.model.backbone.get("pretrained")
    assert_nothing_frozen(scratch)


@pytest.mark.parametrize("depth", [18, 34, 50, 101])
def test_the_neck_takes_the_channels_of_the_resnet(depth: int) -> None:
    wide = (256, 512, 1024, 2048) if depth >= 50 else (64, 128, 256, 512)
    faster = config_of("model.name=faster_rcnn", f"model.backbone=resnet{depth}").model
    assert (faster.backbone.depth, tuple(faster.neck.in_channels)) == (depth, wide)
    rtmdet = config_of("model.name=rtmdet_tiny", f"model.backbone=resnet{depth}").model
    assert (tuple(rtmdet.backbone.out_indices), tuple(rtmdet.neck.in_channels)) == ((1, 2, 3), wide[1:])


def test_a_neck_of_several_parts_takes_another_backbone() -> None:
    name = "mmdet::dyhead/atss_r50_fpn_dyhead_1x_coco.py"
    neck = config_of(f"model.name={name}", "model.backbone=resnet18").model.neck
    assert neck[0].in_channels == [64, 128, 256, 512]
    assert neck[1].type == "DyHead"


def test_caffe_weights_give_way_to_torchvisions() -> None:
    """The settings' normalisation would feed Caffe's frozen statistics values of another scale."""
    config = config_of("model.name=mmdet::retinanet/retinanet_r101-caffe_fpn_1x_coco.py")
    assert (config.model.backbone.style, addresses(config)) == ("pytorch", ["torchvision://resnet101"])
    assert config.model.data_preprocessor.bgr_to_rgb is True


@pytest.mark.parametrize(("image_size", "queries"), [(640, 900), (96, 48), (64, 21)])
def test_dino_has_no_more_queries_than_cells(image_size: int, queries: int) -> None:
    model = config_of("model.name=dino", f"data.image_size={image_size}").model
    assert model.num_queries == queries
    assert model.test_cfg.max_per_img == min(queries, 100)


def test_its_own_backbone_by_name_changes_nothing() -> None:
    named, plain = config_of("model.name=retinanet", "model.backbone=resnet50"), config_of("model.name=retinanet")
    assert named.to_dict() == plain.to_dict()


def test_from_scratch_holds_against_freezing_overrides() -> None:
    """Frozen random weights never learn: `model.pretrained=false` on top of a recipe thaws what the recipe froze."""
    given = ("model.name=rtmdet_tiny", "model.backbone=efficientnet_lite0")
    freeze = "model.overrides={backbone: {frozen_blocks: 3}}"
    assert config_of(*given, freeze).model.backbone.frozen_blocks == 3
    assert_nothing_frozen(config_of(*given, freeze, "model.pretrained=false"))
    own = "model.overrides={backbone: {frozen_stages: 2, init_cfg: {type: Pretrained, checkpoint: my.pth}}}"
    config = config_of("model.name=faster_rcnn", own, "model.pretrained=false")
    assert (config.model.backbone.frozen_stages, addresses(config)) == (2, ["my.pth"])


def test_no_sync_bn_and_at_most_100_boxes() -> None:
    for name in PRESETS:
        model = presets.load_model(name)
        assert "SyncBN" not in str(model)
        test_cfg = model.test_cfg.get("rcnn", model.test_cfg)
        assert test_cfg.max_per_img <= 100


def test_presets_are_copies() -> None:
    presets.load_model("retinanet").neck.clear()
    assert presets.load_model("retinanet").neck.type == "FPN"


def test_any_config_of_mmdetection() -> None:
    name = "mmdet::faster_rcnn/faster-rcnn_r101_fpn_1x_coco.py"
    config = config_of(f"model.name={name}")
    assert (config.model.backbone.depth, config.model.roi_head.bbox_head.num_classes) == (101, 3)
    assert "faster_rcnn_r101_fpn_1x_coco" in config.load_from


WRONG = {
    "faster_rcn": "did you mean 'faster_rcnn'",
    "nothing_like_it": "expected a preset",
    "mmdet::faster_rcnn/faster-rcnn_r51_fpn_1x_coco.py": "mean mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py",
    "mmdet::../../../../setup.py": "a config that MMDetection installs",
    "mmdet::/etc/passwd": "a config that MMDetection installs",
    "mmdet::mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py": "needs masks",
    "mmdet::rpn/rpn_r50_fpn_1x_coco.py": "a box detector",
    "mmdet::_base_/default_runtime.py": "a box detector",
    "mmdet::bytetrack/bytetrack_yolox_x_8xb4-80e_crowdhuman-mot20train_test-mot20test.py": "a box detector",
    "mmdet::reid/reid_r50_8xb32-6e_mot15train80_test-mot15val20.py": "a box detector",
    "mmdet::rtmdet/classification/cspnext-m_8xb256-rsb-a1-600e_in1k.py": "can be read here",
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_names(name: str) -> None:
    with pytest.raises(UserError) as caught:
        presets.load_model(name)
    assert WRONG[name] in str(caught.value)


def test_every_metafile_can_be_read() -> None:
    root = presets.mmdet_configs_dir()
    folders = [path.parent.relative_to(root) for path in root.rglob("metafile.yml")]
    found = {folder: presets._metafile_weights(folder) for folder in folders}
    assert len(found) > 50
    assert sum(len(weights) for weights in found.values()) > 200


def test_a_config_of_mmdetections_with_addresses_in_odd_places() -> None:
    """DetectoRS has them under ``pretrained``, in the neck too."""
    name = "mmdet::detectors/cascade-rcnn_r50-rfp_1x_coco.py"
    with_weights = to_mmengine(Settings.model_validate({"model": {"name": name}}))
    without = to_mmengine(Settings.model_validate({"model": {"name": name, "pretrained": False}}))
    assert "://" in repr(with_weights)
    assert "://" not in repr(without.model)
    assert without.load_from is None
