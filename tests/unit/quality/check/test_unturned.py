"""Boxes of images without their EXIF orientation: not taken for exchanged axes, and turned by --fix."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from anomdet.images.decode import read_image
from anomdet.quality.check.check import Rules, check_data
from anomdet.quality.check.findings import ERROR
from anomdet.quality.check.fix import write_fixed

WIDTH, HEIGHT = 90, 60  # as stored


def make(folder: Path, orientations: list[int], *, upright_too: int = 0, swapped: bool = False) -> Path:
    """White boxes on black, labelled by the pixels as stored; then images that are not turned."""
    for name in ("images", "labels"):
        (folder / name).mkdir(parents=True)
    rng = np.random.default_rng(3)
    for at, orientation in enumerate([*orientations, *[1] * upright_too]):
        pixels = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        width, height = rng.integers(8, 20, 2).tolist()
        x, y = int(rng.integers(55, WIDTH - width)), int(rng.integers(0, HEIGHT - height))
        pixels[y : y + height, x : x + width] = 255
        exif = Image.Exif()
        exif[0x112] = orientation
        Image.fromarray(pixels).save(folder / f"images/{at}.png", exif=exif)
        line = f"1 {y} {x} {height} {width}" if swapped else f"1 {x} {y} {width} {height}"
        (folder / f"labels/{at}.txt").write_text(f"{line}\n")
    return folder


def errors_of(folder: Path) -> list[str]:
    return [found.code for found in check_data(folder, Rules()).findings if found.severity == ERROR]


@pytest.mark.parametrize("upright_too", [0, 6])
def test_the_copy_has_each_box_on_its_object(upright_too: int, tmp_path: Path) -> None:
    """As y before x they fit, too, and were converted so: mirrored, and no check found it any more."""
    data = make(tmp_path / "data", [1, 2, 3, 4, 5, 6, 7, 8, 5, 6, 7, 8], upright_too=upright_too)
    checked = check_data(data, Rules())
    assert "boxes-unturned" in errors_of(data) and "boxes-swapped" not in errors_of(data)
    fixed = write_fixed(checked, tmp_path / "fixed")
    assert fixed.num_images == 12 + upright_too and not errors_of(tmp_path / "fixed")
    for label in sorted((tmp_path / "fixed/labels").iterdir()):
        _, x, y, width, height = map(int, label.read_text().split())
        image = read_image(tmp_path / f"fixed/images/{label.stem}.png")
        assert cv2.boundingRect(image[..., 0]) == (x, y, width, height), label.name


def test_exchanged_axes_stay_exchanged_axes(tmp_path: Path) -> None:
    """Where images that are not turned show it."""
    data = make(tmp_path / "data", [1] * 12, swapped=True)
    assert errors_of(data)[0] == "boxes-swapped"
    mixed = make(tmp_path / "mixed", [6, 8, 6, 8], upright_too=12, swapped=True)
    assert "boxes-unturned" not in errors_of(mixed)
