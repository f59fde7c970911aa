"""The PyTorch backend builds what a registry holds, and finds what the evaluation finds."""

import copy
import multiprocessing
import sys

import numpy as np
import pytest
import torch
from mmdet.registry import MODELS
from mmengine.registry import DefaultScope
from mmengine.structures import InstanceData
from torch import nn

from anomdet.engine.registered_names import only_registered_names
from anomdet.errors import UserError
from anomdet.inference.artifact import CustomFile, ModelInfo, Preprocessing
from anomdet.inference.backends.torch import TorchBackend, build_model, runs_a_file
from anomdet.inference.preprocess import Prepared, fit_inside, stack
from tests.unit.inference.test_preprocess import as_evaluated, random_image
from tests.unit.ops.test_postprocessing import make_model, spread_scores

only_registered_names()  # as anomdet.load does first
HOW = Preprocessing((96, 128), (), (), "rgb", 32)


def plain(node):
    if isinstance(node, dict):
        return {key: plain(value) for key, value in node.items()}
    return [plain(item) for item in node] if isinstance(node, (list, tuple)) else node


def tiny_config():
    return {
        "type": "RTMDet",
        "data_preprocessor": {"type": "DetDataPreprocessor", "mean": [1, 2, 3], "std": [4, 5, 6], "bgr_to_rgb": True},
        "backbone": {
            "type": "ResNet",
            "depth": 18,
            "out_indices": [1, 2],
            "init_cfg": {"type": "Pretrained", "checkpoint": "https://example.org/x.pth"},
        },
        "neck": {"type": "FPN", "in_channels": [128, 256], "out_channels": 32, "num_outs": 2},
        "bbox_head": {
            "type": "RTMDetHead",
            "num_classes": 2,
            "in_channels": 32,
            "feat_channels": 32,
            "anchor_generator": {"type": "MlvlPointGenerator", "offset": 0, "strides": [8, 16]},
            "bbox_coder": {"type": "DistancePointBBoxCoder"},
            "loss_cls": {"type": "QualityFocalLoss", "use_sigmoid": True},
            "loss_bbox": {"type": "GIoULoss"},
        },
        "test_cfg": {
            "nms_pre": 1000,
            "score_thr": 0.001,
            "nms": {"type": "nms", "iou_threshold": 0.65},
            "max_per_img": 100,
        },
    }


def changed(path, value):
    config = tiny_config()
    node = config
    for key in path[:-1]:
        node = node[key]
    node[path[-1]] = value
    return config


def test_nothing_is_fetched_and_no_weights_are_read():
    model = build_model(ModelInfo("tiny", tiny_config()), "x.pth")
    assert isinstance(model, MODELS.get("RTMDet"))
    assert "Pretrained" not in str(model.backbone.init_cfg)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("type",), "subprocess.Popen"),
        (("neck", "type"), "os.system"),
        (("backbone", "type"), "mmdet.models.backbones.ResNet"),
        (("test_cfg", "nms", "type"), "__import__('os').system('touch owned')"),
        (("bbox_head", "loss_cls", "type"), ["GIoULoss"]),
        (("neck", "_scope_"), "evil"),
        (("neck", "norm_cfg"), {"type": "torch.nn.BatchNorm2d"}),
        (("backbone", "type"), "FileBackbone"),
        (("backbone", "type"), "BertModel"),  # asks a server for its words
        (("backbone", "type"), "mmdet.BertModel"),
    ],
)
def test_a_name_that_no_registry_holds_is_not_built(path, value):
    with pytest.raises(UserError, match="expected the name of a registered class") as caught:
        build_model(ModelInfo("tiny", changed(path, value)), "x.pth")
    assert f"x.pth: model.config.{'.'.join(path)}" in str(caught.value)


def test_a_teacher_is_neither_fetched_nor_read(monkeypatch):
    """Its weights stand under a key of their own, ``teacher_ckpt``; a stranger's file would have it fetch them."""
    asked = []
    monkeypatch.setattr("mmdet.models.detectors.kd_one_stage.load_checkpoint", lambda *given, **_: asked.append(given))
    student = tiny_config()
    teacher = {"teacher_config": {"model": tiny_config()}, "teacher_ckpt": "https://example.org/teacher.pth"}
    config = {**student, "type": "KnowledgeDistillationSingleStageDetector", **teacher}
    assert isinstance(build_model(ModelInfo("taught", config), "x.pth"), MODELS.get(config["type"]))
    assert not asked


def test_a_teachers_config_is_no_python_file(tmp_path, monkeypatch):
    file = tmp_path / "evil.py"
    file.write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()\nmodel = dict(type='RTMDet')\n")
    monkeypatch.chdir(tmp_path)
    for given in (str(file), "evil.py"):
        config = {**tiny_config(), "type": "KnowledgeDistillationSingleStageDetector", "teacher_config": given}
        with pytest.raises(UserError, match="it may be Python code"):
            build_model(ModelInfo("taught", config), "x.pth")
    assert not (tmp_path / "ran").exists()


def test_arguments_that_the_model_refuses_are_one_message():
    with pytest.raises(UserError, match=r"x\.pth: model\.config: expected a model that MMDetection .* builds, got"):
        build_model(ModelInfo("tiny", changed(("neck", "num_outs"), "many")), "x.pth")


