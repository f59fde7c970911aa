"""Every preset with our suppression behind it finds what MMDetection's own finds, also above a raised floor."""

import copy
import re

import numpy as np
import pytest
import torch
from mmdet.models.dense_heads import PAAHead
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmengine.config import ConfigDict
from mmengine.registry import DefaultScope

from anomdet.config.load import load_settings
from anomdet.config.translate_model import model_config
from anomdet.ops.postprocessing import _head, take_over

ONE_STAGE = ["rtmdet_tiny", "retinanet", "fcos", "atss", "yolox_tiny"]
TWO_STAGE = ["faster_rcnn", "cascade_rcnn"]
SIZE_HW = (128, 160)


def make_model(preset, tmp_path):
    path = tmp_path / "run.yaml"
    backbone = "" if preset.startswith(("rtmdet", "yolox", "dino")) else ", backbone: resnet18"
    model = f"model: {{name: {preset}, pretrained: false{backbone}}}"
    path.write_text(f"{model}\ndata: {{image_size: [96, 128], classes: {{1: a, 2: b, 5: c}}}}\n")
    config, _ = model_config(load_settings(path))
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope("mmdet"):
        return MODELS.build(config).eval()


def spread_scores(model):
    """Random weights give all candidates one score: spread the logits as a trained network does, without ties."""
    for name, module in model.named_modules():
        if re.search(r"(rtm|retina|conv|atss|fc)_cls(\.\d)?$", name) and not name.startswith("rpn"):
            module.register_forward_hook(
                lambda _module, _inputs, logits: (logits - logits.mean()) / logits.std() * 2 - 1
            )
        elif name == "rpn_head.rpn_cls":
            module.register_forward_hook(
                lambda _module, _inputs, logits: logits.flatten().argsort().argsort().view_as(logits) / 512 - 4
            )


@torch.no_grad()
def predict(model):
    meta = {
        "img_shape": (120, 150),
        "ori_shape": (240, 300),
        "scale_factor": (0.5, 0.5),
        "batch_input_shape": SIZE_HW,
        "pad_shape": SIZE_HW,
    }
    images = torch.randn(1, 3, *SIZE_HW, generator=torch.Generator().manual_seed(2))
    found = model(images, [DetDataSample(metainfo=meta)], mode="predict")[0].pred_instances
    return torch.cat([found.bboxes, found.scores[:, None], found.labels[:, None].float()], dim=1).numpy()


@pytest.mark.slow
@pytest.mark.parametrize("preset", ONE_STAGE + TWO_STAGE)
def test_as_mmdetection(preset, tmp_path):
    model = make_model(preset, tmp_path)
    spread_scores(model)
    theirs = predict(model)
    assert len(theirs) > 10, "nothing to compare"
    ours_model = copy.deepcopy(model)
    postprocessing = take_over(ours_model)
    assert postprocessing is not None
    ours = predict(ours_model)
    np.testing.assert_array_equal(ours, theirs)
    for min_score in (float(np.median(theirs[:, 4])), float(theirs[3, 4])):
        postprocessing.set_floor(min_score)
        above = predict(ours_model)
        np.testing.assert_array_equal(above[above[:, 4] >= min_score], ours[ours[:, 4] >= min_score])
        assert (ours[:, 4] >= min_score).any()
    postprocessing.set_floor(0.0)
    np.testing.assert_array_equal(predict(ours_model), ours)


def test_a_model_without_suppression_stays_as_it_is(tmp_path):
    model = make_model("dino", tmp_path)
    assert take_over(model) is None


@pytest.mark.parametrize("nms", [{"type": "soft_nms", "iou_threshold": 0.5}, {"iou_threshold": 0.5, "split_thr": 10}])
def test_another_suppression_stays_mmdetections(nms, tmp_path):
    model = make_model("rtmdet_tiny", tmp_path)
    model.bbox_head.test_cfg.nms = ConfigDict(nms)
    assert take_over(model) is None
    assert model.bbox_head.test_cfg.nms == nms


def test_a_head_that_uses_the_suppressed_boxes_is_unknown():
    model = torch.nn.Module()
    model.bbox_head = PAAHead.__new__(PAAHead)
    torch.nn.Module.__init__(model.bbox_head)
    assert _head(model) is None


def test_a_copy_of_the_model_is_suppressed_too(tmp_path):
    """The moving average of a training is one."""
    model = make_model("rtmdet_tiny", tmp_path)
    take_over(model)
    assert len(predict(copy.deepcopy(model))) <= 100
