"""Two of MMDetection's models, made tiny, train and predict with these operators."""

from pathlib import Path

import mmdet
import pytest
import torch
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.structures import InstanceData

pytestmark = pytest.mark.slow  # seconds: not a part of `make test-fast`

CONFIGS = Path(mmdet.__file__).parent / ".mim" / "configs"


def build_rtmdet_tiny():
    config = Config.fromfile(CONFIGS / "rtmdet" / "rtmdet_tiny_8xb32-300e_coco.py").model
    config.backbone.init_cfg = None
    for part in (config.backbone, config.neck, config.bbox_head):
        part.norm_cfg = {"type": "BN"}
    config.bbox_head.num_classes = 3
    model = MODELS.build(config)
    model.init_weights()
    for layer in model.bbox_head.rtm_reg:
        # Its distances have no exponential: untrained, half of them are negative, and such boxes are dropped.
        layer.bias.data.fill_(1.0)
    return model


def build_faster_rcnn():
    config = Config.fromfile(CONFIGS / "faster_rcnn" / "faster-rcnn_r50_fpn_1x_coco.py").model
    config.backbone.update(depth=18, init_cfg=None, frozen_stages=-1)
    config.neck.update(in_channels=[64, 128, 256, 512], out_channels=32)
    config.rpn_head.update(in_channels=32, feat_channels=32)
    config.roi_head.bbox_roi_extractor.out_channels = 32
    config.roi_head.bbox_head.update(in_channels=32, fc_out_channels=32, num_classes=3)
    config.test_cfg.rcnn.score_thr = 0.0
    model = MODELS.build(config)
    model.init_weights()
    return model


def batch(*boxes_per_image):
    data = {"inputs": [], "data_samples": []}
    for boxes in boxes_per_image:
        data["inputs"].append(torch.randint(0, 256, (3, 64, 64), dtype=torch.uint8))
        instances = InstanceData(bboxes=torch.tensor(boxes).view(-1, 4).float(), labels=torch.arange(len(boxes)) % 3)
        shapes = {"img_shape": (64, 64), "ori_shape": (64, 64), "pad_shape": (64, 64), "scale_factor": (1.0, 1.0)}
        data["data_samples"].append(DetDataSample(metainfo=shapes, gt_instances=instances))
        data["data_samples"][-1].ignored_instances = InstanceData(bboxes=torch.zeros(0, 4))
    return data


@pytest.mark.parametrize("build", [build_rtmdet_tiny, build_faster_rcnn])
@pytest.mark.parametrize("reduced", [False, True], ids=["float32", "bfloat16"])
def test_trains_and_predicts(build, reduced):
    torch.manual_seed(0)
    init_default_scope("mmdet")
    model = build()
    data = model.data_preprocessor(batch([[4, 4, 30, 40], [20, 8, 60, 50]], []), training=True)
    with torch.autocast("cpu", torch.bfloat16, enabled=reduced):
        losses = model(**data, mode="loss")
    total, _ = model.parse_losses(losses)
    total.backward()
    assert total.isfinite()
    gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
    assert len(gradients) > 30
    assert all(gradient.isfinite().all() for gradient in gradients)

    model.eval()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=reduced):
        (result, _) = model.test_step(batch([], []))
    predictions = result.pred_instances
    assert len(predictions) > 0
    assert predictions.labels.max() < 3
    assert ((predictions.scores >= 0) & (predictions.scores <= 1)).all()
