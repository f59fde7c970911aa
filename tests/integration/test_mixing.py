"""Augmentations that show other images of the training split: the same run, whoever loads them and when it pauses."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from anomdet.engine.checkpoint import load_checkpoint
from tests.integration.conftest import run_command, write_settings
from tests.integration.test_train import assert_same_state, signal_at

MIXED = ("data.augmentations={copy_paste: 1.0, copy_paste_onto_defects: 0.5, mosaic: 0.5, mosaic_until: 1, crop: 0.5}",)


def test_with_workers_and_broken_off_in_an_epoch_it_ends_as_without(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bit for bit: weights, optimizer, counts; and other weights than without what is mixed in."""
    folders = {name: tmp_path / name for name in ("whole", "resumed", "plain")}
    settings = {name: write_settings(folder, data_dir, epochs=2) for name, folder in folders.items()}
    run_command("train", "-c", settings["whole"], *MIXED)
    run_command("train", "-c", settings["plain"])
    with monkeypatch.context() as patch:
        signal_at(patch, signal.SIGINT, iteration=5)
        run_command("train", "-c", settings["resumed"], *MIXED, "data.num_workers=2", code=130)
    run_command("train", "-c", settings["resumed"], "--resume", *MIXED, "data.num_workers=2")
    whole, resumed, plain = (load_checkpoint(folder / "checkpoints" / "last.pth") for folder in folders.values())
    assert_same_state(whole, resumed)
    with pytest.raises(AssertionError):
        assert_same_state(whole["state_dict"], plain["state_dict"])
