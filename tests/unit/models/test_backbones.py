"""timm's and torchvision's backbones."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from anomdet.errors import UserError
from anomdet.models.probe import LevelInfo, probe
from anomdet.models.timm_backbones import TimmBackbone
from anomdet.models.torchvision_backbones import VGG16, _read
from anomdet.registry import MODELS

pytestmark = pytest.mark.slow  # seconds: not a part of `make test-fast`


def test_timm_levels_are_as_it_says() -> None:
    backbone = MODELS.build({"type": "anomdet.TimmBackbone", "name": "mobilenetv3_small_050", "out_indices": [1, 3]})
    assert isinstance(backbone, TimmBackbone)
    levels = probe(backbone, (64, 64))
    assert [level.stride for level in levels] == [4, 16]
    assert [LevelInfo(c, s) for c, s in zip(backbone.channels, backbone.strides, strict=True)] == levels


def test_timm_maps_with_channels_last_are_turned() -> None:
    backbone = TimmBackbone("swin_tiny_patch4_window7_224", out_indices=(0,)).eval()
    with torch.no_grad():
        assert backbone(torch.zeros(1, 3, 224, 224))[0].shape == (1, 96, 56, 56)


def test_timm_names_the_nearest_model() -> None:
    with pytest.raises(UserError, match=r"did you mean .*resnet18"):
        TimmBackbone("resnet18x")


def test_timm_refuses_levels_that_are_not_there() -> None:
    with pytest.raises(UserError, match="timm:resnet10t"):
        TimmBackbone("resnet10t", out_indices=(0, 9))


def test_timm_without_a_network_says_how_to_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: object, **__: object) -> None:
        raise ConnectionError("no route to host")

    monkeypatch.setattr("timm.create_model", unreachable)
    with pytest.raises(UserError, match=r"pretrained weights, got ConnectionError.*set pretrained: false"):
        TimmBackbone("resnet18", pretrained=True)


def test_vgg16_levels_and_unbuilt_layers() -> None:
    backbone = MODELS.build({"type": "anomdet.VGG16", "out_indices": [0, 1]})
    assert probe(backbone, (64, 64)) == [LevelInfo(256, 4), LevelInfo(512, 8)]
    assert len(backbone.features) == 23


def test_vgg16_loads_a_checkpoint_and_ignores_its_classifier(tmp_path: Path) -> None:
    source = VGG16(out_indices=(0,))
    torch.save({**source.state_dict(), "classifier.0.weight": torch.zeros(1)}, tmp_path / "vgg.pth")
    loaded = VGG16(checkpoint=str(tmp_path / "vgg.pth"), out_indices=(0,))
    assert all(torch.equal(a, b) for a, b in zip(loaded.parameters(), source.parameters(), strict=True))


@pytest.mark.parametrize("content", [None, b"no checkpoint", {"features.0.weight": torch.zeros(2)}])
def test_vgg16_names_a_bad_checkpoint(content: object, tmp_path: Path) -> None:
    path = tmp_path / "bad.pth"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        torch.save(content, path)
    with pytest.raises(UserError, match=r"bad\.pth: expected"):
        VGG16(checkpoint=str(path), out_indices=(0,))


def test_a_checkpoint_s_code_is_never_run(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "owned",))

    torch.save({"features.0.weight": Trap()}, tmp_path / "evil.pth")
    with pytest.raises(UserError):
        _read(str(tmp_path / "evil.pth"))
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize("out_indices", [(4,), (1, 0), ()])
def test_vgg16_refuses_levels_that_are_not_there(out_indices: tuple[int, ...]) -> None:
    with pytest.raises(UserError, match="out_indices: expected 0 to 3"):
        VGG16(out_indices=out_indices)
