"""`anomdet weights`: what it fetches or is given is verified, and lies where the training looks for it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from anomdet.engine.weights import fetch
from anomdet.errors import UserError
from anomdet.file_hash import sha256
from anomdet.workflows import bring_weights as bringing
from anomdet.workflows.bring_weights import bring_weights
from tests.unit.engine import hostile


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Weights as they are published: with the start of their sha256 in their name; the cache is empty."""
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    monkeypatch.setattr(torch.hub, "download_url_to_file", no_network)
    file = tmp_path / "weights.pth"
    torch.save({"state_dict": {"head.weight": torch.ones(2)}, "meta": {}}, file)
    return publish(file, monkeypatch)


def publish(file: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    named = file.rename(file.with_name(f"tiny_coco-{sha256(file)[:8]}.pth"))
    monkeypatch.setattr(bringing, "coco_weights", lambda _: f"https://example.org/tiny/{named.name}")
    return named


def no_network(*_: Any, **__: Any) -> None:
    raise OSError("no network")


def test_weights_from_another_machine_are_found_by_the_training(published: Path) -> None:
    found = bring_weights("rtmdet_tiny", published)
    assert fetch(f"https://example.org/tiny/{published.name}") == found.path
    assert sha256(found.path) == sha256(published) and sha256(published) in found.text
    assert "model.name=rtmdet_tiny model.pretrained=true" in found.text and str(found.path) in found.text


def test_weights_are_fetched_once(published: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def download(url: str, dst: str, **_: Any) -> None:
        asked.append(url)
        shutil.copyfile(published, dst)

    monkeypatch.setattr(torch.hub, "download_url_to_file", download)
    path = bring_weights("rtmdet_tiny").path
    assert bring_weights("rtmdet_tiny").path == path and len(asked) == 1
    assert sha256(path) == sha256(published)


def test_a_cut_file_is_refused_and_nothing_is_left(published: Path, tmp_path: Path) -> None:
    published.write_bytes(published.read_bytes()[:-1])
    start = published.stem.rpartition("-")[2]
    with pytest.raises(UserError, match=f"whose sha256 begins with {start}, got .*; fetch it again"):
        bring_weights("rtmdet_tiny", published)
    assert not (tmp_path / "hub").exists()


def test_a_file_that_runs_code_is_refused(published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    harm = hostile.write_archive(tmp_path / "harm.pth", hostile.reach_exec(tmp_path / "was_run"))
    file = publish(harm, monkeypatch)
    with pytest.raises(UserError):
        bring_weights("rtmdet_tiny", file)
    assert not (tmp_path / "was_run").exists() and not (tmp_path / "hub").exists()


@pytest.mark.parametrize(
    ("name", "words"),
    [("rtmdet_tinyy", "did you mean rtmdet_tiny?"), ("fcos", "--presets lists them"), ("", "--presets lists them")],
)
def test_a_model_without_coco_weights_is_named(name: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        bring_weights(name)


def test_no_file_and_no_network_are_one_message(published: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--file: expected a file of weights, got no file"):
        bring_weights("rtmdet_tiny", tmp_path)
    with pytest.raises(UserError, match=r"no network.*anomdet weights"):
        bring_weights("rtmdet_tiny")
