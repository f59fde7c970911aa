"""Addresses of weights are found by value, whatever key they stand under, and show no secret."""

from __future__ import annotations

from typing import Any

import pytest

from anomdet.addresses import forget_weights, has_weights, is_address, replace_addresses, without_secrets


@pytest.mark.parametrize("scheme", ["http", "HTTPS", "torchvision", "open-mmlab", "mmcls", "modelzoo", "s3", "a:s3"])
def test_an_address(scheme: str) -> None:
    assert is_address(f"{scheme}://resnet50")


@pytest.mark.parametrize("value", ["resnet50.pth", "/a/b.pth", "C:\\a.pth", "", None, 3, "a://b c://"[4:]])
def test_no_address(value: Any) -> None:
    assert not is_address(value)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://host/a.pth", "https://host/a.pth"),
        ("https://host/a.pth?token=abc", "https://host/a.pth?hidden"),
        ("https://host/a.pth#abc", "https://host/a.pth?hidden"),
        ("https://me:pw@host:80/a.pth", "https://host:80/a.pth"),
        ("s3://key:abc@bucket/a.pth", "s3://bucket/a.pth"),
        ("a: 'HTTPS://me@h/a?x=abc', b: \"rtsp://u:abc@cam/1\"", "a: 'HTTPS://h/a?hidden', b: \"rtsp://cam/1\""),
        ("from https://h/a.pth?x=a,b;c, got nothing", "from https://h/a.pth?hidden, got nothing"),
        ("fetch https://h/a.pth?x=abc; then", "fetch https://h/a.pth?hidden; then"),
        ("no address: a@b?c", "no address: a@b?c"),
    ],
)
def test_secrets_are_hidden(text: str, shown: str) -> None:
    assert without_secrets(text) == shown
    assert without_secrets(shown) == shown


def model() -> dict[str, Any]:
    return {
        "type": "CascadeRCNN",
        "backbone": {"type": "DetectoRS_ResNet", "pretrained": "torchvision://resnet50", "depth": 50},
        "neck": {"rfp_backbone": {"pretrained": "https://host/x.pth"}, "aspp_dilations": (1, 3)},
        "teacher_ckpt": "teacher.pth",
        "heads": [
            {"init_cfg": [{"type": "Normal", "std": 0.01}, {"type": "Pretrained", "checkpoint": "my.pth"}]},
            {"init_cfg": {"type": "Pretrained", "checkpoint": "mmcls://vgg"}},
            {"init_cfg": {"type": "Kaiming"}},
        ],
        "own": {"type": "anomdet.VGG16", "checkpoint": "weights_without_suffix"},
        "timm": {"type": "anomdet.TimmBackbone", "name": "resnet18", "pretrained": True},
        "file": {"type": "anomdet.FileBackbone", "file": "a.py", "config": {"model": {"pretrained": True}}},
        "several": ("a.pth", "b.pth"),
    }


def test_everything_is_forgotten() -> None:
    config = model()
    forget_weights(config)
    assert config == {
        "type": "CascadeRCNN",
        "backbone": {"type": "DetectoRS_ResNet", "pretrained": None, "depth": 50},
        "neck": {"rfp_backbone": {"pretrained": None}, "aspp_dilations": (1, 3)},
        "teacher_ckpt": None,
        "heads": [
            {"init_cfg": [{"type": "Normal", "std": 0.01}]},
            {"init_cfg": None},
            {"init_cfg": {"type": "Kaiming"}},
        ],
        "own": {"type": "anomdet.VGG16", "checkpoint": None},
        "timm": {"type": "anomdet.TimmBackbone", "name": "resnet18", "pretrained": False},
        "file": {"type": "anomdet.FileBackbone", "file": "a.py", "config": {"model": {"pretrained": False}}},
        "several": None,
    }
    again = model()
    forget_weights(again)
    forget_weights(again)
    assert again == config


def test_every_address_is_replaced() -> None:
    config = model()
    config["deep"] = ({"a": ["b", "https://h/1"]},)
    config["file"]["config"]["note"] = "https://not.weights"
    found: list[str] = []
    replace_addresses(config, lambda address: found.append(address) or f"/cache/{len(found)}")  # type: ignore[func-returns-value]
    assert found == ["torchvision://resnet50", "https://host/x.pth", "mmcls://vgg", "https://h/1"]
    assert config["backbone"]["pretrained"] == "/cache/1"
    assert config["deep"] == ({"a": ["b", "/cache/4"]},)
    assert config["teacher_ckpt"] == "teacher.pth"


@pytest.mark.parametrize(
    ("backbone", "expected"),
    [
        ({"init_cfg": {"type": "Pretrained", "checkpoint": "x"}}, True),
        ({"init_cfg": [{"type": "Kaiming"}, {"type": "Pretrained"}]}, True),
        ({"pretrained": "torchvision://resnet50"}, True),
        ({"init_cfg": ({"type": "Kaiming"},), "pretrained": None}, False),
        ({}, False),
    ],
)
def test_has_weights(backbone: dict[str, Any], expected: bool) -> None:
    assert has_weights(backbone) is expected
