"""A camera of 12 bits in files of 16: found before the run, and the same in everything that comes after it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

from anomdet.config.load import load_settings
from anomdet.data.synth.generate import generate
from anomdet.engine.checkpoint import load_checkpoint
from anomdet.errors import UserError
from anomdet.workflows.load import load

RUN = """\
model: {name: rtmdet_tiny, pretrained: false}
training: {epochs: 1, batch_size: 4, use_amp: false}
data: {data_dir: data, image_size: 96, num_workers: 0}
logging: {log_dir: logs, checkpoint_dir: checkpoints}
"""
SAID = "the 12 images of 16 bit use 12 bits (the largest value in 12 of them is 4,0"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("twelve")
    generate(folder / "data", num_images=12, size_hw=(96, 96))
    for path in sorted((folder / "data/images").iterdir()):
        pixels = cv2.imread(str(path)).astype(np.uint16) * 16
        path.unlink()
        assert cv2.imwrite(str(path.with_suffix(".png")), pixels)
    (folder / "run.yaml").write_text(RUN, encoding="utf-8")
    done = run(folder, "train", "-c", "run.yaml")
    assert done.returncode == 0, done.stderr
    return folder


def run(folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "anomdet", *args], cwd=folder, capture_output=True, text=True, timeout=300
    )


def test_the_log_the_settings_the_config_and_the_checkpoint_say_it(trained):
    assert SAID in (trained / "logs/training.log").read_text(encoding="utf-8")
    assert yaml.safe_load((trained / "logs/settings.yaml").read_text(encoding="utf-8"))["data"]["bit_depth"] == 12
    assert load_settings(trained / "logs/settings.yaml").data.bit_depth == 12
    assert (trained / "logs/config.py").read_text(encoding="utf-8").count("bit_depth=12") == 3
    meta = load_checkpoint(trained / "checkpoints/last.pth")["meta"]
    assert meta["inference"]["preprocessing"]["bit_depth"] == 12


def test_a_detector_reads_an_image_as_the_training_did(trained):
    detector = load(trained / "checkpoints/best_model.pth", device="cpu")
    path = next((trained / "data/images").iterdir())
    prepared = detector.prepare(path)
    eight_bit = cv2.imread(str(path), cv2.IMREAD_UNCHANGED) // 16
    assert np.abs(prepared.pixels.astype(int) - eight_bit).max() <= 1
    assert prepared.warnings == ()
    bright = np.full((96, 96, 3), 60_000, np.uint16)
    expected = "values up to 60,000 were clipped to 4,095, since data.bit_depth is 12"
    assert detector.prepare(bright).warnings == (expected,)
    cv2.imwrite(str(trained / "bright.png"), bright)
    assert detector.prepare(trained / "bright.png").warnings == (expected,)


def test_evaluate_takes_the_bits_of_the_checkpoint(trained):
    done = run(trained, "evaluate", "-c", "run.yaml", "--out", "auto")
    assert done.returncode == 0, done.stderr
    done = run(trained, "evaluate", "-c", "run.yaml", "--out", "other", "data.bit_depth=16")
    assert done.returncode == 2
    assert "data.bit_depth: expected 12, as checkpoints/best_model.pth was trained, got 16" in done.stderr


def test_a_resume_is_refused_where_the_data_uses_other_bits(trained):
    (trained / "longer.yaml").write_text(RUN.replace("epochs: 1", "epochs: 2"), encoding="utf-8")
    path = sorted((trained / "data/images").iterdir())[0]
    before = path.read_bytes()
    cv2.imwrite(str(path), np.full((96, 96, 3), 60_000, np.uint16))
    try:
        done = run(trained, "train", "-c", "longer.yaml", "--resume")
    finally:
        path.write_bytes(before)
    assert done.returncode == 2
    assert "expected data.bit_depth 16, as the data uses, got 12, from the start of the run" in done.stderr
    assert "add data.bit_depth=12" in done.stderr


def test_check_says_it_too_and_what_would_be_wrong(trained):
    done = run(trained, "check", "-c", "run.yaml")
    assert done.returncode == 0
    assert "note images-few-bits" in done.stdout and "12 bits in use" in done.stdout
    done = run(trained, "check", "-c", "run.yaml", "data.bit_depth=10")
    assert "warning images-over-bits" in done.stdout and "values above 1,023 are clipped" in done.stdout
    done = run(trained, "check", "-c", "run.yaml", "data.bit_depth=16")
    assert "warning images-few-bits" in done.stdout and "set data.bit_depth=12" in done.stdout


def test_no_other_number_is_taken():
    with pytest.raises(UserError, match=r"data\.bit_depth: expected .*got 11"):
        load_settings({"data": {"bit_depth": 11}})
