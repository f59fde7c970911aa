"""The images of a COCO file that were changed since it was converted."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from anomdet.errors import UserError
from anomdet.workflows.runs.image_stamps import stamps_of
from anomdet.workflows.runs.mmdet_config import CocoSplit, _convert


def coco(folder: Path) -> CocoSplit:
    (folder / "images").mkdir()
    images = [{"id": i, "file_name": f"{i}.png", "width": 9, "height": 9} for i in range(2)]
    boxes = [{"id": 1, "image_id": 0, "category_id": 1, "bbox": [1, 1, 3, 3]}]
    content = {"images": images, "annotations": boxes, "categories": [{"id": 1, "name": "dent"}]}
    (folder / "a.json").write_text(json.dumps(content))
    for image in images:
        cv2.imwrite(str(folder / "images" / image["file_name"]), np.zeros((9, 9, 3), np.uint8))
    return CocoSplit("train", folder / "a.json", folder / "images", ())


def test_replaced_images_are_not_those_of_the_converted_data(tmp_path: Path) -> None:
    one, out = coco(tmp_path), tmp_path / "w_data"
    classes = _convert({"train": one}, out)
    assert _convert({"train": one}, out) == classes == {1: "dent"}
    (tmp_path / "images" / "1.png").unlink()
    cv2.imwrite(str(tmp_path / "images" / "1.png"), np.full((9, 9, 3), 90, np.uint8))
    with pytest.raises(UserError, match="expected the data of this config, got images as they were before; move it"):
        _convert({"train": one}, out)
    source = json.loads((out / "source.json").read_text())
    del source["images"]  # of an earlier version
    (out / "source.json").write_text(json.dumps(source))
    assert _convert({"train": one}, out) == classes


def test_stamps_of_what_is_no_coco_file(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("[1]")
    assert stamps_of(tmp_path / "a.json", tmp_path) == ""