def test_a_file_is_run_only_if_the_user_gives_it(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(
        "import torch\n\ndef get_custom_backbone(config):\n"
        "    return torch.nn.Sequential(torch.nn.Conv2d(3, 128, 8, 8)), 128\n"
    )
    config = changed(("backbone",), {"type": "anomdet.FileBackbone", "file": "/etc/evil.py", "config": {}})
    custom = CustomFile("model.custom_backbone_file", "mine.py", "0" * 64)
    info = ModelInfo("tiny", config, custom_file=custom)
    assert runs_a_file(info)
    assert not runs_a_file(ModelInfo("tiny", tiny_config()))
    assert build_model(info, "x.pth", file).backbone.file == str(file)


def evaluated(model, images):
    """As the evaluation does: MMDetection's own steps for a batch."""
    packed = [as_evaluated(image, HOW.size_hw) for image in images]
    batch = {key: [one[key] for one in packed] for key in ("inputs", "data_samples")}
    with torch.no_grad():
        return [sample.pred_instances for sample in model.test_step(batch)]


@pytest.mark.slow
@pytest.mark.parametrize("preset", ["rtmdet_tiny", "faster_rcnn", "yolox_tiny", "dino"])
@pytest.mark.parametrize("channels_last", [False, True])
def test_as_the_evaluation_bit_for_bit(preset, channels_last, tmp_path):
    model = make_model(preset, tmp_path)
    spread_scores(model)
    theirs_model = copy.deepcopy(model)
    if channels_last:
        theirs_model.to(memory_format=torch.channels_last)
        theirs_model.backbone.register_forward_pre_hook(
            lambda _, inputs: tuple(x.contiguous(memory_format=torch.channels_last) for x in inputs)
        )
    images = [random_image((240, 300)), random_image((64, 80), seed=1)]
    theirs = evaluated(theirs_model, images)
    prepared = [Prepared(fit_inside(image, HOW), image.shape[:2]) for image in images]
    batch = stack(prepared, model.data_preprocessor.pad_size_divisor)
    ours = TorchBackend(model, channels_last=channels_last).run(batch, 0.0)
    for found, expected in zip(ours, theirs, strict=True):
        assert len(found) > 5
        np.testing.assert_array_equal(found.bboxes_xyxy, expected.bboxes.numpy())
        np.testing.assert_array_equal(found.scores, expected.scores.numpy())
        np.testing.assert_array_equal(found.labels, expected.labels.numpy())


class Bright(nn.Module):
    """A model without anything of MMDetection's but its interface: one box, whose score is the mean of the image."""

    def __init__(self):
        super().__init__()
        with DefaultScope.overwrite_default_scope("mmdet"):
            self.data_preprocessor = MODELS.build({"type": "DetDataPreprocessor", "mean": [0] * 3, "std": [255] * 3})

    def forward(self, inputs, data_samples, mode):
        assert mode == "predict"
        for image, sample in zip(inputs, data_samples, strict=True):
            height, width = sample.img_shape
            box = torch.tensor([[0.0, 0.0, width, height]])
            score = image[:, :height, :width].mean().reshape(1)
            sample.pred_instances = InstanceData(bboxes=box, scores=score, labels=torch.tensor([0]))
        return data_samples


def test_a_model_of_another_kind():
    batch = stack([Prepared(np.full((96, 100, 3), 51, np.uint8), (96, 100))], 32)
    (found,) = TorchBackend(Bright(), channels_last=True).run(batch, 0.9)
    assert found.bboxes_xyxy.tolist() == [[0, 0, 100, 96]]
    np.testing.assert_allclose(found.scores, [0.2], rtol=1e-5)


@pytest.mark.skipif(sys.platform != "linux", reason="where processes are forked")
def test_a_forked_process_waits_for_no_threads():
    """It hung without a word in its first image: OpenMP's threads are those of the process before."""
    backend = TorchBackend(build_model(ModelInfo("toy", tiny_config()), "x.pth"))
    batch = stack([Prepared(fit_inside(random_image((96, 128)), HOW), (96, 128))], 32)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        backend.run(batch, 0.0)  # the threads are there
        child = multiprocessing.get_context("fork").Process(target=backend.run, args=(batch, 0.0))
        child.start()
        child.join(60)
        child.kill()
        assert child.exitcode == 0
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def toy_batch():
    return stack([Prepared(random_image((96, 128)), (96, 128))], 32)


def test_the_callers_mixed_precision_changes_no_score():
    """A service that runs its own networks under autocast had other scores than those that were measured."""
    backend = TorchBackend(build_model(ModelInfo("toy", tiny_config()), "x.pth"))
    (alone,) = backend.run(toy_batch(), 0.0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        (within,) = backend.run(toy_batch(), 0.0)
        assert torch.is_autocast_enabled("cpu")
    assert len(alone)
    np.testing.assert_array_equal(within.scores, alone.scores)
    np.testing.assert_array_equal(within.bboxes_xyxy, alone.bboxes_xyxy)


def test_what_the_caller_set_for_new_networks_is_not_for_a_detectors():
    state = torch.get_rng_state()
    try:
        torch.set_default_dtype(torch.float64)
        torch.set_default_device("meta")
        model = build_model(ModelInfo("toy", tiny_config()), "x.pth")
        assert (torch.get_default_dtype(), torch.get_default_device().type) == (torch.float64, "meta")
    finally:
        torch.set_default_dtype(torch.float32)
        torch.set_default_device(None)
    kinds = {(weight.dtype, weight.device.type) for weight in model.parameters()}
    assert kinds == {(torch.float32, "cpu")}
    assert torch.equal(torch.get_rng_state(), state)  # nor is one of its random numbers taken
