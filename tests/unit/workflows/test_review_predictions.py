"""What a review says of the detectors that it trains."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from anomdet.config.dump import dump_yaml
from anomdet.config.load import load_settings
from anomdet.workflows.review_predictions import _warn_of_few_passes


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
        _warn_of_few_passes(tmp_path, 100)
    assert said in caplog.text and bool(said) == ("--minutes" in caplog.text)
