"""Normal images by several lights: the log of a run says what its threshold is worth, by the names alone."""

from __future__ import annotations

import logging
from pathlib import Path

import cv2
import numpy as np
import pytest
from mmengine.config import Config

from anomdet.workflows.scores.learn import NormalImage, learn_score

NUM_PARTS, LIGHTS = 15, 4


@pytest.mark.parametrize("alike", [True, False])
def test_the_log_warns_of_images_that_come_in_series(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, alike: bool
) -> None:
    rng = np.random.default_rng(0)
    for part in range(NUM_PARTS):
        cells = rng.integers(0, 255, (8, 8, 3), dtype=np.uint8)
        for light in range(LIGHTS):
            cells = cells if alike else rng.integers(0, 255, (8, 8, 3), dtype=np.uint8)
            noise = rng.integers(0, 30, (64, 64, 3), dtype=np.uint8)
            image = cv2.resize(cells, (64, 64), interpolation=cv2.INTER_CUBIC) // 2 + noise
            cv2.imwrite(str(tmp_path / f"light{light}_frame{100 * part + light}.png"), image)
    anomaly = dict(features="efficientnet_lite0", layers=[10, 12], image_size=64, method="patchcore", memory=60)
    loaders = {f"{split}_dataloader": dict(dataset=dict()) for split in ("train", "val", "test")}
    config = Config(dict(anomaly=dict(anomaly, overkill=0.05, regions=True), **loaders))
    images = [NormalImage(path, at) for at, path in enumerate(sorted(tmp_path.iterdir()))]
    with caplog.at_level(logging.INFO, "anomdet"):
        scorer = learn_score(config, images, logging.getLogger("anomdet.test_score_of_series"))
    assert scorer is not None and scorer.info.num_normals == NUM_PARTS * LIGHTS
    warned = "the normal images come in series: neighbours are alike, by the last number of the names" in caplog.text
    assert warned == alike and ("data.group_by" in caplog.text) == alike
