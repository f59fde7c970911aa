"""Label files without an image: what training, ``check`` and ``convert`` say of the image that may be meant."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from anomdet.data.index.scan import scan
from anomdet.data.index.spelling import hint_of_folder
from anomdet.errors import UserError
from anomdet.quality.check.check import Rules, check_data
from anomdet.workflows.convert import convert


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """One image that is read, and one of a telephone, each with its label file."""
    for folder in ("images", "labels"):
        (tmp_path / "data" / folder).mkdir(parents=True)
    pixels = cv2.imencode(".png", np.zeros((20, 20), np.uint8))[1].tobytes()
    for name in ("a.png", "b.heic"):
        (tmp_path / "data/images" / name).write_bytes(pixels)
        (tmp_path / "data/labels" / name).with_suffix(".txt").write_text("1 2 3 4 5\n")
    return tmp_path / "data"


HINT = "images/b.heic is of a kind that is not read: save it as b.png"


def test_training_names_the_image_of_another_kind(data_dir: Path) -> None:
    with pytest.raises(UserError, match=HINT):
        scan(data_dir)


def test_check_names_it(data_dir: Path) -> None:
    (found,) = [one for one in check_data(data_dir, Rules()).findings if one.code == "label-without-image"]
    assert found.hint == HINT


def test_convert_names_it(data_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=HINT):
        convert(data_dir, tmp_path / "out", from_format="anomdet", to_format="coco")


def test_a_text_file_beside_the_images_is_none_of_them(data_dir: Path) -> None:
    (data_dir / "images/b.heic").rename(data_dir / "images/b.txt")
    with pytest.raises(UserError) as caught:
        scan(data_dir)
    assert "not read" not in str(caught.value)


def test_both_folders_one_level_above_or_below(tmp_path):
    for name in ("data/images", "data/labels", "sets/test/images", "sets/test/labels"):
        (tmp_path / name).mkdir(parents=True)
    assert hint_of_folder(tmp_path / "data/images", "labels") == f"name the folder above, {tmp_path / 'data'}"
    assert hint_of_folder(tmp_path, "images") == f"{tmp_path / 'data'} has both: name that folder"
    for name in ("sets/train/images", "sets/train/labels"):
        (tmp_path / name).mkdir(parents=True)
    assert hint_of_folder(tmp_path / "sets", "images").startswith(
        "test, train have both: name one of them, or move test/images to images/test, test/labels to labels/test"
    )
    assert hint_of_folder(tmp_path / "data/labels/x", "images") == ""
