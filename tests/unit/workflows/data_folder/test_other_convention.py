"""A run on boxes that are two corners, or those of images without their EXIF orientation, is refused before it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from anomdet.data.index.scan import scan
from anomdet.errors import UserError
from anomdet.workflows.data_folder.other_convention import refuse_other_convention
from tests.unit.quality.check.test_unturned import make


def dataset_of(folder: Path) -> SimpleNamespace:
    others = dict.fromkeys(("split_rule", "splits", "hard_normals"))
    return SimpleNamespace(index=scan(folder), split_class_counts=dict, **others)


def with_lines(folder: Path, write: str) -> Path:
    """60 images of 90 x 60 pixels with one box each, written as ``write`` says."""
    make(folder, [1] * 60)
    for at, path in enumerate(sorted((folder / "labels").iterdir())):
        width, height = np.random.default_rng(at).integers(8, 20, 2).tolist()
        x, y = np.random.default_rng(at + 100).integers(0, (90 - width, 60 - height)).tolist()
        values = {"x": x, "y": y, "w": width, "h": height, "x2": x + width, "y2": y + height}
        path.write_text(f"1 {write.format(**values)}\n")
    return folder


def test_two_corners_are_refused(tmp_path: Path) -> None:
    """They were cut to their images with a line in the log, and all of them were learned wrongly."""
    folder = with_lines(tmp_path / "data", "{x} {y} {x2} {y2}")
    with pytest.raises(
        UserError, match=r"labels: expected corner and size in pixels, got two corners: .*--fix OUT_DIR"
    ):
        refuse_other_convention(dataset_of(folder))


def test_boxes_of_images_as_stored_are_refused(tmp_path: Path) -> None:
    folder = make(tmp_path / "data", [1] * 4 + [6, 8] * 6)
    for path in (folder / "labels").iterdir():  # at the border, but not outside of it: the index takes them
        path.write_text("1 50 40 20 19\n")
    with pytest.raises(UserError, match="without the EXIF orientation"):
        refuse_other_convention(dataset_of(folder))


def test_right_boxes_at_borders_and_other_data_sets_are_not(tmp_path: Path) -> None:
    folder = with_lines(tmp_path / "data", "{x} {y} {w} {h}")
    for path in sorted((folder / "labels").iterdir())[:9]:
        path.write_text("1 80 50 10.4 10.2\n")
    refuse_other_convention(dataset_of(folder))
    refuse_other_convention([1, 2, 3])
