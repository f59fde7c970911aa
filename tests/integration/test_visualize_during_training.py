"""Images during a run: where they are, that they change nothing, and that a resumed run repeats none."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import pytest

from tests.integration.conftest import assert_same_weights, run_command, write_settings

pytestmark = pytest.mark.slow
DRAW = ("logging.visualize={enabled: true, images: 4, interval: 1}", "training.epoch_images=8")


@pytest.fixture(scope="module")
def drawn(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two epochs with images and TensorBoard; its folder."""
    folder = tmp_path_factory.mktemp("drawn")
    settings = write_settings(folder, data_dir, epochs=2, ema=True)
    run_command("train", "-c", settings, *DRAW, "logging.trackers=[tensorboard]")
    return folder


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if not path.name.startswith("hardest_")}


def test_the_same_images_are_drawn_at_each_epoch(drawn: Path) -> None:
    folder = drawn / "logs" / "visualization"
    assert {path.name for path in folder.iterdir()} == {"epoch_1", "epoch_2", "strip.jpg", "strip_column.jpg"}
    assert len(names(folder / "epoch_1")) == 4  # three images and their column
    assert names(folder / "epoch_1") == names(folder / "epoch_2")
    strip, column = (cv2.imread(str(folder / name)) for name in ("strip.jpg", "strip_column.jpg"))
    assert strip.shape == (column.shape[0], 3 * column.shape[1], 3)


def test_the_tracker_has_them_too(drawn: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(drawn / "logs" / "tensorboard"))
    events.Reload()
    fixed = {f"visualization/{name.removesuffix('.jpg')}" for name in names(drawn / "logs/visualization/epoch_1")}
    sent = set(events.Tags()["images"])
    assert fixed - {"visualization/strip_column"} <= sent
    assert [event.step for event in events.Images(sorted(sent - {"visualization/hardest"})[0])] == [2, 4]
    assert not (drawn / "logs" / "vis_image").exists()


def test_weights_are_the_same_without_them_and_a_resumed_run_repeats_none(
    drawn: Path, data_dir: Path, tmp_path: Path
) -> None:
    settings = write_settings(tmp_path, data_dir, epochs=2, ema=True)
    run_command("train", "-c", settings, DRAW[1], "logging.visualize.enabled=false")
    assert_same_weights(drawn / "checkpoints" / "last.pth", tmp_path / "checkpoints" / "last.pth")
    folder = drawn / "logs" / "visualization"
    before = {path: path.stat().st_mtime_ns for path in folder.glob("epoch_*/*")}
    run_command("train", "-c", drawn / "run.yaml", *DRAW, "training.epochs=3", "--resume")
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert names(folder / "epoch_3") == names(folder / "epoch_1")
    steps = [json.loads(line)["step"] for line in (drawn / "logs" / "scalars.json").read_text().splitlines()]
    assert steps == [2, 1, 4, 2, 6, 3]


def test_the_report_shows_the_strip(drawn: Path) -> None:
    run_command("evaluate", "-c", drawn / "run.yaml", "evaluation.resamples=0")
    page = (drawn / "logs" / "evaluation" / "report.html").read_text(encoding="utf-8")
    assert '<section id="training"' in page
    assert page.count("data:image/jpeg;base64,") >= 1


def test_images_of_the_training_split(data_dir: Path, tmp_path: Path) -> None:
    settings = write_settings(tmp_path, data_dir)
    run_command("train", "-c", settings, DRAW[1], "logging.visualize={enabled: true, images: 3, split: train}")
    training = (tmp_path / "logs" / "splits" / "train.txt").read_text().split()
    drawn = names(tmp_path / "logs" / "visualization" / "epoch_1") - {"strip_column.jpg"}
    assert len(drawn) == 3
    assert {Path(name).stem for name in drawn} <= {Path(name).stem for name in training}
