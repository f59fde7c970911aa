"""Splits as a user sees them: leaks told or closed, and the lists that each training leaves."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from anomdet.data.splits.lists import SPLITS
from anomdet.data.synth.generate import generate
from anomdet.engine.checkpoint import load_checkpoint
from tests.integration.conftest import run_command, write_settings


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Settings for sixteen images, eight of which are there twice."""
    data_dir = generate(tmp_path / "data", num_images=16, size_hw=(128, 128)).data_dir
    for folder in ("images", "labels"):
        for path in sorted((data_dir / folder).iterdir())[:8]:
            shutil.copy(path, path.with_stem(f"{path.stem}_b"))
    return write_settings(tmp_path, data_dir)


def lists(log_dir: Path) -> dict[str, list[str]]:
    return {name: (log_dir / "splits" / f"{name}.txt").read_text().splitlines() for name in SPLITS}


def split_files(log_dir: Path) -> str:
    named = ", ".join(f"{name}: {log_dir / 'splits' / name}.txt" for name in SPLITS)
    return f"data.split_files={{{named}}}"


def num_torn(found: dict[str, list[str]]) -> int:
    split_of = {name: split for split, names in found.items() for name in names}
    return sum(split_of[name] != split_of[name.replace("_b", "")] for name in split_of if "_b" in name)


def test_leaks_are_told_and_the_lists_repeat_the_splits(config: Path, tmp_path: Path) -> None:
    run_command("train", "-c", config)
    log = (tmp_path / "logs" / "training.log").read_text()
    first = lists(tmp_path / "logs")
    assert num_torn(first) > 0 and f"{num_torn(first)} pairs of near-duplicates in two splits" in log
    told = json.loads((tmp_path / "logs" / "splits" / "splits.json").read_text())
    hashes = load_checkpoint(tmp_path / "checkpoints" / "last.pth")["meta"]["split_hashes"]
    assert {name: told["splits"][name]["hash"] for name in SPLITS} == hashes
    assert told["made_by"]["near_duplicates_across"] == num_torn(first)
    assert sum(told["splits"][name]["num_images"] for name in SPLITS) == 24

    # More images come, and a resume goes on with those that it began with.
    data_dir = tmp_path / "data"
    for folder in ("images", "labels"):
        for path in sorted((data_dir / folder).iterdir())[:5]:
            shutil.copy(path, path.with_stem(f"a_{path.stem}"))
    left = tmp_path / "logs" / "settings.yaml"
    more = ("--resume", "training.epochs=2")
    run_command("train", "-c", left, *more, code=2)
    run_command("train", "-c", left, *more, split_files(tmp_path / "logs"), "data.split.by=files")
    assert load_checkpoint(tmp_path / "checkpoints" / "last.pth")["meta"]["epoch"] == 2
    assert lists(tmp_path / "logs") == first

    # A new run from the same lists, which are moved aside and written again.
    run_command("train", "-c", left, split_files(tmp_path / "logs"))
    assert lists(tmp_path / "logs") == first
    assert load_checkpoint(tmp_path / "checkpoints" / "last.pth")["meta"]["split_hashes"] == hashes


def test_near_duplicates_kept_together(config: Path, tmp_path: Path) -> None:
    run_command("train", "-c", config, "data.split.on_leak=group")
    log = (tmp_path / "logs" / "training.log").read_text()
    assert "splits: 8 pairs of near-duplicates joined: 16 groups of images" in log
    assert num_torn(lists(tmp_path / "logs")) == 0
    assert "WARNING splits" not in log
    left = tmp_path / "logs" / "settings.yaml"
    before = lists(tmp_path / "logs")
    run_command("train", "-c", left, split_files(tmp_path / "logs"))
    assert lists(tmp_path / "logs") == before


def test_a_leak_may_stop_a_training_before_anything_is_touched(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_command("train", "-c", config, "data.split.on_leak=error", code=2)
    told = capsys.readouterr().err
    assert "pairs of near-duplicates in two splits (data.split.on_leak: error" in told and "_b.jpg" in told
    assert not (tmp_path / "logs" / "splits").exists()


def test_check_tells_them_too(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_command("check", "-c", config)
    assert "warning leak-near-duplicate: nearly the same image in two splits" in capsys.readouterr().out
    run_command("check", "-c", config, "data.split.on_leak=error", code=1)
    run_command("check", "-c", config, "data.split.group_regex=^(part_[0-9]+)")
    assert "leak-near-duplicate" not in capsys.readouterr().out.split("note leak-within")[-1]
    run_command("check", "--data", config.parent / "data", "--leaks", code=2)
    assert "--leaks: expected --config" in capsys.readouterr().err
