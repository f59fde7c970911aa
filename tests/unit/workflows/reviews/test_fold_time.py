"""How long the folds of a review train, and what a review says where that is too short."""

from __future__ import annotations

import logging
from pathlib import Path

import cv2
import numpy as np
import pytest

from anomdet.config.dump import dump_yaml
from anomdet.config.load import load_settings
from anomdet.engine.timing import Costs
from anomdet.workflows.reviews.fold_time import training_minutes, warn_of_few_passes
from anomdet.workflows.runs.libraries import load_libraries
from anomdet.workflows.timing import time_budget


@pytest.mark.parametrize(
    ("epochs", "epoch_images", "said"),
    [(4, 100, "4.0 times"), (9, 50, "4.5 times"), (4, None, "4.0 times"), (5, 100, "")],
)
def test_few_passes_over_the_images_are_said(
    epochs: int, epoch_images: int | None, said: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = load_settings({"training": {"epochs": epochs, "epoch_images": epoch_images}})
    (tmp_path / "settings.yaml").write_text(dump_yaml(settings))
    with caplog.at_level(logging.WARNING):
        warn_of_few_passes(tmp_path, 100)
    assert said in caplog.text and bool(said) == ("--minutes" in caplog.text)


@pytest.mark.parametrize(
    ("overrides", "val_image_s", "minutes", "said"),
    [
        ([], 0.1, 3.917, ""),  # 100 images, four looks of 10 s, and one for the second opinion
        ([], 0.2, 3.75, ""),  # four looks would take more than a quarter: two
        ([], 0.5, 3.083, ""),  # nor is there time for two: one
        (["data.augmentations.horizontal_flip=false", "data.augmentations.vertical_flip=false"], 0.1, 4.417, ""),
        (["evaluation.tta=false"], 0.1, 4.417, ""),
        ([], 1.2, 2.5, ""),  # half of the minutes at least
        ([], 1.8, 2.5, "images of a fold takes about 3.0 minutes, more than half of its 5.0"),
        (["data.tiles=auto"], 3.6, 2.5, "in tiles takes about 6.0 minutes, more than half of its 5.0"),
    ],
)
def test_a_fold_trains_as_long_as_predicting_leaves(
    overrides: list[str],
    val_image_s: float,
    minutes: float,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    costs = Costs(step_s=1.0, num_steps=1, val_image_s=val_image_s, save_s=0.0, setup_s=0.0)
    monkeypatch.setattr(time_budget, "time_here", lambda config, seconds: (costs, None))
    with caplog.at_level(logging.WARNING):
        found = training_minutes(load_settings({}, overrides), 100, 5.0)
    assert found == pytest.approx(minutes, abs=0.01)
    assert said in caplog.text and bool(said) == ("--minutes" in caplog.text)


@pytest.mark.slow
def test_passes_of_tiles_are_over_those_with_objects(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """An image of 16 tiles is not seen by one of them: 40 draws were thought to be 20 passes over two images."""
    for folder in ("images", "labels"):
        (tmp_path / folder).mkdir()
    for at in range(6):
        cv2.imwrite(str(tmp_path / f"images/{at}.png"), np.zeros((256, 256, 3), np.uint8))
        (tmp_path / f"labels/{at}.txt").write_text("1 9 9 9 9\n1 200 200 9 9\n")
    (tmp_path / "names.txt").write_text("0.png\n1.png\n")
    rest = {"val": "2.png\n3.png\n", "test": "4.png\n5.png\n"}
    for split, names in rest.items():
        (tmp_path / f"{split}.txt").write_text(names)
    lists = {"train": tmp_path / "names.txt", **{split: tmp_path / f"{split}.txt" for split in rest}}
    data = {"data_dir": str(tmp_path), "split_files": {split: str(path) for split, path in lists.items()}}
    data["tiles"] = {"size": 64, "overlap": 1}
    training = {"epochs": 2, "epoch_images": 20, "class_imbalance_handling": {"method": "none"}}
    (tmp_path / "settings.yaml").write_text(dump_yaml(load_settings({"data": data, "training": training})))
    load_libraries()
    with caplog.at_level(logging.WARNING):
        warn_of_few_passes(tmp_path, 2)
    assert "saw its tiles with objects only 0.8 times" in caplog.text  # 40 of 2 x 25
