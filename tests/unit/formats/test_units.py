"""Fractions where a format has pixels are refused: they would be boxes of a third of a pixel. And text of Windows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from anomdet.errors import UserError
from tests.unit.formats.cases import run

Box = tuple[float, float, float, float]  # x, y, width, height
FRACTIONS: list[Box] = [(0.1, 0.2, 0.3, 0.25), (0.5, 0.5, 0.5, 0.5)]
ONE_IN_PIXELS: list[Box] = [(0.1, 0.2, 0.3, 0.25), (10, 5, 20, 10)]


def coco(folder: Path, boxes: list[Box]) -> None:
    annotations = [
        {"id": i, "image_id": 1, "category_id": 1, "bbox": list(box), "iscrowd": 0} for i, box in enumerate(boxes)
    ]
    images = [{"id": 1, "file_name": "a.png", "width": 60, "height": 40}]
    content = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "dent"}]}
    (folder / "a.json").write_text(json.dumps(content), encoding="utf-8")


def voc(folder: Path, boxes: list[Box]) -> None:
    objects = "".join(
        f"<object><name>dent</name><bndbox><xmin>{x}</xmin><ymin>{y}</ymin><xmax>{x + w}</xmax><ymax>{y + h}</ymax>"
        "</bndbox></object>"
        for x, y, w, h in boxes
    )
    size = "<size><width>60</width><height>40</height></size>"
    (folder / "a.xml").write_text(f"<annotation><filename>a.png</filename>{size}{objects}</annotation>")


def labelme(folder: Path, boxes: list[Box]) -> None:
    shapes: list[dict[str, Any]] = [
        {"label": "dent", "shape_type": "rectangle", "points": [[x, y], [x + w, y + h]]} for x, y, w, h in boxes
    ]
    content = {"shapes": shapes, "imagePath": "a.png", "imageWidth": 60, "imageHeight": 40}
    (folder / "a.json").write_text(json.dumps(content), encoding="utf-8")


def cvat(folder: Path, boxes: list[Box]) -> None:
    marks = "".join(f'<box label="dent" xtl="{x}" ytl="{y}" xbr="{x + w}" ybr="{y + h}"/>' for x, y, w, h in boxes)
    image = f'<image id="0" name="a.png" width="60" height="40">{marks}</image>'
    (folder / "annotations.xml").write_text(f"<annotations>{image}</annotations>")


def anomdet(folder: Path, boxes: list[Box]) -> None:
    (folder / "images").mkdir()
    (folder / "a.png").rename(folder / "images" / "a.png")
    (folder / "labels").mkdir()
    lines = "".join(f"1 {' '.join(map(str, box))}\n" for box in boxes)
    (folder / "labels" / "a.txt").write_text(lines)


WRITERS = {one.__name__: one for one in (coco, voc, labelme, cvat, anomdet)}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    cv2.imwrite(str(folder / "a.png"), np.zeros((40, 60, 3), np.uint8))
    return folder


@pytest.mark.parametrize("format_name", WRITERS)
@pytest.mark.parametrize("boxes", [FRACTIONS, FRACTIONS[:1]])
def test_fractions_are_no_pixels(format_name: str, boxes: list[Box], source: Path, tmp_path: Path) -> None:
    WRITERS[format_name](source, boxes)
    with pytest.raises(UserError, match=r"expected boxes in pixels, got .* within 1 pixel; these look like fractions"):
        run(source, format_name, "coco", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("format_name", WRITERS)
def test_a_small_box_among_others_is_one(format_name: str, source: Path, tmp_path: Path) -> None:
    WRITERS[format_name](source, ONE_IN_PIXELS)
    assert sum(run(source, format_name, "coco", tmp_path / "out").objects.values()) == 2


def test_a_mask_of_one_pixel_is_a_defect(tmp_path: Path) -> None:
    for folder, pixels in (("images", np.zeros((40, 60, 3), np.uint8)), ("masks", np.zeros((40, 60), np.uint8))):
        (tmp_path / "source" / folder).mkdir(parents=True)
        pixels[0, 0] = 1
        cv2.imwrite(str(tmp_path / "source" / folder / "a.png"), pixels)
    assert sum(run(tmp_path / "source", "masks", "anomdet", tmp_path / "out").objects.values()) == 1


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_label_files_of_windows_are_recognised(mark: bytes, end: bytes, source: Path, tmp_path: Path) -> None:
    """With a byte order mark in labels and names."""
    (source / "images").mkdir()
    (source / "a.png").rename(source / "images" / "a.png")
    (source / "labels").mkdir()
    (source / "labels" / "a.txt").write_bytes(mark + b"0 0.5 0.5 0.2 0.4" + end + b"1 0.5 0.5 0.1 0.1" + end)
    (source / "classes.txt").write_bytes(mark + b"dent" + end + b"scratch" + end)
    run(source, None, "anomdet", tmp_path / "out")
    assert (tmp_path / "out" / "labels" / "a.txt").read_text() == "0 24 12 12 16\n1 27 18 6 4\n"
    assert "dent" in (tmp_path / "out" / "classes.yaml").read_text().split("0:")[1].splitlines()[0]
