"""What the detectors that a review trains learn from."""

from __future__ import annotations

from pathlib import Path

from anomdet.config.load import load_settings
from anomdet.workflows.reviews.out_of_fold import _fold_settings


def test_a_fold_learns_no_normal_only_score(tmp_path: Path) -> None:
    """It says nothing of labels, takes time beside --minutes, and a fold may have too few normal images for it."""
    for split in ("train", "val", "test"):
        (tmp_path / f"{split}.txt").touch()
    settings = load_settings({"anomaly": {"enabled": True}})
    assert _fold_settings(settings, tmp_path, tmp_path / "run", None).anomaly.enabled is False
