"""Images of a source: their size is that of the upright image."""

from __future__ import annotations

from pathlib import Path

import pytest

from anomdet.errors import UserError
from anomdet.formats.dataset import rotated
from anomdet.formats.pictures import is_text
from tests.unit.formats.cases import run, write_files
from tests.unit.images.image_samples import oriented


def coco(width: int, height: int) -> dict:
    image = {"id": 1, "file_name": "a.jpg", "width": width, "height": height}
    annotation = {"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]}
    return {"images": [image], "annotations": [annotation], "categories": [{"id": 1, "name": "x"}]}


def test_orientation(tmp_path: Path) -> None:
    """Stored 60 x 40 and turned by a quarter, so 40 x 60 upright."""
    for name, size in (("upright", (40, 60)), ("stored", (60, 40)), ("unknown", (0, 0))):
        write_files(tmp_path / name, {"c.json": coco(*size), "a.jpg": oriented("JPEG", 6)})
    run(tmp_path / "upright", "coco", "yolo", tmp_path / "out")
    assert (tmp_path / "out/labels/a.txt").read_text() == "0 0.0625 0.0666666666667 0.075 0.0666666666667\n"
    assert run(tmp_path / "unknown", "coco", "yolo", tmp_path / "out 2").num_images == 1
    with pytest.raises(UserError, match="drawn without the EXIF orientation; turn the image upright"):
        run(tmp_path / "stored", "coco", "yolo", tmp_path / "out 3")


def test_rotated_boxes() -> None:
    assert rotated(0, 0, 4, 2, 90, about_center=True) == pytest.approx((1, -1, 2, 4))
    assert rotated(0, 0, 4, 2, 90, about_center=False) == pytest.approx((-2, 0, 2, 4))
    assert rotated(0, 0, 2, 2, 45, about_center=True) == pytest.approx((1 - 2**0.5, 1 - 2**0.5, 8**0.5, 8**0.5))


@pytest.mark.parametrize(
    ("text", "fits"), [("ä 划\u3000\u00a0🔩👩‍🔧", True), ("a\tb", False), ("\ud800", False), ("\uffff", False)]
)
def test_text_for_a_line(text: str, fits: bool) -> None:
    assert is_text(text) == fits
