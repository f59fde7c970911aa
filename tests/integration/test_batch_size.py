"""The results of an evaluation do not depend on its batch, also where images have different sizes."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.integration.conftest import Trained, run_command


@pytest.fixture(scope="module")
def mixed(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shared data, every other image cut to two thirds, with its boxes left out where they are cut."""
    folder = tmp_path_factory.mktemp("mixed")
    for name in ("images", "labels"):
        (folder / name).mkdir()
    for i, path in enumerate(sorted((data_dir / "images").iterdir())):
        image = cv2.imread(str(path))
        height = 64 if i % 2 else 96
        cv2.imwrite(str(folder / "images" / path.name), image[:height])
        lines = (data_dir / "labels" / f"{path.stem}.txt").read_text().splitlines()
        kept = [line for line in lines if float(line.split()[2]) + float(line.split()[4]) <= height]
        (folder / "labels" / f"{path.stem}.txt").write_text("".join(f"{line}\n" for line in kept))
    return folder


def test_every_batch_gives_the_same(trained: Trained, mixed: Path, tmp_path: Path) -> None:
    found = []
    for size in (1, 3, 8):
        settings = (f"data.data_dir={mixed}", f"evaluation.batch_size={size}", "evaluation.report=false")
        out = tmp_path / str(size)
        run_command("evaluate", "-c", trained.config, "--split", "train", "--out", out, *settings)
        rows = json.loads((out / "predictions.json").read_text())
        found.append(np.array([[row["image_id"], row["category_id"], row["score"], *row["bbox"]] for row in rows]))
    assert len(found[0]) > 100
    for other in found[1:]:
        assert other.shape == found[0].shape
        for image_id in np.unique(found[0][:, 0]):
            one, two = (rows[rows[:, 0] == image_id] for rows in (found[0], other))
            np.testing.assert_allclose(np.sort(two[:, 2]), np.sort(one[:, 2]), atol=1e-5)
            order = [np.lexsort(np.round(rows[:, 1:], 3).T) for rows in (one, two)]
            np.testing.assert_allclose(two[order[1]][:, 1:], one[order[0]][:, 1:], atol=1e-3)
