"""``anomdet init`` and then the training, with nothing changed but the epochs."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from anomdet.config.load import load_settings
from anomdet.data.synth.generate import generate
from tests.integration.conftest import run_command


def drawn(folder: Path) -> Path:
    return generate(folder, num_images=24, size_hw=(96, 96)).data_dir


def one_defect(folder: Path) -> Path:
    """Three images, one of them with an object: the least that can be split."""
    return images(folder, [((64, 64), np.uint8, "1 3 3 20 20\n"), *[((64, 64), np.uint8, "")] * 2])


def long_and_deep(folder: Path) -> Path:
    """Grey images of 16 bit, of several sizes, wider than high, in sub-folders, with a negative class."""
    return images(folder, [((96, 300 + 10 * i), np.uint16, f"-7 {i} 30 90 20\n") for i in range(8)])


def images(folder: Path, kinds: list[tuple[tuple[int, int], type, str]]) -> Path:
    for number, (size_hw, dtype, text) in enumerate(kinds):
        for kind in ("images", "labels"):
            (folder / kind / "line a").mkdir(parents=True, exist_ok=True)
        image = np.random.default_rng(number).integers(0, np.iinfo(dtype).max, size_hw, dtype=dtype)
        cv2.imwrite(str(folder / f"images/line a/{number}.png"), image)
        (folder / f"labels/line a/{number}.txt").write_text(text)
    return folder


@pytest.mark.parametrize("make", [drawn, one_defect, long_and_deep])
def test_the_training_runs_on_it_unchanged(make, tmp_path, monkeypatch, capsys):
    make(tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    run_command("init", "data", "--device", "cpu")
    shown = capsys.readouterr().out
    assert "wrote:\n  run.yaml\nnext:\n" in shown
    assert "timing some steps of this run on this machine" in shown
    assert "  time          about " in shown
    assert load_settings("run.yaml").training.epochs > 1
    run_command("train", "--config", "run.yaml", "training.epochs=1")
    assert (tmp_path / "checkpoints/last.pth").is_file()


def test_it_never_overwrites(tmp_path, monkeypatch, capsys):
    drawn(tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    run_command("init", "data", "--no-timing")
    assert "  time          not planned: --minutes 30" in capsys.readouterr().out
    before = (tmp_path / "run.yaml").read_bytes()
    run_command("init", "data", code=2)
    assert "expected a new file, got one that exists" in capsys.readouterr().err
    assert (tmp_path / "run.yaml").read_bytes() == before
