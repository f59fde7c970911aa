"""Pretrained weights without a network: from the cache, or a message that says how to go on."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.error import URLError

import pytest
import torch

from anomdet.engine.weights import fetch, resolve_weights
from anomdet.errors import UserError

RESNET = "resnet50-0676ba61.pth"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", _no_network)
    return tmp_path / "checkpoints"


def _no_network(url: str, dst: str, **_: Any) -> None:
    Path(dst).write_bytes(b"half a fi")
    raise URLError("Name or service not known")


def test_no_network_says_how_to_go_on(cache: Path) -> None:
    with pytest.raises(UserError) as caught:
        fetch("torchvision://resnet50")
    message = str(caught.value)
    for text in (
        "model.pretrained=false",
        "efficientnet_lite0",
        str(cache / RESNET),
        "Name or service not known",
        RESNET,
    ):
        assert text in message
    assert list(cache.iterdir()) == [], "the half downloaded file is gone"


@pytest.mark.parametrize(
    "error", [OSError("no space left"), RuntimeError("invalid hash value"), TimeoutError("timed out")]
)
def test_other_failures_are_told_alike(cache: Path, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(torch.hub, "download_url_to_file", fail)
    with pytest.raises(UserError, match=str(error)):
        fetch("https://example.org/weights.pth")
    assert list(cache.iterdir()) == []


def test_an_interrupted_download_leaves_nothing(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(url: str, dst: str, **_: Any) -> None:
        Path(dst).write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(torch.hub, "download_url_to_file", interrupt)
    with pytest.raises(KeyboardInterrupt):
        fetch("https://example.org/weights.pth")
    assert list(cache.iterdir()) == []


def test_a_cached_file_needs_no_network(cache: Path) -> None:
    cache.mkdir()
    (cache / RESNET).write_bytes(b"weights")
    assert fetch("torchvision://resnet50") == cache / RESNET


def test_a_download_lands_in_the_cache_under_its_name(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def download(url: str, dst: str, hash_prefix: str | None = None, progress: bool = True) -> None:
        calls.append((url, hash_prefix))
        Path(dst).write_bytes(b"weights")

    monkeypatch.setattr(torch.hub, "download_url_to_file", download)
    url = "https://download.openmmlab.com/mmdetection/v2.0/x/x_20200130-047c8118.pth"
    for _ in range(2):
        assert fetch(url).read_bytes() == b"weights"
        assert fetch("torchvision://resnet50").read_bytes() == b"weights"
    assert calls == [(url, None), (f"https://download.pytorch.org/models/{RESNET}", "0676ba61")]
    assert {path.name for path in cache.iterdir()} == {"x_20200130-047c8118.pth", RESNET}


@pytest.mark.parametrize("address", ["torchvision://resnet51", "open-mmlab://nothing", "ftp://host/file.pth"])
def test_an_unknown_address(cache: Path, address: str) -> None:
    with pytest.raises(UserError, match="a known name"):
        fetch(address)


def test_resolve_replaces_every_address(cache: Path) -> None:
    cache.mkdir()
    (cache / RESNET).write_bytes(b"weights")
    (cache / "a.pth").write_bytes(b"weights")
    node = dict(type="Pretrained", checkpoint="torchvision://resnet50")
    config: dict[str, Any] = dict(
        load_from="https://example.org/a.pth",
        model=dict(
            backbone=dict(init_cfg=dict(node)), heads=[dict(init_cfg=dict(node))], own=dict(checkpoint="my.pth")
        ),
    )
    resolve_weights(config)
    assert config["load_from"] == str(cache / "a.pth")
    assert config["model"]["backbone"]["init_cfg"]["checkpoint"] == str(cache / RESNET)
    assert config["model"]["heads"][0]["init_cfg"]["checkpoint"] == str(cache / RESNET)
    assert config["model"]["own"]["checkpoint"] == "my.pth"


def test_nothing_to_resolve_touches_nothing(cache: Path) -> None:
    config: dict[str, Any] = dict(load_from=None, model=dict(backbone=dict(init_cfg=None)))
    resolve_weights(config)
    assert config == dict(load_from=None, model=dict(backbone=dict(init_cfg=None)))
    assert not cache.exists()
