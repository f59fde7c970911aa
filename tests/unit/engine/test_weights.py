"""Pretrained weights without a network: from the cache, or a message that says how to go on."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any
from urllib.error import URLError

import pytest
import torch
from mmengine.runner.checkpoint import CheckpointLoader

from anomdet.engine.weights import fetch, resolve_weights, use_safe_loading
from anomdet.errors import UserError
from tests.unit.engine import hostile

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


def test_a_file_with_the_hash_of_its_name_serves_from_the_common_folder(cache: Path) -> None:
    """As torchvision left it, or a user who put it there."""
    cache.mkdir()
    name = f"x-{hashlib.sha256(b'weights').hexdigest()[:8]}.pth"
    (cache / name).write_bytes(b"weights")
    assert fetch(f"https://example.org/{name}") == cache / name
    (cache / name).write_bytes(b"another file of that name")
    with pytest.raises(UserError, match="Name or service not known"):
        fetch(f"https://example.org/{name}")


def test_a_file_in_the_addresss_own_folder_needs_no_network(cache: Path) -> None:
    with pytest.raises(UserError) as caught:
        fetch("https://example.org/x.pth")
    place = Path(str(caught.value).rsplit("put the file at ", 1)[1])
    place.parent.mkdir(parents=True)
    place.write_bytes(b"weights")
    assert fetch("https://example.org/x.pth") == place


@pytest.fixture
def downloads(cache: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str | None]]:
    """The downloads that were made; each file holds its address."""
    calls: list[tuple[str, str | None]] = []

    def download(url: str, dst: str, hash_prefix: str | None = None, progress: bool = True) -> None:
        calls.append((url, hash_prefix))
        Path(dst).write_text(url)

    monkeypatch.setattr(torch.hub, "download_url_to_file", download)
    return calls


def test_a_download_happens_once(cache: Path, downloads: list[tuple[str, str | None]]) -> None:
    url = "https://download.openmmlab.com/mmdetection/v2.0/x/x_20200130-047c8118.pth"
    for _ in range(2):
        assert fetch(url).read_text() == url
    fetch("torchvision://resnet50")
    assert (cache / RESNET).is_file(), "torch's own files lie where torch looks for them"
    assert downloads == [(url, None), (f"https://download.pytorch.org/models/{RESNET}", "0676ba61")]


def test_addresses_with_one_file_name_do_not_share_a_file(downloads: list[tuple[str, str | None]]) -> None:
    urls = [f"https://{host}/{rest}" for host in ("a.org", "b.org") for rest in ("x.pth", "y/x.pth", "x.pth?v=2")]
    assert [fetch(url).read_text() for url in urls] == urls
    assert {fetch(url).name for url in urls} == {"x.pth"}
    assert len(downloads) == len(urls)


def test_a_message_shows_no_token(cache: Path) -> None:
    with pytest.raises(UserError) as caught:
        fetch("https://example.org/x.pth?token=abc2")
    assert "https://example.org/x.pth?hidden" in str(caught.value)
    assert "abc2" not in str(caught.value)
    with pytest.raises(UserError, match=r"without a user, got https://example\.org/x\.pth;") as caught_too:
        fetch("https://me:pw1@example.org/x.pth")
    assert "pw1" not in str(caught_too.value)
    assert caught.value.__cause__ is None
    with pytest.raises(UserError, match="give the whole address again"):
        fetch("https://example.org/x.pth?hidden")


@pytest.mark.parametrize(
    "address", ["https://example.org", "https://example.org/..", "https://e.org/a%2f..", "https://e.org/a%5c..%5cb.pth"]
)
def test_an_address_without_a_file(cache: Path, address: str) -> None:
    with pytest.raises(UserError, match="the address of a file"):
        fetch(address)


def test_no_loader_of_mmengine_is_left(cache: Path) -> None:
    use_safe_loading()
    assert len(CheckpointLoader._schemes) >= 10
    assert len(set(CheckpointLoader._schemes.values())) == 1
    for address in ("https://h/x.pth", "torchvision://resnet50", "mmcls://vgg11", "modelzoo://resnet50"):
        with pytest.raises(UserError, match="Name or service not known"):
            CheckpointLoader.load_checkpoint(address)
    for address in ("s3://b/x.pth", "c:s3://b/x.pth", "pavi://x", "ftp://h/x.pth", "petrel://b/x.pth"):
        with pytest.raises(UserError, match="expected https://"):
            CheckpointLoader.load_checkpoint(address)


def test_what_was_fetched_runs_no_code(cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def download(url: str, dst: str, **_: Any) -> None:
        hostile.write_archive(Path(dst), hostile.reach_exec(tmp_path / "executed"))

    monkeypatch.setattr(torch.hub, "download_url_to_file", download)
    use_safe_loading()
    with pytest.raises(UserError, match="it was not loaded"):
        CheckpointLoader.load_checkpoint("https://example.org/x.pth")
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("address", ["torchvision://resnet51", "open-mmlab://nothing", "ftp://host/file.pth"])
def test_an_unknown_address(cache: Path, address: str) -> None:
    with pytest.raises(UserError, match="a known name"):
        fetch(address)


def test_resolve_replaces_every_address(downloads: list[tuple[str, str | None]]) -> None:
    node = dict(type="Pretrained", checkpoint="torchvision://resnet50")
    config: dict[str, Any] = dict(
        load_from="https://example.org/a.pth",
        model=dict(
            backbone=dict(init_cfg=dict(node)),
            heads=[dict(init_cfg=[dict(type="Normal"), dict(node)])],
            neck=dict(rfp_backbone=dict(pretrained="https://example.org/b.pth")),
            teacher_ckpt="https://example.org/c.pth",
            own=dict(checkpoint="my.pth"),
        ),
    )
    resolve_weights(config)
    assert "://" not in str(config)
    assert Path(config["load_from"]).read_text() == "https://example.org/a.pth"
    assert Path(config["model"]["neck"]["rfp_backbone"]["pretrained"]).read_text() == "https://example.org/b.pth"
    assert Path(config["model"]["teacher_ckpt"]).read_text() == "https://example.org/c.pth"
    assert config["model"]["backbone"]["init_cfg"] == config["model"]["heads"][0]["init_cfg"][1]
    assert config["model"]["own"]["checkpoint"] == "my.pth"


def test_nothing_to_resolve_touches_nothing(cache: Path) -> None:
    config: dict[str, Any] = dict(load_from=None, model=dict(backbone=dict(init_cfg=None)))
    resolve_weights(config)
    assert config == dict(load_from=None, model=dict(backbone=dict(init_cfg=None)))
    assert not cache.exists()
